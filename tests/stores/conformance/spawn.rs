use task_scheduler::models::{Digest, Fence, Keys, OnConflict, Sequence, State, Task, Unique};
use task_scheduler::store::{Applied, Change, ChangeResult, Insert, NOTIFY_SLICE};

use super::given::*;

on_every_store!(
    a_child_is_inserted_while_its_parent_runs,
    a_second_attempt_of_the_parent_joins_its_child,
    a_failed_child_is_retried_when_it_is_spawned_again,
    a_succeeded_child_is_not_retried,
    tasks_that_failed_for_a_child_are_retried_with_it,
    a_task_that_is_no_child_is_not_retried,
    a_child_whose_unique_key_another_task_holds_is_not_retried,
    a_child_under_a_stale_fence_is_refused,
    a_failed_parent_cancels_its_children_transitively,
    a_parent_cancelled_before_its_next_attempt_cancels_its_children,
    a_succeeded_parent_does_not_cancel_its_children,
    many_children_are_cancelled_in_slices,
    a_child_is_kept_until_its_parent_ends,
);

fn spawn(sequence: Sequence, fence: Fence, child: &Insert) -> Change {
    Change::Spawn { sequence, fence, child: child.clone() }
}

fn child(given: &Given, id: &str) -> Insert {
    given.insert(Task { parent: Some(name("p")), ..task(id) })
}

/// A running parent and its child.
async fn family(given: &Given) -> (Sequence, Fence, Insert) {
    let (sequence, fence) = given.run(task("p")).await;
    let child = child(given, "p/1");
    let applied = given.commit(spawn(sequence, fence, &child)).await;
    let result = ChangeResult::Inserted(State::Queued);
    let expected = Applied { result, ready: vec![ready(child.sequence)], ..Applied::default() };
    assert_eq!(applied, expected);
    (sequence, fence, child)
}

async fn a_child_is_inserted_while_its_parent_runs(given: Given) {
    let (sequence, fence, first) = family(&given).await;
    let again = given.commit(spawn(sequence, fence, &first)).await;
    let expected = Applied { result: ChangeResult::Inserted(State::Queued), ..Applied::default() };
    assert_eq!(again, expected, "the same words once more");
    assert_eq!(given.states(["p", "p/1"]).await, [State::Running, State::Queued]);
    assert_eq!(given.find("p/1").await.task.parent, Some(name("p")));
}

async fn a_second_attempt_of_the_parent_joins_its_child(given: Given) {
    let (sequence, fence, _) = family(&given).await;
    given.commit(requeue(sequence, fence)).await;
    let fence = given.claim(sequence).await.expect("it was released").fence;
    let known = given.find("p/1").await;
    let applied = given.commit(spawn(sequence, fence, &child(&given, "p/1"))).await;
    let result = ChangeResult::IdConflict(Box::new(known.clone()));
    assert_eq!(applied, Applied { result, ..Applied::default() });
    assert_eq!(given.find("p/1").await, known);
}

async fn a_failed_child_is_retried_when_it_is_spawned_again(given: Given) {
    let (sequence, fence, first) = family(&given).await;
    let child_fence = given.claim(first.sequence).await.expect("it can run").fence;
    given.commit(fail(first.sequence, child_fence)).await;
    let applied = given.commit(spawn(sequence, fence, &child(&given, "p/1"))).await;
    let known = given.find("p/1").await;
    assert_eq!((known.state, known.attempts), (State::Queued, 1));
    let expected = Applied {
        result: ChangeResult::IdConflict(Box::new(known)),
        ready: vec![ready(first.sequence)],
        retried: vec![first.task.clone()],
        ..Applied::default()
    };
    assert_eq!(applied, expected);
    let claimed = given.claim(first.sequence).await.expect("it runs again");
    assert_eq!((claimed.attempt, claimed.attempts_before_retry), (2, 1));
}

async fn a_succeeded_child_is_not_retried(given: Given) {
    let (sequence, fence, first) = family(&given).await;
    let child_fence = given.claim(first.sequence).await.expect("it can run").fence;
    given.commit(complete(first.sequence, child_fence)).await;
    let known = given.find("p/1").await;
    let applied = given.commit(spawn(sequence, fence, &child(&given, "p/1"))).await;
    let result = ChangeResult::IdConflict(Box::new(known));
    assert_eq!(applied, Applied { result, ..Applied::default() });
}

async fn tasks_that_failed_for_a_child_are_retried_with_it(given: Given) {
    let (sequence, fence, first) = family(&given).await;
    given.enter(waits("dependant", &["p/1"])).await;
    let child_fence = given.claim(first.sequence).await.expect("it can run").fence;
    let applied = given.commit(fail(first.sequence, child_fence)).await;
    assert_eq!(ids(&applied.ended), ["dependant", "p/1"]);
    let applied = given.commit(spawn(sequence, fence, &child(&given, "p/1"))).await;
    assert_eq!((applied.retried.len(), applied.more), (2, false));
    assert_eq!(given.states(["p/1", "dependant"]).await, [State::Queued, State::Pending]);
}

