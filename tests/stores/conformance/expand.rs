use std::sync::Arc;

use task_scheduler::error::Code;
use task_scheduler::models::{Digest, Ending, Fence, QueueName, Sequence, State};
use task_scheduler::store::{Applied, Change, ChangeResult, Insert};

use super::given::*;

on_every_store!(
    an_expanded_task_waits_for_its_children_and_its_next_claim_lists_them,
    an_expanded_task_runs_after_failed_children,
    an_existing_child_is_joined,
    a_failed_child_is_retried_with_its_parent,
    a_task_with_other_contents_is_no_child,
    an_expansion_into_ended_children_is_queued_at_once,
    an_expansion_into_nothing_can_be_claimed_at_once,
    an_expansion_under_a_stale_fence_is_refused,
    a_repeated_expansion_changes_nothing,
    children_are_ready_in_the_commit_that_inserts_them,
    a_cancelled_parent_cancels_its_children_and_is_not_queued_by_their_ends,
);

fn expand(sequence: Sequence, fence: Fence, children: &[Insert]) -> Change {
    Change::Expand { sequence, fence, children: children.to_vec() }
}

fn children(given: &Given) -> [Insert; 2] {
    [given.insert(task("a/1")), given.insert(task("a/2"))]
}

async fn an_expanded_task_waits_for_its_children_and_its_next_claim_lists_them(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let children = children(&given);
    let applied = given.commit(expand(sequence, fence, &children)).await;
    assert_eq!(applied.result, ChangeResult::Expanded { joined: vec![] });
    let snapshot = given.find("a").await;
    assert_eq!((snapshot.state, snapshot.unmet, snapshot.attempts), (State::Pending, 2, 0));
    assert_eq!(given.claim(sequence).await, None);
    for (child, released) in [(&children[0], vec![]), (&children[1], vec![ready(sequence)])] {
        let fence = given.claim(child.sequence).await.expect("it can run").fence;
        assert_eq!(given.commit(complete(child.sequence, fence)).await.ready, released);
    }
    let claimed = given.claim(sequence).await.expect("its children have ended");
    assert_eq!(claimed.children, [name("a/1"), name("a/2")]);
    assert_eq!((claimed.attempt, claimed.resolved_args), (1, None));
}

async fn an_expanded_task_runs_after_failed_children(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let children = children(&given);
    given.commit(expand(sequence, fence, &children)).await;
    let fence = given.claim(children[0].sequence).await.expect("it can run").fence;
    let applied = given.commit(fail(children[0].sequence, fence)).await;
    assert_eq!(ids(&applied.ended), ["a/1"]);
    assert_eq!(given.commit(cancel("a/2")).await.ready, [ready(sequence)]);
    assert!(given.claim(sequence).await.is_some());
}

async fn an_existing_child_is_joined(given: Given) {
    let (child, child_fence) = given.run(task("a/1")).await;
    let (sequence, fence) = given.run(task("a")).await;
    let applied = given.commit(expand(sequence, fence, &children(&given))).await;
    assert_eq!(applied.result, ChangeResult::Expanded { joined: vec![QueueName::default()] });
    assert_eq!(given.find("a").await.unmet, 2);
    given.commit(complete(child, child_fence)).await;
    assert_eq!(given.find("a").await.unmet, 1);
}

async fn a_failed_child_is_retried_with_its_parent(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let first = children(&given);
    given.commit(expand(sequence, fence, &first)).await;
    let fence = given.claim(first[0].sequence).await.expect("it can run").fence;
    given.commit(complete(first[0].sequence, fence)).await;
    let fence = given.claim(first[1].sequence).await.expect("it can run").fence;
    given.commit(fail(first[1].sequence, fence)).await;
    let fence = given.claim(sequence).await.expect("its children have ended").fence;
    given.commit(fail(sequence, fence)).await;
    given.commit(again("a")).await;
    let fence = given.claim(sequence).await.expect("it runs again").fence;
    let applied = given.commit(expand(sequence, fence, &children(&given))).await;
    let expected = Applied {
        result: ChangeResult::Expanded { joined: vec![QueueName::default(); 2] },
        ready: vec![ready(first[1].sequence)],
        retried: vec![first[1].task.clone()],
        ..Applied::default()
    };
    assert_eq!(applied, expected);
    let states = given.states(["a", "a/1", "a/2"]).await;
    assert_eq!(states, [State::Pending, State::Succeeded, State::Queued]);
    assert_eq!(given.find("a").await.unmet, 1);
}

