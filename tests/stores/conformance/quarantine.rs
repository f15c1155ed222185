use std::time::Duration;

use task_scheduler::error::Code;
use task_scheduler::models::{BlockedBy, Fence, Sequence, State, Task};
use task_scheduler::store::{Change, OpenReport};

use super::given::*;

on_every_store!(
    a_task_that_runs_at_three_process_ends_is_quarantined,
    quarantine_candidates_run_one_at_a_time,
    tasks_that_are_no_candidates_are_not_blocked,
    a_checkpoint_resets_the_crash_count,
    ten_minutes_of_running_reset_the_crash_count,
    no_task_is_a_quarantine_candidate_when_quarantine_is_off,
    quarantine_candidates_are_freed_when_quarantine_is_off,
    a_waiting_quarantine_candidate_does_not_block_others,
    a_suspended_quarantine_candidate_lets_its_child_run,
    a_quarantined_task_can_be_retried,
    dependants_of_a_quarantined_task_are_notified,
    a_system_task_is_no_quarantine_candidate,
);

const FREE: (State, Option<BlockedBy>) = (State::Queued, None);
const HELD: (State, Option<BlockedBy>) = (State::Queued, Some(BlockedBy::Quarantine));

async fn stands(given: &Given, id: &str) -> (State, Option<BlockedBy>) {
    let snapshot = given.find(id).await;
    (snapshot.state, snapshot.blocked_by)
}

async fn claim(given: &Given, sequence: Sequence) -> Fence {
    given.claim(sequence).await.expect("it can be claimed").fence
}

/// Runs all, and ends the process, until they are quarantine candidates.
async fn suspects<const N: usize>(given: &Given, ids: [&str; N]) -> [Sequence; N] {
    let mut all = [Sequence(0); N];
    for (at, id) in ids.into_iter().enumerate() {
        all[at] = given.enter(task(id)).await;
    }
    for _ in 0..QUARANTINE_AFTER {
        for sequence in all {
            claim(given, sequence).await;
        }
        given.open().await;
    }
    all
}

async fn a_task_that_runs_at_three_process_ends_is_quarantined(given: Given) {
    let sequence = given.enter(task("a")).await;
    for rescues in 1..=2 {
        claim(&given, sequence).await;
        let opened: OpenReport = given.open().await;
        assert_eq!((opened.rescued, opened.quarantined), (1, 0));
        let snapshot = given.find("a").await;
        assert_eq!((snapshot.rescues, snapshot.attempts), (rescues, 0));
    }
    assert_eq!(stands(&given, "a").await, FREE);
    claim(&given, sequence).await;
    let opened = given.open().await;
    assert_eq!((opened.rescued, opened.quarantined), (0, 1));
    let outcome = given.find("a").await.outcome.expect("it has ended");
    assert_eq!(outcome.failure().map(|failure| failure.code), Some(Code::Quarantined));
}

async fn quarantine_candidates_run_one_at_a_time(given: Given) {
    let all = suspects(&given, ["a", "b", "c"]).await;
    assert_eq!(given.claimable().await, [all[0].0]);
    assert_eq!((stands(&given, "b").await, stands(&given, "c").await), (HELD, HELD));
    let fence = claim(&given, all[0]).await;
    assert_eq!(given.claim(all[1]).await, None);
    assert_eq!(given.commit(complete(all[0], fence)).await.ready, [ready(all[1])]);
    assert_eq!(given.commit(cancel("b")).await.ready, [ready(all[2])]);
    claim(&given, all[2]).await;
    let opened = given.open().await;
    assert_eq!(opened.quarantined, 1);
}

async fn tasks_that_are_no_candidates_are_not_blocked(given: Given) {
    let [suspect] = suspects(&given, ["a"]).await;
    claim(&given, suspect).await;
    let (innocent, _) = given.run(task("b")).await;
    given.open().await;
    assert_eq!(given.states(["a", "b"]).await, [State::Failed, State::Queued]);
    assert!(given.claim(innocent).await.is_some());
}

