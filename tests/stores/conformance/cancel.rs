use task_scheduler::models::{CancelVerdict, Ending, Fence, State};
use task_scheduler::store::{Applied, Change, ChangeResult};

use super::given::*;

on_every_store!(
    a_task_that_is_not_running_is_cancelled_at_once,
    an_unknown_task_is_not_found,
    an_ended_task_cannot_be_cancelled,
    cancelling_a_running_task_returns_its_fence,
    a_running_task_that_succeeds_before_it_learns_of_the_cancel_has_succeeded,
    a_running_task_with_a_request_to_cancel_is_cancelled_when_it_would_run_again,
    a_cancelled_task_fails_its_dependants_whichever_change_applies_the_cancel,
    a_second_cancel_keeps_the_first_reason,
);

fn said(result: CancelVerdict, running: Option<Fence>) -> ChangeResult {
    ChangeResult::Cancel { result, running }
}

async fn a_task_that_is_not_running_is_cancelled_at_once(given: Given) {
    let due = given.after(SECOND);
    given.enter(task_with("later", |options| options.run_at = Some(due))).await;
    given.enter(waits("waiting", &["later"])).await;
    given.enter(task("queued")).await;
    let (sequence, fence) = given.run(task("retrying")).await;
    given.commit(Change::Retry { sequence, fence, failure: failure(), due }).await;
    let (sequence, fence) = given.run(task("snoozed")).await;
    given.commit(Change::Snooze { sequence, fence, due }).await;
    for id in ["waiting", "later", "queued", "retrying", "snoozed"] {
        let applied = given.commit(cancel(id)).await;
        assert_eq!(applied.result, said(CancelVerdict::Cancelled, None), "{id}");
        assert_eq!(ids(&applied.ended), [id]);
        let outcome = given.find(id).await.outcome.expect("it has ended");
        assert_eq!(outcome.ending, Ending::Cancelled("tired".into()));
        assert_eq!(outcome.attempts, u32::from(id == "retrying"));
    }
    assert!(given.claimable().await.is_empty());
    given.wait(SECOND);
    assert_eq!(given.commit(Change::Promote { limit: 9 }).await, Applied::default());
}

async fn an_unknown_task_is_not_found(given: Given) {
    let applied = given.commit(cancel("nobody")).await;
    let result = said(CancelVerdict::NotFound, None);
    assert_eq!(applied, Applied { result, ..Applied::default() });
}

async fn an_ended_task_cannot_be_cancelled(given: Given) {
    let over = given.after(SECOND);
    given.succeed(task("well")).await;
    given.fail(task("badly")).await;
    given.enter(task("cancelled")).await;
    given.commit(cancel("cancelled")).await;
    given.enter(task_with("expired", |options| options.expires_at = Some(over))).await;
    given.wait(SECOND);
    given.commit(Change::Promote { limit: 9 }).await;
    let ends = [
        ("well", State::Succeeded),
        ("badly", State::Failed),
        ("cancelled", State::Cancelled),
        ("expired", State::Expired),
    ];
    for (id, state) in ends {
        let before = given.find(id).await;
        let applied = given.commit(cancel(id)).await;
        let result = said(CancelVerdict::AlreadyEnded(state), None);
        assert_eq!(applied, Applied { result, ..Applied::default() });
        assert_eq!(given.find(id).await, before);
    }
}

async fn cancelling_a_running_task_returns_its_fence(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let applied = given.commit(cancel("a")).await;
    let result = said(CancelVerdict::Requested, Some(fence));
    assert_eq!(applied, Applied { result, ..Applied::default() });
    let snapshot = given.find("a").await;
    assert_eq!((snapshot.state, snapshot.cancel_requested), (State::Running, true));
    let give_in = Change::CancelAttempt { sequence, fence, reason: "tired".into() };
    given.commit(give_in).await;
    let snapshot = given.find("a").await;
    assert_eq!((snapshot.state, snapshot.cancel_requested), (State::Cancelled, false));
}

async fn a_running_task_that_succeeds_before_it_learns_of_the_cancel_has_succeeded(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    given.commit(cancel("a")).await;
    given.commit(complete(sequence, fence)).await;
    let snapshot = given.find("a").await;
    assert_eq!((snapshot.state, snapshot.cancel_requested), (State::Succeeded, false));
}

async fn a_running_task_with_a_request_to_cancel_is_cancelled_when_it_would_run_again(
    given: Given,
) {
    let due = given.after(SECOND);
    for again in ["retry", "snooze", "release", "expand"] {
        let (sequence, fence) = given.run(task(again)).await;
        given.commit(cancel(again)).await;
        let change = match again {
            "retry" => Change::Retry { sequence, fence, failure: failure(), due },
            "snooze" => Change::Snooze { sequence, fence, due },
            "release" => requeue(sequence, fence),
            _ => Change::Expand { sequence, fence, children: vec![given.insert(task("child"))] },
        };
        let applied = given.commit(change).await;
        assert_eq!((applied.result, applied.ready.len()), (ChangeResult::Done, 0), "{again}");
        assert_eq!(ids(&applied.ended), [again]);
        let ending = &applied.ended[0].outcome.ending;
        assert_eq!(*ending, Ending::Cancelled("tired".into()));
        let snapshot = given.find(again).await;
        assert_eq!((snapshot.state, snapshot.due_at), (State::Cancelled, None));
    }
    assert_eq!(given.known("child").await, None);
    given.wait(SECOND);
    assert_eq!(given.commit(Change::Promote { limit: 9 }).await, Applied::default());
}

async fn a_cancelled_task_fails_its_dependants_whichever_change_applies_the_cancel(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    given.enter(waits("child", &["a"])).await;
    given.commit(cancel("a")).await;
    let applied = given.commit(requeue(sequence, fence)).await;
    assert_eq!(ids(&applied.ended), ["a", "child"]);
}

async fn a_second_cancel_keeps_the_first_reason(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    given.commit(cancel("a")).await;
    let again = Change::Cancel { id: name("a"), reason: "once more".into() };
    assert_eq!(given.commit(again).await.result, said(CancelVerdict::Requested, Some(fence)));
    given.commit(requeue(sequence, fence)).await;
    let ending = given.find("a").await.outcome.expect("it has ended").ending;
    assert_eq!(ending, Ending::Cancelled("tired".into()));
}