async fn a_task_with_other_contents_is_no_child(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let mut strange = waits("a/1", &["a"]);
    strange.digest = Digest::of("something else", &[], &[]);
    given.enter(strange).await;
    given.commit(expand(sequence, fence, &children(&given))).await;
    let failure = given.find("a").await.outcome.and_then(|outcome| outcome.failure());
    assert_eq!(failure.map(|failure| failure.code), Some(Code::IdTaken));
    assert_eq!(given.known("a/2").await, None, "and no child entered");
}

async fn an_expansion_into_ended_children_is_queued_at_once(given: Given) {
    given.succeed(task("a/1")).await;
    given.fail(task("a/2")).await;
    let (sequence, fence) = given.run(task("a")).await;
    let applied = given.commit(expand(sequence, fence, &children(&given))).await;
    let expected = Applied {
        result: ChangeResult::Expanded { joined: vec![QueueName::default(); 2] },
        ready: vec![ready(sequence)],
        ..Applied::default()
    };
    assert_eq!(applied, expected);
}

async fn an_expansion_into_nothing_can_be_claimed_at_once(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let applied = given.commit(expand(sequence, fence, &[])).await;
    assert_eq!(applied.ready, [ready(sequence)]);
}

async fn an_expansion_under_a_stale_fence_is_refused(given: Given) {
    let (sequence, stale) = given.run(task("a")).await;
    given.commit(requeue(sequence, stale)).await;
    given.claim(sequence).await.expect("it was released");
    let applied = given.commit(expand(sequence, stale, &children(&given))).await;
    assert_eq!(applied, Applied { result: ChangeResult::Stale, ..Applied::default() });
    assert_eq!((given.known("a/1").await, given.state("a").await), (None, State::Running));
}

async fn a_repeated_expansion_changes_nothing(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let changes: Arc<[Change]> = Arc::new([expand(sequence, fence, &children(&given))]);
    let first = given.commit_all(changes.clone()).await;
    let before = [given.find("a").await, given.find("a/1").await];
    assert_eq!(given.commit_all(changes).await, first);
    assert_eq!([given.find("a").await, given.find("a/1").await], before);
}

async fn children_are_ready_in_the_commit_that_inserts_them(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let children = children(&given);
    let applied = given.commit(expand(sequence, fence, &children)).await;
    let expected: Vec<_> = children.iter().map(|child| ready(child.sequence)).collect();
    assert_eq!(applied.ready, expected);
    assert_eq!(given.find("a/1").await.state, State::Queued);
}

async fn a_cancelled_parent_cancels_its_children_and_is_not_queued_by_their_ends(given: Given) {
    let (sequence, fence) = given.run(task("a")).await;
    let children = children(&given);
    given.commit(expand(sequence, fence, &children)).await;
    let running = given.claim(children[0].sequence).await.expect("it can run").fence;
    let applied = given.commit(cancel("a")).await;
    assert_eq!(ids(&applied.ended), ["a", "a/2"]);
    assert_eq!(applied.signals, [(running, "its parent a ended CANCELLED".to_owned())]);
    let applied = given.commit(complete(children[0].sequence, running)).await;
    assert_eq!((applied.ready.len(), ids(&applied.ended)), (0, vec!["a/1"]));
    let ending = given.find("a").await.outcome.expect("it has ended").ending;
    assert_eq!(ending, Ending::Cancelled("tired".into()));
}
