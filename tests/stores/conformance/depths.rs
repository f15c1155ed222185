use task_scheduler::models::{QueueLimits, QueueSettings, Rate, Task};
use task_scheduler::store::{Change, QueueState};

use super::given::*;

on_every_store!(
    tasks_are_counted_by_state,
    of_ended_tasks_only_kept_failures_are_counted,
    the_longest_waiting_task_is_found_whatever_its_priority,
    queues_with_settings_are_listed_although_they_are_empty,
    a_restart_changes_nothing,
    a_key_is_free_when_its_rate_limit_permits,
);

async fn depths(given: &Given) -> Vec<QueueState> {
    given.store.queues().await.expect("it reads")
}

async fn tasks_are_counted_by_state(given: Given) {
    assert_eq!(depths(&given).await, []);
    let first = given.now();
    let (parent, fence) = given.run(Task { submitted_at: first, ..task("runs") }).await;
    given.enter(waits("waits", &["runs"])).await;
    let due = given.after(SECOND);
    given.enter(task_with("later", |options| options.run_at = Some(due))).await;
    given.wait(SECOND / 2);
    given.enter(Task { submitted_at: given.now(), ..task("stands") }).await;
    let expected = QueueState {
        queued: 1,
        running: 1,
        delayed: 2,
        oldest_queued_at: Some(given.now()),
        ..QueueState::empty(queue("default"))
    };
    assert_eq!(depths(&given).await, std::slice::from_ref(&expected));
    given.commit(Change::Retry { sequence: parent, fence, failure: failure(), due }).await;
    let expected = QueueState { running: 0, delayed: 3, ..expected };
    assert_eq!(depths(&given).await, std::slice::from_ref(&expected));
    given.wait(SECOND);
    given.commit(Change::Promote { limit: 10 }).await;
    let expected = QueueState { queued: 3, delayed: 1, oldest_queued_at: Some(first), ..expected };
    assert_eq!(depths(&given).await, [expected]);
}

async fn of_ended_tasks_only_kept_failures_are_counted(given: Given) {
    let (sequence, fence) = given.run(task("good")).await;
    given.commit(complete(sequence, fence)).await;
    given.enter(task("unwanted")).await;
    given.commit(cancel("unwanted")).await;
    assert_eq!(depths(&given).await, []);
    let (sequence, fence) = given.run(task("bad")).await;
    given.commit(Change::Fail { sequence, fence, failure: failure() }).await;
    let expected = QueueState { failed: 1, ..QueueState::empty(queue("default")) };
    assert_eq!(depths(&given).await, [expected]);
    given.commit(Change::Purge { id: name("bad") }).await;
    assert_eq!(depths(&given).await, []);
}

async fn the_longest_waiting_task_is_found_whatever_its_priority(given: Given) {
    let mut accepted = Vec::new();
    for (name, priority) in [("a", 3), ("b", -7), ("c", 9), ("d", 3)] {
        accepted.push(given.now());
        let task = task_with(name, |options| options.priority = priority);
        given.enter(Task { submitted_at: given.now(), ..task }).await;
        given.wait(SECOND);
    }
    for (gone, oldest) in [("a", 1), ("c", 1), ("b", 3)] {
        given.commit(cancel(gone)).await;
        assert_eq!(depths(&given).await[0].oldest_queued_at, Some(accepted[oldest]), "{gone}");
    }
    given.commit(cancel("d")).await;
    assert_eq!(depths(&given).await, []);
}

async fn queues_with_settings_are_listed_although_they_are_empty(given: Given) {
    given.commit(Change::PauseQueue { queue: queue("two"), paused: true }).await;
    let limits = QueueLimits { weight: 2, ..QueueLimits::default() };
    given.commit(Change::SetQueue { queue: queue("one"), limits }).await;
    let of = |settings, name| QueueState { settings, ..QueueState::empty(queue(name)) };
    let one = of(QueueSettings { limits, ..QueueSettings::default() }, "one");
    let two = of(QueueSettings { paused: true, ..QueueSettings::default() }, "two");
    assert_eq!(depths(&given).await, [one, two]);
}

async fn a_restart_changes_nothing(mut given: Given) {
    let (sequence, fence) = given.run(task("bad")).await;
    given.commit(Change::Fail { sequence, fence, failure: failure() }).await;
    given.enter(task("stands")).await;
    let before = depths(&given).await;
    let lasts = given.store.properties().durable;
    given.restart().await;
    let expected = if lasts { before } else { Vec::new() };
    assert_eq!(depths(&given).await, expected);
}

async fn a_key_is_free_when_its_rate_limit_permits(given: Given) {
    let queue_name = queue("default");
    let free_at = async |key| {
        let asked = given.store.key_free_at(&queue_name, key, given.now());
        asked.await.expect("it reads")
    };
    let rate_per_key = Some(Rate { count: 2, per: 10 * SECOND });
    let limits = QueueLimits { concurrency_per_key: 9, rate_per_key, ..QueueLimits::default() };
    given.commit(Change::SetQueue { queue: queue("default"), limits }).await;
    let begun = given.now();
    for name in ["a", "b"] {
        assert_eq!(free_at("k").await, None, "{name}");
        given.run(keyed(name, "k")).await;
    }
    assert_eq!(free_at("k").await, Some(begun.plus(5 * SECOND)));
    assert_eq!(free_at("other").await, None);
    given.wait(5 * SECOND);
    assert_eq!(free_at("k").await, None);
}
