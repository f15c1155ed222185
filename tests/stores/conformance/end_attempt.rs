use task_scheduler::models::{Ending, Fence, HistoryEntry, Outcome, Sequence, State};
use task_scheduler::store::{Applied, Change, ChangeResult};

use super::given::*;

on_every_store!(
    a_completed_attempt_succeeds,
    a_skipped_attempt_succeeds_without_a_result,
    a_failed_attempt_fails_its_task,
    a_cancelled_attempt_cancels_its_task,
    an_end_under_a_stale_fence_is_refused,
    an_end_of_a_task_that_never_ran_is_refused,
    an_end_of_an_unknown_task_is_refused,
    a_repeated_end_counts_once,
    resolved_arguments_are_returned_by_the_next_claim,
    resolved_arguments_under_a_stale_fence_are_refused,
);

type End = fn(Sequence, Fence) -> Change;

const ENDS: [End; 4] = [
    complete,
    fail,
    |sequence, fence| Change::Skip { sequence, fence },
    |sequence, fence| Change::CancelAttempt { sequence, fence, reason: "tired".into() },
];

async fn check(given: Given, end: End, ending: Ending, state: State, error: Option<&str>) {
    let started_at = Some(given.now());
    let (sequence, fence) = given.run(task("a")).await;
    given.wait(SECOND);
    let now = given.now();
    let applied = given.commit(end(sequence, fence)).await;
    let outcome = Outcome { ending, attempts: 1, started_at, ended_at: now };
    assert_eq!((applied.result, applied.more), (ChangeResult::Done, false));
    assert_eq!((applied.ready.len(), applied.ended.len()), (0, 1));
    assert_eq!((&*applied.ended[0].task, &applied.ended[0].outcome), (&task("a"), &outcome));
    let snapshot = given.find("a").await;
    assert_eq!((snapshot.state, snapshot.attempts), (state, 1));
    assert_eq!(snapshot.outcome, Some(outcome));
    let error = error.map(str::to_owned);
    let entry = HistoryEntry { state, at: now, attempt: 1, error };
    assert_eq!(snapshot.history.last(), Some(&entry));
    assert_eq!(given.claim(sequence).await, None);
}

async fn a_completed_attempt_succeeds(given: Given) {
    check(given, ENDS[0], Ending::Succeeded(result()), State::Succeeded, None).await;
}

async fn a_failed_attempt_fails_its_task(given: Given) {
    check(given, ENDS[1], Ending::Failed(failure()), State::Failed, Some("broken")).await;
}

async fn a_skipped_attempt_succeeds_without_a_result(given: Given) {
    check(given, ENDS[2], Ending::Skipped, State::Succeeded, None).await;
}

async fn a_cancelled_attempt_cancels_its_task(given: Given) {
    check(given, ENDS[3], Ending::Cancelled("tired".into()), State::Cancelled, Some("tired")).await;
}

async fn an_end_under_a_stale_fence_is_refused(given: Given) {
    for (number, end) in ENDS.into_iter().enumerate() {
        let id = format!("a{number}");
        let (sequence, stale) = given.run(task(&id)).await;
        given.commit(requeue(sequence, stale)).await;
        let fence = given.claim(sequence).await.expect("it was released").fence;
        let before = given.find(&id).await;
        let applied = given.commit(end(sequence, stale)).await;
        assert_eq!(applied, Applied { result: ChangeResult::Stale, ..Applied::default() });
        assert_eq!(given.find(&id).await, before);
        assert_eq!(given.commit(end(sequence, fence)).await.result, ChangeResult::Done);
    }
}

async fn an_end_of_a_task_that_never_ran_is_refused(given: Given) {
    let sequence = given.enter(task("a")).await;
    for end in ENDS {
        assert_eq!(given.commit(end(sequence, given.fence())).await.result, ChangeResult::Stale);
    }
    assert_eq!(given.state("a").await, State::Queued);
}

async fn an_end_of_an_unknown_task_is_refused(given: Given) {
    for end in ENDS {
        assert_eq!(
            given.commit(end(Sequence(99), given.fence())).await.result,
            ChangeResult::Stale
        );
    }
}

async fn a_repeated_end_counts_once(given: Given) {
    for (number, end) in ENDS.into_iter().enumerate() {
        let id = format!("a{number}");
        let (sequence, fence) = given.run(task(&id)).await;
        let first = given.commit(end(sequence, fence)).await;
        let before = given.find(&id).await;
        given.wait(SECOND);
        assert_eq!(given.commit(end(sequence, fence)).await, first);
        assert_eq!(given.find(&id).await, before);
    }
}

async fn resolved_arguments_are_returned_by_the_next_claim(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let args = vec![result().as_ref().clone()];
    let decide = Change::SetArgs { sequence, fence, args: args.clone() };
    assert_eq!(given.commit(decide).await, Applied::default());
    assert_eq!(given.state("a").await, State::Running);
    given.commit(requeue(sequence, fence)).await;
    let claimed = given.claim(sequence).await.expect("it was released");
    assert_eq!(claimed.resolved_args, Some(args));
    assert_eq!(claimed.task.args, task("a").args);
}

async fn resolved_arguments_under_a_stale_fence_are_refused(given: Given) {
    let (sequence, stale) = given.run(task("a")).await;
    given.commit(requeue(sequence, stale)).await;
    let decide = Change::SetArgs { sequence, fence: stale, args: Vec::new() };
    assert_eq!(given.commit(decide.clone()).await.result, ChangeResult::Stale, "it does not run");
    let claimed = given.claim(sequence).await.expect("it was released");
    assert_eq!(claimed.resolved_args, None);
    assert_eq!(given.commit(decide).await.result, ChangeResult::Stale, "another one runs");
}
