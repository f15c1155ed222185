use std::sync::Arc;

use task_scheduler::models::{HistoryEntry, Snapshot, State};
use task_scheduler::store::{Applied, Change, ChangeResult};

use super::given::*;

on_every_store!(
    a_task_that_can_run_is_queued_and_reported_as_ready,
    a_task_that_waits_for_its_time_is_pending,
    a_task_that_is_already_due_is_queued_at_once,
    a_task_that_is_inserted_claimed_runs_under_that_fence,
    an_insert_with_a_claim_does_not_start_a_task_that_has_to_wait,
    a_repeated_commit_changes_nothing_and_returns_the_same,
    a_repeated_insert_reports_the_state_of_the_task,
    an_id_conflict_returns_the_task_that_has_the_id,
    the_second_of_two_with_one_id_in_a_commit_is_refused,
    a_refused_change_does_not_affect_its_neighbours,
    a_refused_task_leaves_no_trace,
);

async fn a_task_that_can_run_is_queued_and_reported_as_ready(given: Given) {
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

async fn a_task_that_is_already_due_is_queued_at_once(given: Given) {
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

async fn an_insert_with_a_claim_does_not_start_a_task_that_has_to_wait(given: Given) {
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

async fn a_repeated_commit_changes_nothing_and_returns_the_same(given: Given) {
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

async fn a_repeated_insert_reports_the_state_of_the_task(given: Given) {
    let insert = given.insert(task("a"));
    given.commit(Change::Insert(insert.clone())).await;
    let before = given.find("a").await;
    given.wait(SECOND);
    let applied = given.commit(Change::Insert(insert)).await;
    assert_eq!(applied.result, ChangeResult::Inserted(State::Queued));
    assert_eq!(given.find("a").await, before);
}

async fn an_id_conflict_returns_the_task_that_has_the_id(given: Given) {
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

async fn a_refused_change_does_not_affect_its_neighbours(given: Given) {
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

async fn a_refused_task_leaves_no_trace(given: Given) {
    given.commit(Change::Insert(given.insert(waits("a", &["nobody"])))).await;
    assert_eq!(given.known("a").await, None);
    given.enter(task("a")).await;
    assert_eq!(given.state("a").await, State::Queued);
}