async fn a_task_that_is_no_child_is_not_retried(given: Given) {
    let (sequence, fence) = given.run(task("p")).await;
    let mut strange = task("p/1");
    strange.digest = Digest::of("something else", &[], &[]);
    given.fail(strange).await;
    let known = given.find("p/1").await;
    let applied = given.commit(spawn(sequence, fence, &child(&given, "p/1"))).await;
    let result = ChangeResult::IdConflict(Box::new(known.clone()));
    assert_eq!(applied, Applied { result, ..Applied::default() });
    assert_eq!(given.find("p/1").await, known);
}

async fn a_child_whose_unique_key_another_task_holds_is_not_retried(given: Given) {
    let (sequence, fence) = given.run(task("p")).await;
    let unique = |id: &str| {
        let unique = Unique { key: "u".into(), window: None, on_conflict: OnConflict::Refuse };
        let keys = Keys { unique: Some(unique), ..Keys::default() };
        task_with(id, |options| options.keys = Some(keys.into()))
    };
    given.commit(spawn(sequence, fence, &given.insert(unique("p/1")))).await;
    given.commit(cancel("p/1")).await;
    given.enter(unique("another")).await;
    let applied = given.commit(spawn(sequence, fence, &given.insert(unique("p/1")))).await;
    assert_eq!(applied, Applied { result: ChangeResult::UniqueRefused, ..Applied::default() });
    assert_eq!(given.states(["p/1", "another"]).await, [State::Cancelled, State::Queued]);
}

async fn a_child_under_a_stale_fence_is_refused(given: Given) {
    let (sequence, stale) = given.run(task("p")).await;
    given.commit(requeue(sequence, stale)).await;
    given.claim(sequence).await.expect("it was released");
    let applied = given.commit(spawn(sequence, stale, &child(&given, "p/1"))).await;
    assert_eq!(applied, Applied { result: ChangeResult::Stale, ..Applied::default() });
    assert_eq!(given.known("p/1").await, None);
}

async fn a_failed_parent_cancels_its_children_transitively(given: Given) {
    let (sequence, fence, first) = family(&given).await;
    let second = child(&given, "p/2");
    given.commit(spawn(sequence, fence, &second)).await;
    let running = given.claim(first.sequence).await.expect("it can run").fence;
    let grandchild = given.insert(task("p/1/1"));
    given.commit(spawn(first.sequence, running, &grandchild)).await;
    let applied = given.commit(fail(sequence, fence)).await;
    assert_eq!(ids(&applied.ended), ["p", "p/2"]);
    assert_eq!(applied.signals, [(running, "its parent p ended FAILED".to_owned())]);
    assert_eq!(given.states(["p/1", "p/1/1"]).await, [State::Running, State::Queued]);
    assert!(given.find("p/1").await.cancel_requested);
    let applied = given.commit(requeue(first.sequence, running)).await;
    assert_eq!(ids(&applied.ended), ["p/1", "p/1/1"]);
    let why = given.find("p/1/1").await.history.pop().and_then(|last| last.error);
    assert_eq!(why.as_deref(), Some("its parent p/1 ended CANCELLED"));
}

async fn a_parent_cancelled_before_its_next_attempt_cancels_its_children(given: Given) {
    let (sequence, fence, _) = family(&given).await;
    given.commit(requeue(sequence, fence)).await;
    assert_eq!(ids(&given.commit(cancel("p")).await.ended), ["p", "p/1"]);
}

async fn a_succeeded_parent_does_not_cancel_its_children(given: Given) {
    let (sequence, fence, first) = family(&given).await;
    assert_eq!(ids(&given.commit(complete(sequence, fence)).await.ended), ["p"]);
    assert!(given.claim(first.sequence).await.is_some());
}

async fn many_children_are_cancelled_in_slices(given: Given) {
    let (sequence, fence) = given.run(task("p")).await;
    let many = NOTIFY_SLICE + 5;
    let spawns =
        (0..many).map(|number| spawn(sequence, fence, &child(&given, &format!("p/{number}"))));
    given.commit_all(spawns.collect()).await;
    let applied = given.commit(fail(sequence, fence)).await;
    assert_eq!((applied.ended.len(), applied.more), (NOTIFY_SLICE + 1, true));
    let applied = given.commit(Change::NotifyDependants { limit: NOTIFY_SLICE }).await;
    assert_eq!((applied.ended.len(), applied.more), (5, false));
}

async fn a_child_is_kept_until_its_parent_ends(given: Given) {
    let (sequence, fence, first) = family(&given).await;
    let child_fence = given.claim(first.sequence).await.expect("it can run").fence;
    given.commit(complete(first.sequence, child_fence)).await;
    let forget = Change::Purge { id: name("p/1") };
    assert_eq!(given.commit(forget.clone()).await.result, ChangeResult::InUse);
    given.commit(complete(sequence, fence)).await;
    assert_eq!(given.commit(forget).await.result, ChangeResult::Done);
}
