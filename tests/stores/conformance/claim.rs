use std::sync::Arc;

use task_scheduler::models::{Fence, HistoryEntry, Sequence, State};
use task_scheduler::store::{Applied, Change, ClaimRequest, Claimed};

use super::given::*;

on_every_store!(
    a_claimed_task_runs_under_the_fence_it_was_claimed_with,
    unclaimable_tasks_are_none,
    each_claim_request_has_its_own_result,
    of_two_claims_of_a_task_one_succeeds,
    a_repeated_claim_returns_the_same,
    a_queue_runs_no_more_than_its_limit,
    a_limit_counts_tasks_that_were_inserted_claimed,
    a_limit_can_be_removed,
    the_limit_of_a_queue_does_not_affect_others,
    every_way_to_stop_running_frees_the_slot,
    an_overdue_task_cannot_be_claimed_and_expires_at_the_next_promotion,
    a_task_that_started_in_time_does_not_expire,
    a_later_claim_has_a_later_attempt,
);

async fn a_claimed_task_runs_under_the_fence_it_was_claimed_with(given: Given) {
    let sequence = given.enter(task("a")).await;
    given.wait(SECOND);
    let fence = given.fence();
    let claimed = given.claim_under(sequence, fence).await;
    let expected = Claimed {
        sequence,
        fence,
        task: Arc::new(task("a")),
        attempt: 1,
        resolved_args: None,
        children: Vec::new(),
        checkpoint: None,
        log_lines: 0,
        attempts_before_retry: 0,
    };
    assert_eq!(claimed, Some(expected));
    let snapshot = given.find("a").await;
    assert_eq!((snapshot.state, snapshot.attempts), (State::Running, 1));
    assert_eq!(snapshot.started_at, Some(given.now()));
    let entry = HistoryEntry { state: State::Running, at: given.now(), attempt: 1, error: None };
    assert_eq!(snapshot.history.last(), Some(&entry));
    assert!(given.claimable().await.is_empty());
}

async fn unclaimable_tasks_are_none(given: Given) {
    let due = given.after(SECOND);
    let later = given.enter(task_with("later", |options| options.run_at = Some(due))).await;
    let waits = given.enter(waits("waits", &["later"])).await;
    let (running, _) = given.run(task("running")).await;
    let ended = given.succeed(task("ended")).await;
    let cancelled = given.enter(task("cancelled")).await;
    given.commit(cancel("cancelled")).await;
    let nobody = Sequence(999);
    for sequence in [later, waits, running, ended, cancelled, nobody] {
        assert_eq!(given.claim(sequence).await, None, "{sequence:?}");
    }
}

async fn each_claim_request_has_its_own_result(given: Given) {
    let one = given.enter(task("one")).await;
    let gone = given.succeed(task("gone")).await;
    let two = given.enter(task("two")).await;
    let wanted = [two, gone, one].map(|sequence| ClaimRequest { sequence, fence: given.fence() });
    let claims = given.claim_all(wanted.to_vec()).await;
    let got: Vec<Option<(Sequence, Fence)>> =
        claims.claimed.iter().map(|it| it.as_ref().map(|it| (it.sequence, it.fence))).collect();
    assert_eq!(got, [Some((two, wanted[0].fence)), None, Some((one, wanted[2].fence))]);
}

async fn of_two_claims_of_a_task_one_succeeds(given: Given) {
    let sequence = given.enter(task("a")).await;
    let wanted = [given.fence(), given.fence()].map(|fence| ClaimRequest { sequence, fence });
    let claims = given.claim_all(wanted.to_vec()).await;
    let got: Vec<bool> = claims.claimed.iter().map(Option::is_some).collect();
    assert_eq!(got, [true, false]);
    assert_eq!(given.find("a").await.attempts, 1);
    let stale = given.commit(complete(sequence, wanted[1].fence)).await;
    assert_eq!(stale.result, task_scheduler::store::ChangeResult::Stale);
}

async fn a_repeated_claim_returns_the_same(given: Given) {
    given.commit(set_queue(Some(1))).await;
    let sequence = given.enter(task("a")).await;
    let fence = given.fence();
    let first = given.claim_under(sequence, fence).await;
    assert!(first.is_some());
    let before = given.find("a").await;
    given.wait(SECOND);
    assert_eq!(given.claim_under(sequence, fence).await, first);
    assert_eq!(given.find("a").await, before);
}

