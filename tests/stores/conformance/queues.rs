use task_scheduler::clock::Timestamp;
use task_scheduler::store::{Change, QueueState};

use super::given::*;

on_every_store!(
    the_counts_follow_every_state_of_a_task,
    queues_are_listed_by_name,
    suspended_tasks_are_counted_as_running,
);

async fn counts(given: &Given) -> Vec<(u64, u64)> {
    let queues = given.store.queues().await.expect("it reads");
    queues.into_iter().map(|queue| (queue.waiting(), queue.running)).collect()
}

async fn the_counts_follow_every_state_of_a_task(given: Given) {
    assert_eq!(counts(&given).await, []);
    let (parent, parent_fence) = given.run(task("parent")).await;
    assert_eq!(counts(&given).await, [(0, 1)]);
    let sequence = given.enter(waits("a", &["parent"])).await;
    assert_eq!(counts(&given).await, [(1, 1)]);
    given.commit(complete(parent, parent_fence)).await;
    assert_eq!(counts(&given).await, [(1, 0)]);
    let fence = given.claim(sequence).await.expect("it was released").fence;
    assert_eq!(counts(&given).await, [(0, 1)]);
    let due = given.after(SECOND);
    given.commit(Change::Retry { sequence, fence, failure: failure(), due }).await;
    assert_eq!(counts(&given).await, [(1, 0)]);
    given.commit(cancel("a")).await;
    assert_eq!(counts(&given).await, []);
    given.commit(again("a")).await;
    assert_eq!(counts(&given).await, [(1, 0)]);
    let mut insert = given.insert(task("claimed"));
    insert.claim = Some(given.fence());
    given.commit(Change::Insert(insert)).await;
    assert_eq!(counts(&given).await, [(1, 1)]);
}

async fn queues_are_listed_by_name(given: Given) {
    for (id, name) in [("a", "two"), ("b", "one"), ("c", "two")] {
        given.enter(task_with(id, |options| options.queue = queue(name))).await;
    }
    let oldest_queued_at = Some(Timestamp::EPOCH);
    let state = |name: &str, queued| QueueState {
        queued,
        oldest_queued_at,
        ..QueueState::empty(queue(name))
    };
    let queues = given.store.queues().await.expect("it reads");
    assert_eq!(queues, [state("one", 1), state("two", 2)]);
}

async fn suspended_tasks_are_counted_as_running(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    given.commit(rest(sequence, fence, true)).await;
    let expected = QueueState { running: 1, suspended: 1, ..QueueState::empty(queue("default")) };
    assert_eq!(given.store.queues().await.expect("it reads"), std::slice::from_ref(&expected));
    given.commit(rest(sequence, fence, false)).await;
    let expected = QueueState { suspended: 0, ..expected };
    assert_eq!(given.store.queues().await.expect("it reads"), [expected]);
}
