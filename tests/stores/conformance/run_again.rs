use task_scheduler::clock::Timestamp;
use task_scheduler::models::{Ending, Fence, HistoryEntry, Sequence, State};
use task_scheduler::store::{Applied, Change, ChangeResult};

use super::given::*;

on_every_store!(
    a_failed_attempt_waits_for_its_retry,
    a_snoozed_attempt_waits_for_its_time_and_does_not_count,
    a_requeued_attempt_can_be_claimed_at_once_and_does_not_count,
    progress_under_a_stale_fence_is_refused,
    a_requeued_claim_is_stale,
    a_snooze_gives_back_one_attempt_only,
    a_task_that_ran_and_waits_does_not_expire,
);

fn retry(sequence: Sequence, fence: Fence, due: Timestamp) -> Change {
    Change::Retry { sequence, fence, failure: failure(), due }
}

fn snooze(sequence: Sequence, fence: Fence, due: Timestamp) -> Change {
    Change::Snooze { sequence, fence, due }
}

fn requeue_now(sequence: Sequence, fence: Fence, _: Timestamp) -> Change {
    requeue(sequence, fence)
}

const AGAIN: [fn(Sequence, Fence, Timestamp) -> Change; 3] = [retry, snooze, requeue_now];

async fn a_failed_attempt_waits_for_its_retry(given: Given) {
    let started_at = Some(given.now());
    let (sequence, fence) = given.run(task("a")).await;
    let due = given.after(SECOND);
    assert_eq!(given.commit(retry(sequence, fence, due)).await, Applied::default());
    let snapshot = given.find("a").await;
    assert_eq!((snapshot.state, snapshot.attempts), (State::Retrying, 1));
    assert_eq!((snapshot.due_at, snapshot.started_at), (Some(due), started_at));
    assert_eq!((snapshot.outcome, given.claim(sequence).await), (None, None));
    let entry = HistoryEntry {
        state: State::Retrying,
        at: given.now(),
        attempt: 1,
        error: Some("broken".into()),
    };
    assert_eq!(snapshot.history.last(), Some(&entry));
    given.wait(SECOND);
    assert_eq!(given.commit(Change::Promote { limit: 9 }).await.ready, [ready(sequence)]);
    assert_eq!(given.claim(sequence).await.map(|it| it.attempt), Some(2));
}

async fn a_snoozed_attempt_waits_for_its_time_and_does_not_count(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let due = given.after(SECOND);
    assert_eq!(given.commit(snooze(sequence, fence, due)).await, Applied::default());
    let snapshot = given.find("a").await;
    assert_eq!((snapshot.state, snapshot.attempts), (State::Pending, 0));
    assert_eq!((snapshot.due_at, given.claim(sequence).await), (Some(due), None));
    given.wait(SECOND);
    assert_eq!(given.commit(Change::Promote { limit: 9 }).await.ready, [ready(sequence)]);
    assert_eq!(given.claim(sequence).await.map(|it| it.attempt), Some(1));
}

async fn a_requeued_attempt_can_be_claimed_at_once_and_does_not_count(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let applied = given.commit(requeue(sequence, fence)).await;
    assert_eq!(applied, Applied { ready: vec![ready(sequence)], ..Applied::default() });
    let snapshot = given.find("a").await;
    assert_eq!((snapshot.state, snapshot.attempts, snapshot.rescues), (State::Queued, 0, 0));
    assert_eq!(given.claim(sequence).await.map(|it| it.attempt), Some(1));
}

async fn progress_under_a_stale_fence_is_refused(given: Given) {
    let due = given.after(SECOND);
    for (number, again) in AGAIN.into_iter().enumerate() {
        let id = format!("a{number}");
        let (sequence, stale) = given.run(task(&id)).await;
        given.commit(requeue(sequence, stale)).await;
        given.claim(sequence).await.expect("it was released");
        let before = given.find(&id).await;
        let applied = given.commit(again(sequence, stale, due)).await;
        assert_eq!(applied, Applied { result: ChangeResult::Stale, ..Applied::default() });
        assert_eq!(given.find(&id).await, before);
        let nobody = given.commit(again(Sequence(99), stale, due)).await;
        assert_eq!(nobody.result, ChangeResult::Stale);
    }
}

async fn a_requeued_claim_is_stale(given: Given) {
    let due = given.after(SECOND);
    for (number, again) in AGAIN.into_iter().enumerate() {
        let id = format!("a{number}");
        let (sequence, fence) = given.run(task(&id)).await;
        given.commit(again(sequence, fence, due)).await;
        let before = given.find(&id).await;
        for change in [again(sequence, fence, due), complete(sequence, fence)] {
            let applied = given.commit(change).await;
            assert_eq!(applied, Applied { result: ChangeResult::Stale, ..Applied::default() });
        }
        assert_eq!(given.find(&id).await, before);
    }
}

async fn a_snooze_gives_back_one_attempt_only(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let due = given.now();
    given.commit(retry(sequence, fence, due)).await;
    given.commit(Change::Promote { limit: 9 }).await;
    let fence = given.claim(sequence).await.expect("it is due").fence;
    given.commit(snooze(sequence, fence, due)).await;
    assert_eq!(given.find("a").await.attempts, 1);
    given.commit(Change::Promote { limit: 9 }).await;
    let fence = given.claim(sequence).await.expect("it is due").fence;
    let applied = given.commit(fail(sequence, fence)).await;
    let outcome = &applied.ended[0].outcome;
    assert_eq!((&outcome.ending, outcome.attempts), (&Ending::Failed(failure()), 2));
}

async fn a_task_that_ran_and_waits_does_not_expire(given: Given) {
    let over = given.after(SECOND);
    let expires = task_with("a", |options| options.expires_at = Some(over));
    let (sequence, fence) = given.run(expires).await;
    given.commit(snooze(sequence, fence, given.after(2 * SECOND))).await;
    given.wait(SECOND);
    assert_eq!(given.commit(Change::Promote { limit: 9 }).await, Applied::default());
    given.wait(SECOND);
    assert_eq!(given.commit(Change::Promote { limit: 9 }).await.ready, [ready(sequence)]);
}
