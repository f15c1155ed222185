use std::time::Duration;

use task_scheduler::error::Code;
use task_scheduler::models::{BlockedBy, Fence, Sequence, State, Task};
use task_scheduler::store::{Change, OpenReport};

use super::given::*;

on_every_store!(
    a_task_that_runs_at_three_ends_of_the_process_is_quarantined,
    suspects_run_one_at_a_time,
    innocents_are_not_held_back,
    a_checkpoint_shows_that_a_task_is_not_the_cause,
    ten_minutes_of_running_show_that_a_task_is_not_the_cause,
    nobody_is_a_suspect_when_that_is_switched_off,
    suspects_go_free_when_that_is_switched_off,
    a_suspect_that_waits_keeps_no_other_from_running,
    a_suspect_that_rests_lets_its_child_run,
    a_quarantined_task_can_run_again,
    those_that_wait_for_a_quarantined_task_are_told,
    a_task_of_the_server_itself_is_no_suspect,
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

/// All run, and the process ends, as often as makes suspects of them.
async fn suspects<const N: usize>(given: &Given, ids: [&str; N]) -> [Sequence; N] {
    let mut all = [Sequence(0); N];
    for (at, id) in ids.into_iter().enumerate() {
        all[at] = given.enter(task(id)).await;
    }
    for _ in 0..SUSPECT_AFTER {
        for sequence in all {
            claim(given, sequence).await;
        }
        given.open().await;
    }
    all
}

async fn a_task_that_runs_at_three_ends_of_the_process_is_quarantined(given: Given) {
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

async fn suspects_run_one_at_a_time(given: Given) {
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

async fn innocents_are_not_held_back(given: Given) {
    let [suspect] = suspects(&given, ["a"]).await;
    claim(&given, suspect).await;
    let (innocent, _) = given.run(task("b")).await;
    given.open().await;
    assert_eq!(given.states(["a", "b"]).await, [State::Failed, State::Queued]);
    assert!(given.claim(innocent).await.is_some());
}

async fn a_checkpoint_shows_that_a_task_is_not_the_cause(given: Given) {
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

async fn ten_minutes_of_running_show_that_a_task_is_not_the_cause(given: Given) {
    let all = suspects(&given, ["a", "b"]).await;
    claim(&given, all[0]).await;
    given.wait(Duration::from_secs(600));
    // The store was alive then.
    given.enter(task("c")).await;
    assert_eq!(given.open().await.quarantined, 0);
    assert_eq!((stands(&given, "a").await, stands(&given, "b").await), (FREE, FREE));
}

async fn nobody_is_a_suspect_when_that_is_switched_off(given: Given) {
    let sequence = given.enter(task("a")).await;
    for _ in 0..5 {
        claim(&given, sequence).await;
        assert_eq!(given.open_with(0).await.quarantined, 0);
    }
    assert_eq!(stands(&given, "a").await, FREE);
}

async fn suspects_go_free_when_that_is_switched_off(given: Given) {
    let all = suspects(&given, ["a", "b", "c"]).await;
    given.open_with(0).await;
    assert_eq!(given.claimable().await, all.map(|sequence| sequence.0));
}

async fn a_suspect_that_waits_keeps_no_other_from_running(given: Given) {
    let all = suspects(&given, ["a", "b"]).await;
    let fence = claim(&given, all[0]).await;
    let due = given.after(SECOND);
    let retry = Change::Retry { sequence: all[0], fence, failure: failure(), due };
    assert_eq!(given.commit(retry).await.ready, [ready(all[1])]);
    given.wait(SECOND);
    given.commit(Change::Promote { limit: 9 }).await;
    assert_eq!((stands(&given, "a").await, stands(&given, "b").await), (HELD, FREE));
}

async fn a_suspect_that_rests_lets_its_child_run(given: Given) {
    let parent = given.enter(task("p")).await;
    let mut child = Sequence(0);
    for _ in 0..SUSPECT_AFTER {
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

async fn a_quarantined_task_can_run_again(given: Given) {
    let [sequence] = suspects(&given, ["a"]).await;
    claim(&given, sequence).await;
    given.open().await;
    assert_eq!(given.commit(again("a")).await.ready, [ready(sequence)]);
    claim(&given, sequence).await;
    assert_eq!(given.open().await.quarantined, 0, "its deaths are forgiven");
}

async fn those_that_wait_for_a_quarantined_task_are_told(given: Given) {
    let [sequence] = suspects(&given, ["a"]).await;
    given.enter(waits("child", &["a"])).await;
    claim(&given, sequence).await;
    given.open().await;
    let applied = given.commit(Change::NotifyDependants { limit: 9 }).await;
    assert_eq!(ids(&applied.ended), ["child"]);
}

async fn a_task_of_the_server_itself_is_no_suspect(given: Given) {
    let delivery = Task { method: "system/webhook".into(), ..task("a") };
    let sequence = given.enter(delivery).await;
    for _ in 0..=SUSPECT_AFTER {
        claim(&given, sequence).await;
        assert_eq!(given.open().await.quarantined, 0);
        assert_eq!(stands(&given, "a").await, FREE);
    }
}
