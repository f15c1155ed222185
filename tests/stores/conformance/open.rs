use task_scheduler::models::{Ending, HistoryEntry, Sequence, State};
use task_scheduler::store::{
    Change, ChangeResult, NOTIFY_SLICE, OpenReport, Retention, RetentionLimit,
};

use super::given::*;

on_every_store!(
    a_new_store_begins_with_sequence_one,
    a_boot_queues_tasks_that_an_earlier_one_left_running,
    the_fences_of_an_earlier_boot_are_stale,
    a_boot_cancels_a_task_with_a_request_to_cancel,
    a_boot_reports_the_state_of_every_queue,
    a_boot_frees_the_slots_of_limited_queues,
    outbox_positions_are_never_used_twice,
    pending_dependants_are_notified_by_the_next_boot,
    acknowledged_tasks_survive_the_process_in_a_durable_store,
);

/// A shared store does not touch the running tasks of other nodes.
fn left_running(given: &Given) -> u64 {
    u64::from(!given.store.properties().shared)
}

async fn a_new_store_begins_with_sequence_one(mut given: Given) {
    if !given.store.properties().durable {
        given.restart().await;
    }
    given.commit(Change::Stop).await;
    let opened = given.open().await;
    let expected = OpenReport {
        epoch: 2,
        next_sequence: Sequence(1),
        queues: Vec::new(),
        notify_slice: NOTIFY_SLICE,
        rescued: 0,
        quarantined: 0,
        events: Vec::new(),
        due: None,
    };
    assert_eq!(opened, OpenReport { epoch: 2, ..opened.clone() });
    assert_eq!(opened, expected);
}

async fn a_boot_queues_tasks_that_an_earlier_one_left_running(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let due = given.now();
    given.commit(Change::Retry { sequence, fence, failure: failure(), due }).await;
    given.commit(Change::Promote { limit: 9 }).await;
    given.claim(sequence).await.expect("it is due");
    given.wait(SECOND);
    let opened = given.open().await;
    assert_eq!(opened.rescued, left_running(&given));
    let snapshot = given.find("a").await;
    assert_eq!((snapshot.state, snapshot.rescues), (State::Queued, 1));
    assert_eq!(snapshot.attempts, 1, "the attempt that was cut short does not count");
    let entry = HistoryEntry { state: State::Queued, at: given.now(), attempt: 1, error: None };
    assert_eq!(snapshot.history.last(), Some(&entry));
    assert_eq!(given.claim(sequence).await.map(|it| it.attempt), Some(2));
}

async fn the_fences_of_an_earlier_boot_are_stale(given: Given) {
    let (sequence, stale) = given.run(task("a")).await;
    let opened = given.open().await;
    assert!(opened.epoch > stale.epoch);
    assert_eq!(given.commit(complete(sequence, stale)).await.result, ChangeResult::Stale);
    assert_eq!(given.state("a").await, State::Queued);
    given.claim(sequence).await.expect("it was put back");
    assert_eq!(given.commit(complete(sequence, stale)).await.result, ChangeResult::Stale);
    assert_eq!(given.state("a").await, State::Running);
}

async fn a_boot_cancels_a_task_with_a_request_to_cancel(given: Given) {
    let (sequence, _) = given.run(task("a")).await;
    given.enter(waits("child", &["a"])).await;
    given.commit(cancel("a")).await;
    given.open().await;
    let outcome = given.find("a").await.outcome.expect("it has ended");
    assert_eq!(outcome.ending, Ending::Cancelled("tired".into()));
    assert_eq!(given.claim(sequence).await, None);
    let applied = given.commit(Change::NotifyDependants { limit: NOTIFY_SLICE }).await;
    assert_eq!(ids(&applied.ended), ["child"]);
}

async fn a_boot_reports_the_state_of_every_queue(given: Given) {
    let due = given.after(SECOND);
    let in_queue = |id: &str, name: &str| task_with(id, |options| options.queue = queue(name));
    given.enter_all([in_queue("a", "one"), in_queue("b", "two")]).await;
    let (sequence, fence) = given.run(in_queue("c", "two")).await;
    given.commit(Change::Retry { sequence, fence, failure: failure(), due }).await;
    given.run(in_queue("d", "one")).await;
    given.succeed(in_queue("e", "three")).await;
    let opened = given.open().await;
    let queues: Vec<_> = opened.queues.iter().map(|it| (it.queue.as_str(), it.waiting())).collect();
    assert_eq!(queues, [("one", 2), ("two", 2)]);
    assert_eq!(opened.queues, given.store.queues().await.expect("it reads"));
    let expected = OpenReport {
        epoch: opened.epoch,
        next_sequence: Sequence(6),
        queues: opened.queues.clone(),
        notify_slice: NOTIFY_SLICE,
        rescued: left_running(&given),
        quarantined: 0,
        events: Vec::new(),
        due: Some(due),
    };
    assert_eq!(OpenReport { events: Vec::new(), ..opened }, expected);
}

async fn a_boot_frees_the_slots_of_limited_queues(given: Given) {
    given.commit(set_queue(Some(1))).await;
    let (sequence, _) = given.run(task("a")).await;
    given.open().await;
    given.commit(set_queue(Some(1))).await;
    assert!(given.claim(sequence).await.is_some());
}

async fn outbox_positions_are_never_used_twice(given: Given) {
    given.succeed(task("a")).await;
    let last = given.succeed(task("b")).await;
    given.wait(5 * SECOND);
    let keep = RetentionLimit { max_age: SECOND, max_count: 9 };
    let retention = Retention { succeeded: keep, others: keep };
    given.commit(Change::Prune { retention, limit: 9 }).await;
    assert_eq!(given.known("b").await, None);
    assert_eq!(given.open().await.next_sequence, Sequence(last.0 + 1));
}

async fn pending_dependants_are_notified_by_the_next_boot(given: Given) {
    let (parent, fence) = given.run(task("parent")).await;
    let many = NOTIFY_SLICE + 5;
    given.enter_all((0..many).map(|number| waits(&format!("c{number}"), &["parent"]))).await;
    assert!(given.commit(fail(parent, fence)).await.more);
    given.open().await;
    let applied = given.commit(Change::NotifyDependants { limit: NOTIFY_SLICE }).await;
    assert_eq!((applied.ended.len(), applied.more), (5, false));
}

async fn acknowledged_tasks_survive_the_process_in_a_durable_store(mut given: Given) {
    given.enter(task("a")).await;
    let before = given.find("a").await;
    given.restart().await;
    let expected = given.store.properties().durable.then_some(before);
    assert_eq!(given.known("a").await, expected);
}
