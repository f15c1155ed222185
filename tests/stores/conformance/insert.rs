use std::sync::Arc;

use task_scheduler::models::{HistoryEntry, Snapshot, State};
use task_scheduler::store::{Applied, Change, ChangeResult};

use super::given::*;

on_every_store!(
    a_task_that_can_run_is_queued_and_told_to_be_ready,
    a_task_that_waits_for_its_time_is_pending,
    a_task_whose_time_has_come_does_not_wait_for_it,
    a_task_that_is_inserted_claimed_runs_under_that_fence,
    a_claim_that_comes_with_the_insert_starts_nothing_that_has_to_wait,
    a_commit_that_is_repeated_changes_nothing_and_answers_the_same,
    an_insert_that_is_repeated_in_another_commit_says_that_the_task_is_in,
    an_id_that_is_taken_is_refused_with_the_task_that_has_it,
    the_second_of_two_with_one_id_in_a_commit_is_refused,
    a_refused_change_does_not_touch_its_neighbours,
    a_refused_task_leaves_nothing_behind,
);

async fn a_task_that_can_run_is_queued_and_told_to_be_ready(given: Given) {
    let insert = given.insert(task("a"));
    let sequence = insert.sequence;
    let applied = given.commit(Change::Insert(insert)).await;
    let expected = Applied {
        result: ChangeResult::Inserted(State::Queued),
        ready: vec![ready(sequence)],
        ..Applied::default()
    };
    assert_eq!(applied, expected);
    assert_eq!(given.claimable().await, [sequence.0]);
}

async fn a_task_that_waits_for_its_time_is_pending(given: Given) {
    let run_at = given.after(SECOND);
    let insert = given.insert(task_with("a", |options| options.run_at = Some(run_at)));
    let commit = given.commit_all(Arc::new([Change::Insert(insert)])).await;
    let verdicts: Vec<ChangeResult> = commit.applied.into_iter().map(|it| it.result).collect();
    assert_eq!(
        (verdicts, commit.due),
        (vec![ChangeResult::Inserted(State::Pending)], Some(run_at))
    );
    assert_eq!(given.find("a").await.due_at, Some(run_at));
    assert!(given.claimable().await.is_empty());
}

async fn a_task_whose_time_has_come_does_not_wait_for_it(given: Given) {
    let now = given.now();
    given.enter(task_with("a", |options| options.run_at = Some(now))).await;
    let snapshot = given.find("a").await;
    assert_eq!((snapshot.state, snapshot.due_at), (State::Queued, None));
}

async fn a_task_that_is_inserted_claimed_runs_under_that_fence(given: Given) {
    let mut insert = given.insert(task("a"));
    let (sequence, fence) = (insert.sequence, given.fence());
    insert.claim = Some(fence);
    let applied = given.commit(Change::Insert(insert)).await;
    let expected = Applied { result: ChangeResult::Inserted(State::Running), ..Applied::default() };
    assert_eq!(applied, expected);
    let now = given.now();
    let snapshot = given.find("a").await;
    let entry = HistoryEntry { state: State::Running, at: now, attempt: 1, error: None };
    assert_eq!((snapshot.attempts, snapshot.started_at), (1, Some(now)));
    assert_eq!(snapshot.history, [entry]);
    assert!(given.claimable().await.is_empty());
    assert_eq!(given.claim(sequence).await, None);
    let applied = given.commit(complete(sequence, fence)).await;
    assert_eq!((applied.result, ids(&applied.ended)), (ChangeResult::Done, vec!["a"]));
}

async fn a_claim_that_comes_with_the_insert_starts_nothing_that_has_to_wait(given: Given) {
    given.enter(task("parent")).await;
    let mut insert = given.insert(waits("a", &["parent"]));
    let (sequence, fence) = (insert.sequence, given.fence());
    insert.claim = Some(fence);
    let applied = given.commit(Change::Insert(insert)).await;
    assert_eq!(applied.result, ChangeResult::Inserted(State::Pending));
    let applied = given.commit(complete(sequence, fence)).await;
    assert_eq!(applied.result, ChangeResult::Stale);
    assert_eq!((given.state("a").await, given.find("a").await.attempts), (State::Pending, 0));
}

