use std::sync::Arc;

use task_scheduler::models::{Ending, State};
use task_scheduler::store::{Applied, Change};

use super::given::*;

on_every_store!(
    due_tasks_are_queued_and_others_stay,
    every_commit_returns_the_next_due_time,
    a_task_that_waits_past_its_time_to_live_expires,
    a_task_that_is_due_after_its_time_to_live_expires,
    no_more_than_the_limit_is_promoted_at_once,
    a_slice_that_was_just_full_reports_no_more,
    cancelled_tasks_are_not_promoted,
);

const ALL: Change = Change::Promote { limit: 100 };

async fn due_tasks_are_queued_and_others_stay(given: Given) {
    let now = given.now();
    let at = |id: &str, seconds: u32| {
        task_with(id, |options| options.run_at = Some(now.plus(seconds * SECOND)))
    };
    let second = given.enter(at("second", 2)).await;
    let first = given.enter(at("first", 1)).await;
    given.enter(at("third", 3)).await;
    assert_eq!(given.commit(ALL).await, Applied::default());
    given.wait(2 * SECOND);
    let applied = given.commit(ALL).await;
    assert_eq!(applied, Applied { ready: vec![ready(first), ready(second)], ..applied.clone() });
    assert!(applied.ended.is_empty() && !applied.more);
    let expected = [State::Queued, State::Queued, State::Pending];
    assert_eq!(given.states(["first", "second", "third"]).await, expected);
    assert_eq!(given.find("first").await.due_at, None);
}

async fn every_commit_returns_the_next_due_time(given: Given) {
    let due = |seconds: u32| given.after(seconds * SECOND);
    let (run_at, expires_at, retry_at) = (due(3), due(2), due(1));
    let commit = given.commit_all(Arc::new([ALL])).await;
    assert_eq!(commit.due, None);
    let later = given.insert(task_with("later", |options| options.run_at = Some(run_at)));
    let commit = given.commit_all(Arc::new([Change::Insert(later)])).await;
    assert_eq!(commit.due, Some(run_at));
    let dies = given.insert(task_with("dies", |options| options.expires_at = Some(expires_at)));
    let commit = given.commit_all(Arc::new([Change::Insert(dies)])).await;
    assert_eq!(commit.due, Some(expires_at));
    let (sequence, fence) = given.run(task("retried")).await;
    let retry = Change::Retry { sequence, fence, failure: failure(), due: retry_at };
    assert_eq!(given.commit_all(Arc::new([retry])).await.due, Some(retry_at));
    given.wait(SECOND);
    assert_eq!(given.commit_all(Arc::new([ALL])).await.due, Some(expires_at));
    assert_eq!(given.commit_all(Arc::new([cancel("dies")])).await.due, Some(run_at));
    assert_eq!(given.commit_all(Arc::new([cancel("later")])).await.due, None);
}

async fn a_task_that_waits_past_its_time_to_live_expires(given: Given) {
    let over = given.after(SECOND);
    let dies = |mut task: task_scheduler::models::Task| {
        task.options.expires_at = Some(over);
        task
    };
    given.run(task("parent")).await;
    given.enter_all([dies(task("queued")), dies(waits("pending", &["parent"]))]).await;
    given.wait(SECOND);
    let applied = given.commit(ALL).await;
    assert_eq!((ids(&applied.ended), applied.more), (vec!["pending", "queued"], false));
    for id in ["queued", "pending"] {
        let snapshot = given.find(id).await;
        assert_eq!((snapshot.state, snapshot.unmet), (State::Expired, 0));
        let outcome = snapshot.outcome.expect("it has ended");
        assert_eq!((outcome.ending, outcome.attempts), (Ending::Expired, 0));
        assert_eq!((outcome.started_at, outcome.ended_at), (None, given.now()));
    }
    assert!(given.claimable().await.is_empty());
}

async fn a_task_that_is_due_after_its_time_to_live_expires(given: Given) {
    let (over, due) = (given.after(SECOND), given.after(2 * SECOND));
    for (id, run_at) in [("later", due), ("at once", over)] {
        given
            .enter(task_with(id, |options| {
                (options.run_at, options.expires_at) = (Some(run_at), Some(over));
            }))
            .await;
    }
    given.wait(3 * SECOND);
    let applied = given.commit(ALL).await;
    assert_eq!((ids(&applied.ended), applied.ready.len()), (vec!["at once", "later"], 0));
    assert_eq!(given.commit(ALL).await, Applied::default());
}

async fn no_more_than_the_limit_is_promoted_at_once(given: Given) {
    let due = given.after(SECOND);
    let later = |id: &str| task_with(id, |options| options.run_at = Some(due));
    let dies = |id: &str| task_with(id, |options| options.expires_at = Some(due));
    given.enter_all([later("a"), dies("b"), later("c"), dies("d"), later("e")]).await;
    given.wait(SECOND);
    let mut moved = Vec::new();
    for more in [true, true, false] {
        let applied = given.commit(Change::Promote { limit: 2 }).await;
        assert_eq!(applied.more, more);
        moved.push(applied.ready.len() + applied.ended.len());
    }
    assert_eq!(moved, [2, 2, 1]);
}

async fn a_slice_that_was_just_full_reports_no_more(given: Given) {
    let due = given.after(SECOND);
    let later = |id: &str| task_with(id, |options| options.run_at = Some(due));
    given.enter_all([later("a"), later("b")]).await;
    given.wait(SECOND);
    let applied = given.commit(Change::Promote { limit: 2 }).await;
    assert_eq!((applied.ready.len(), applied.more), (2, false));
}

async fn cancelled_tasks_are_not_promoted(given: Given) {
    let due = given.after(SECOND);
    given.enter(task_with("a", |options| options.run_at = Some(due))).await;
    given.commit(cancel("a")).await;
    given.wait(SECOND);
    assert_eq!(given.commit(ALL).await, Applied::default());
}