async fn a_checkpoint_resets_the_crash_count(given: Given) {
    let all = suspects(&given, ["a", "b"]).await;
    let fence = claim(&given, all[0]).await;
    let data = Some((*b"further").into());
    let save = Change::Checkpoint { sequence: all[0], fence, data };
    assert_eq!(given.commit(save).await.ready, [ready(all[1])]);
    claim(&given, all[1]).await;
    assert_eq!(given.open().await.quarantined, 1);
    assert_eq!(given.states(["a", "b"]).await, [State::Queued, State::Failed]);
    claim(&given, all[0]).await;
    assert_eq!(given.open().await.quarantined, 0);
}

async fn ten_minutes_of_running_reset_the_crash_count(given: Given) {
    let all = suspects(&given, ["a", "b"]).await;
    claim(&given, all[0]).await;
    given.wait(Duration::from_secs(600));
    // The time of the last write.
    given.enter(task("c")).await;
    assert_eq!(given.open().await.quarantined, 0);
    assert_eq!((stands(&given, "a").await, stands(&given, "b").await), (FREE, FREE));
}

async fn no_task_is_a_quarantine_candidate_when_quarantine_is_off(given: Given) {
    let sequence = given.enter(task("a")).await;
    for _ in 0..5 {
        claim(&given, sequence).await;
        assert_eq!(given.open_with(0).await.quarantined, 0);
    }
    assert_eq!(stands(&given, "a").await, FREE);
}

async fn quarantine_candidates_are_freed_when_quarantine_is_off(given: Given) {
    let all = suspects(&given, ["a", "b", "c"]).await;
    given.open_with(0).await;
    assert_eq!(given.claimable().await, all.map(|sequence| sequence.0));
}

async fn a_waiting_quarantine_candidate_does_not_block_others(given: Given) {
    let all = suspects(&given, ["a", "b"]).await;
    let fence = claim(&given, all[0]).await;
    let due = given.after(SECOND);
    let retry = Change::Retry { sequence: all[0], fence, failure: failure(), due };
    assert_eq!(given.commit(retry).await.ready, [ready(all[1])]);
    given.wait(SECOND);
    given.commit(Change::Promote { limit: 9 }).await;
    assert_eq!((stands(&given, "a").await, stands(&given, "b").await), (HELD, FREE));
}

async fn a_suspended_quarantine_candidate_lets_its_child_run(given: Given) {
    let parent = given.enter(task("p")).await;
    let mut child = Sequence(0);
    for _ in 0..QUARANTINE_AFTER {
        let fence = claim(&given, parent).await;
        let spawned = given.insert(task("p/1"));
        child = if child == Sequence(0) { spawned.sequence } else { child };
        given.commit(Change::Spawn { sequence: parent, fence, child: spawned }).await;
        given.commit(rest(parent, fence, true)).await;
        claim(&given, child).await;
        given.open().await;
    }
    let fence = claim(&given, parent).await;
    assert_eq!(stands(&given, "p/1").await, HELD);
    assert_eq!(given.commit(rest(parent, fence, true)).await.ready, [ready(child)]);
    let child_fence = claim(&given, child).await;
    given.commit(complete(child, child_fence)).await;
    given.commit(rest(parent, fence, false)).await;
    assert_eq!(ids(&given.commit(complete(parent, fence)).await.ended), ["p"]);
}

async fn a_quarantined_task_can_be_retried(given: Given) {
    let [sequence] = suspects(&given, ["a"]).await;
    claim(&given, sequence).await;
    given.open().await;
    assert_eq!(given.commit(again("a")).await.ready, [ready(sequence)]);
    claim(&given, sequence).await;
    assert_eq!(given.open().await.quarantined, 0, "its deaths are forgiven");
}

async fn dependants_of_a_quarantined_task_are_notified(given: Given) {
    let [sequence] = suspects(&given, ["a"]).await;
    given.enter(waits("child", &["a"])).await;
    claim(&given, sequence).await;
    given.open().await;
    let applied = given.commit(Change::NotifyDependants { limit: 9 }).await;
    assert_eq!(ids(&applied.ended), ["child"]);
}

async fn a_system_task_is_no_quarantine_candidate(given: Given) {
    let delivery = Task { method: "system/webhook".into(), ..task("a") };
    let sequence = given.enter(delivery).await;
    for _ in 0..=QUARANTINE_AFTER {
        claim(&given, sequence).await;
        assert_eq!(given.open().await.quarantined, 0);
        assert_eq!(stands(&given, "a").await, FREE);
    }
}