async fn a_queue_runs_no_more_than_its_limit(given: Given) {
    given.commit(set_queue(Some(2))).await;
    let mut wanted = Vec::new();
    for id in ["a", "b", "c"] {
        let sequence = given.enter(task(id)).await;
        wanted.push(ClaimRequest { sequence, fence: given.fence() });
    }
    let claims = given.claim_all(wanted).await;
    let got: Vec<bool> = claims.claimed.iter().map(Option::is_some).collect();
    assert_eq!(got, [true, true, false]);
    assert_eq!(given.state("c").await, State::Queued);
}

async fn a_limit_counts_tasks_that_were_inserted_claimed(given: Given) {
    given.commit(set_queue(Some(1))).await;
    let mut insert = given.insert(task("a"));
    insert.claim = Some(given.fence());
    given.commit(Change::Insert(insert)).await;
    let second = given.enter(task("b")).await;
    assert_eq!(given.claim(second).await, None);
}

async fn a_limit_can_be_removed(given: Given) {
    given.commit(set_queue(Some(0))).await;
    let sequence = given.enter(task("a")).await;
    assert_eq!(given.claim(sequence).await, None);
    given.commit(set_queue(None)).await;
    assert!(given.claim(sequence).await.is_some());
}

async fn the_limit_of_a_queue_does_not_affect_others(given: Given) {
    given.commit(set_queue(Some(1))).await;
    given.run(task("a")).await;
    given.run(task_with("b", |options| options.queue = queue("other"))).await;
}

async fn every_way_to_stop_running_frees_the_slot(given: Given) {
    given.commit(set_queue(Some(1))).await;
    let due = given.after(SECOND);
    type Ends = fn(Sequence, Fence, task_scheduler::clock::Timestamp) -> Change;
    let ends: [Ends; 7] = [
        |sequence, fence, _| complete(sequence, fence),
        |sequence, fence, _| fail(sequence, fence),
        |sequence, fence, _| Change::Skip { sequence, fence },
        |sequence, fence, _| Change::CancelAttempt { sequence, fence, reason: "tired".into() },
        |sequence, fence, due| Change::Retry { sequence, fence, failure: failure(), due },
        |sequence, fence, due| Change::Snooze { sequence, fence, due },
        |sequence, fence, _| requeue(sequence, fence),
    ];
    for (number, end) in ends.into_iter().enumerate() {
        let (sequence, fence) = given.run(task(&format!("a{number}"))).await;
        let next = given.enter(task(&format!("b{number}"))).await;
        assert_eq!(given.claim(next).await, None, "{number}");
        given.commit(end(sequence, fence, due)).await;
        let fence = given.claim(next).await.unwrap_or_else(|| panic!("no room after {number}"));
        given.commit(complete(next, fence.fence)).await;
    }
}

async fn an_overdue_task_cannot_be_claimed_and_expires_at_the_next_promotion(given: Given) {
    let over = given.after(SECOND);
    let sequence = given.enter(task_with("a", |options| options.expires_at = Some(over))).await;
    given.enter(waits("child", &["a"])).await;
    given.wait(SECOND);
    assert_eq!(given.claim(sequence).await, None);
    assert_eq!(given.states(["a", "child"]).await, [State::Queued, State::Pending]);
    let applied = given.commit(Change::Promote { limit: 9 }).await;
    assert_eq!(ids(&applied.ended), ["a", "child"]);
    assert_eq!(given.states(["a", "child"]).await, [State::Expired, State::Failed]);
}

async fn a_task_that_started_in_time_does_not_expire(given: Given) {
    let over = given.after(SECOND);
    let expires = |id: &str| task_with(id, |options| options.expires_at = Some(over));
    let (sequence, fence) = given.run(expires("a")).await;
    let mut insert = given.insert(expires("b"));
    insert.claim = Some(given.fence());
    let commit = given.commit_all(Arc::new([Change::Insert(insert)])).await;
    assert_eq!(commit.due, None);
    given.wait(SECOND);
    given.commit(requeue(sequence, fence)).await;
    let applied = given.commit(Change::Promote { limit: 9 }).await;
    assert_eq!(applied, Applied::default());
    assert!(given.claim(sequence).await.is_some());
}

async fn a_later_claim_has_a_later_attempt(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let due = given.now();
    given.commit(Change::Retry { sequence, fence, failure: failure(), due }).await;
    given.commit(Change::Promote { limit: 9 }).await;
    let claimed = given.claim(sequence).await.expect("it is due");
    assert!(claimed.fence > fence);
    assert_eq!(claimed.attempt, 2);
}