async fn a_commit_that_is_repeated_changes_nothing_and_answers_the_same(given: Given) {
    let (parent, fence) = given.run(task("parent")).await;
    given.enter_all([waits("good", &["parent"]), waits_and_runs("brave", &["parent"])]).await;
    let changes: Arc<[Change]> = Arc::new([
        fail(parent, fence),
        Change::Insert(given.insert(task("a"))),
        Change::Insert(given.insert(task("a"))),
        cancel("a"),
        cancel("parent"),
    ]);
    let first = given.commit_all(changes.clone()).await;
    assert_eq!(ids(&first.applied[0].ended), ["good", "parent"]);
    assert_eq!(first.applied[0].ready.len(), 1);
    let before = [given.find("a").await, given.find("parent").await, given.find("brave").await];
    given.wait(SECOND);
    assert_eq!(given.commit_all(changes).await, first);
    let after = [given.find("a").await, given.find("parent").await, given.find("brave").await];
    assert_eq!(after, before);
}

async fn an_insert_that_is_repeated_in_another_commit_says_that_the_task_is_in(given: Given) {
    let insert = given.insert(task("a"));
    given.commit(Change::Insert(insert.clone())).await;
    let before = given.find("a").await;
    given.wait(SECOND);
    let applied = given.commit(Change::Insert(insert)).await;
    assert_eq!(applied.result, ChangeResult::Inserted(State::Queued));
    assert_eq!(given.find("a").await, before);
}

async fn an_id_that_is_taken_is_refused_with_the_task_that_has_it(given: Given) {
    given.succeed(task("a")).await;
    let taken: Snapshot = given.find("a").await;
    let other = task_with("a", |options| options.priority = 9);
    let applied = given.commit(Change::Insert(given.insert(other))).await;
    let result = ChangeResult::IdConflict(Box::new(taken.clone()));
    assert_eq!(applied, Applied { result, ..Applied::default() });
    assert_eq!(given.find("a").await, taken);
}

async fn the_second_of_two_with_one_id_in_a_commit_is_refused(given: Given) {
    let changes = [given.insert(task("a")), given.insert(task("a"))].map(Change::Insert);
    let commit = given.commit_all(Arc::new(changes)).await;
    assert_eq!(commit.applied[0].result, ChangeResult::Inserted(State::Queued));
    assert!(matches!(commit.applied[1].result, ChangeResult::IdConflict(_)));
    assert_eq!(given.claimable().await.len(), 1);
}

async fn a_refused_change_does_not_touch_its_neighbours(given: Given) {
    let stale = given.fence();
    let (running, fence) = given.run(task("a")).await;
    let changes = [
        Change::Insert(given.insert(task("b"))),
        fail(running, stale),
        Change::Insert(given.insert(waits("c", &["nobody"]))),
        complete(running, fence),
    ];
    let commit = given.commit_all(Arc::new(changes)).await;
    assert_eq!(commit.applied[0].result, ChangeResult::Inserted(State::Queued));
    assert_eq!(commit.applied[1].result, ChangeResult::Stale);
    assert!(matches!(commit.applied[2].result, ChangeResult::Unmet { .. }));
    assert_eq!(commit.applied[3].result, ChangeResult::Done);
    assert_eq!(given.states(["a", "b"]).await, [State::Succeeded, State::Queued]);
}

async fn a_refused_task_leaves_nothing_behind(given: Given) {
    given.commit(Change::Insert(given.insert(waits("a", &["nobody"])))).await;
    assert_eq!(given.known("a").await, None);
    given.enter(task("a")).await;
    assert_eq!(given.state("a").await, State::Queued);
}
