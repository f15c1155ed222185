use std::sync::Arc;

use task_scheduler::models::Sequence;
use task_scheduler::store::{Change, ClaimableTask, Position};

use super::given::*;

on_every_store!(
    the_highest_priority_comes_first_and_then_the_earliest,
    a_window_has_no_more_than_its_limit,
    a_window_begins_after_a_position,
    a_window_can_begin_at_a_position_without_a_task,
    a_window_shows_one_queue,
    a_window_shows_only_claimable_tasks,
    a_requeued_task_has_its_old_position,
);

fn ranked(id: &str, priority: i32) -> task_scheduler::models::Task {
    task_with(id, |options| options.priority = priority)
}

fn at(priority: i32, sequence: u64) -> Position {
    Position { priority, sequence: Sequence(sequence) }
}

/// Five tasks, in the order 4, 2, 1, 5, 3.
async fn five() -> impl AsyncFn(&Given) {
    async |given: &Given| {
        for (id, priority) in [("1", 0), ("2", 5), ("3", -1), ("4", i32::MAX), ("5", 0)] {
            given.enter(ranked(id, priority)).await;
        }
    }
}

async fn places(given: &Given, after: Option<Position>, limit: usize) -> Vec<Position> {
    given.window(after, limit).await.into_iter().map(|it| it.position).collect()
}

async fn the_highest_priority_comes_first_and_then_the_earliest(given: Given) {
    five().await(&given).await;
    let window = given.window(None, 9).await;
    let first =
        ClaimableTask { queue: queue("default"), position: at(i32::MAX, 4), method: "add".into() };
    assert_eq!(window[0], first);
    assert_eq!(given.claimable().await, [4, 2, 1, 5, 3]);
}

async fn a_window_has_no_more_than_its_limit(given: Given) {
    five().await(&given).await;
    assert_eq!(places(&given, None, 2).await, [at(i32::MAX, 4), at(5, 2)]);
    assert_eq!(places(&given, None, 0).await, []);
}

async fn a_window_begins_after_a_position(given: Given) {
    five().await(&given).await;
    assert_eq!(places(&given, Some(at(5, 2)), 2).await, [at(0, 1), at(0, 5)]);
    assert_eq!(places(&given, Some(at(-1, 3)), 2).await, []);
}

async fn a_window_can_begin_at_a_position_without_a_task(given: Given) {
    five().await(&given).await;
    assert_eq!(places(&given, Some(at(0, 2)), 9).await, [at(0, 5), at(-1, 3)]);
    assert_eq!(places(&given, Some(at(i32::MIN, 0)), 9).await, []);
}

async fn a_window_shows_one_queue(given: Given) {
    given.enter(task_with("a", |options| options.queue = queue("other"))).await;
    assert!(given.claimable().await.is_empty());
    let other = given.store.window(&queue("other"), None, 9).await.expect("it reads");
    assert_eq!(other.len(), 1);
    let nobody = given.store.window(&queue("nobody"), None, 9).await.expect("it reads");
    assert!(nobody.is_empty());
}

async fn a_window_shows_only_claimable_tasks(given: Given) {
    let due = given.after(SECOND);
    given.run(task("running")).await;
    given.succeed(task("ended")).await;
    given.enter(task_with("later", |options| options.run_at = Some(due))).await;
    given.enter(waits("waits", &["running"])).await;
    let (sequence, fence) = given.run(task("retrying")).await;
    given.commit(Change::Retry { sequence, fence, failure: failure(), due }).await;
    let queued = given.enter(task("queued")).await;
    assert_eq!(given.claimable().await, [queued.0]);
}

async fn a_requeued_task_has_its_old_position(given: Given) {
    let (first, fence) = given.run(task("first")).await;
    let second = given.enter(task("second")).await;
    let changes = [requeue(first, fence), Change::Insert(given.insert(ranked("third", 1)))];
    given.commit_all(Arc::new(changes)).await;
    assert_eq!(given.claimable().await, [3, first.0, second.0]);
}
