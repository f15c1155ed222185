use std::time::Duration;

use task_scheduler::models::Sequence;
use task_scheduler::store::{Applied, Change, Retention, RetentionLimit};

use super::given::*;

on_every_store!(
    tasks_that_ended_long_ago_are_pruned,
    each_kind_of_end_has_its_own_retention,
    the_oldest_are_pruned_beyond_the_maximum_count,
    no_more_than_the_limit_is_pruned_at_once,
    a_parent_of_waiting_tasks_is_kept,
    a_failed_parent_of_waiting_tasks_is_kept,
    an_ended_parent_is_kept_for_dependants_that_will_read_it,
    parents_that_are_kept_do_not_stop_the_pruning_of_others,
    an_ended_child_is_kept_until_its_parent_ends,
    unfinished_tasks_are_never_pruned,
    a_purged_id_can_be_used_again,
);

const LONG: RetentionLimit =
    RetentionLimit { max_age: Duration::from_secs(1_000), max_count: 1_000 };
const FOR_A_SECOND: RetentionLimit = RetentionLimit { max_age: SECOND, ..LONG };
const NOT_AT_ALL: RetentionLimit = RetentionLimit { max_age: Duration::ZERO, max_count: 0 };
const KEEPS_ALL: Retention = Retention { succeeded: LONG, others: LONG };

async fn prune(given: &Given, retention: Retention, limit: usize) -> Applied {
    given.commit(Change::Prune { retention, limit }).await
}

async fn kept<const N: usize>(given: &Given, ids: [&str; N]) -> Vec<String> {
    let mut kept = Vec::new();
    for id in ids {
        if given.known(id).await.is_some() {
            kept.push(id.to_owned());
        }
    }
    kept
}

async fn tasks_that_ended_long_ago_are_pruned(given: Given) {
    let retention =
        Retention { succeeded: RetentionLimit { max_age: 2 * SECOND, ..LONG }, ..KEEPS_ALL };
    let gone = given.succeed(task("old")).await;
    given.wait(SECOND);
    given.succeed(task("young")).await;
    given.wait(SECOND);
    assert_eq!(prune(&given, retention, 9).await, Applied::default());
    assert_eq!(kept(&given, ["old", "young"]).await, ["old", "young"]);
    given.wait(SECOND);
    assert_eq!(prune(&given, retention, 9).await, Applied::default());
    assert_eq!(kept(&given, ["old", "young"]).await, ["young"]);
    assert_eq!(given.claim(gone).await, None);
}

async fn each_kind_of_end_has_its_own_retention(given: Given) {
    given.succeed(task("well")).await;
    given.fail(task("badly")).await;
    given.enter(task("cancelled")).await;
    given.commit(cancel("cancelled")).await;
    given.wait(5 * SECOND);
    prune(&given, Retention { others: FOR_A_SECOND, ..KEEPS_ALL }, 9).await;
    assert_eq!(kept(&given, ["well", "badly", "cancelled"]).await, ["well"]);
    prune(&given, Retention { succeeded: FOR_A_SECOND, ..KEEPS_ALL }, 9).await;
    assert!(kept(&given, ["well"]).await.is_empty());
}

async fn the_oldest_are_pruned_beyond_the_maximum_count(given: Given) {
    for id in ["a", "b", "c", "d"] {
        given.succeed(task(id)).await;
        given.fail(task(&format!("{id} failed"))).await;
    }
    prune(
        &given,
        {
            let two = RetentionLimit { max_count: 2, ..LONG };
            Retention { succeeded: two, others: two }
        },
        9,
    )
    .await;
    assert_eq!(kept(&given, ["a", "b", "c", "d"]).await, ["c", "d"]);
    let failed = ["a failed", "b failed", "c failed", "d failed"];
    assert_eq!(kept(&given, failed).await, ["c failed", "d failed"]);
}

async fn no_more_than_the_limit_is_pruned_at_once(given: Given) {
    for number in 0..3 {
        given.succeed(task(&format!("s{number}"))).await;
        given.fail(task(&format!("f{number}"))).await;
    }
    given.wait(5 * SECOND);
    let retention = Retention { succeeded: FOR_A_SECOND, others: FOR_A_SECOND };
    let ids = ["s0", "s1", "s2", "f0", "f1", "f2"];
    for left in [4, 2, 0] {
        let applied = prune(&given, retention, 2).await;
        assert_eq!(kept(&given, ids).await.len(), left);
        // A store need not know that a full slice was the last.
        assert!(applied.more || left == 0);
    }
    assert!(!prune(&given, retention, 2).await.more);
}

async fn a_parent_of_waiting_tasks_is_kept(given: Given) {
    let (_, _) = given.run(task("slow")).await;
    let (parent, fence) = given.run(task("parent")).await;
    let child = waits("child", &["parent", "slow"]);
    given.enter(child).await;
    given.commit(complete(parent, fence)).await;
    given.succeed(task("other")).await;
    given.wait(5 * SECOND);
    let retention = Retention { succeeded: NOT_AT_ALL, ..KEEPS_ALL };
    prune(&given, retention, 9).await;
    assert_eq!(kept(&given, ["parent", "other"]).await, ["parent"]);
    given.commit(cancel("child")).await;
    prune(&given, retention, 9).await;
    assert!(kept(&given, ["parent"]).await.is_empty());
}

async fn a_failed_parent_of_waiting_tasks_is_kept(given: Given) {
    let (slow, slow_fence) = given.run(task("slow")).await;
    let (parent, fence) = given.run(task("parent")).await;
    let child = given.enter(waits_and_runs("child", &["parent", "slow"])).await;
    given.commit(fail(parent, fence)).await;
    given.wait(5 * SECOND);
    let retention = Retention { others: FOR_A_SECOND, ..KEEPS_ALL };
    prune(&given, retention, 9).await;
    assert!(given.known("parent").await.is_some());
    given.commit(complete(slow, slow_fence)).await;
    let fence = given.claim(child).await.expect("both have ended").fence;
    prune(&given, retention, 9).await;
    assert!(given.known("parent").await.is_some(), "its outcome may still be read");
    given.commit(complete(child, fence)).await;
    prune(&given, retention, 9).await;
    assert_eq!(given.known("parent").await, None);
}

async fn an_ended_parent_is_kept_for_dependants_that_will_read_it(given: Given) {
    given.succeed(task("parent")).await;
    let mut child = given.insert(waits("child", &["parent"]));
    // The engine knew that it had succeeded.
    child.deps.clear();
    given.commit(Change::Insert(child)).await;
    given.wait(5 * SECOND);
    let retention = Retention { succeeded: FOR_A_SECOND, ..KEEPS_ALL };
    prune(&given, retention, 9).await;
    assert!(given.known("parent").await.is_some());
    given.commit(cancel("child")).await;
    prune(&given, retention, 9).await;
    assert_eq!(given.known("parent").await, None);
}

async fn parents_that_are_kept_do_not_stop_the_pruning_of_others(given: Given) {
    for number in 0..3 {
        given.succeed(task(&format!("s{number}"))).await;
        given.fail(task(&format!("f{number}"))).await;
    }
    given.enter(waits_and_runs("child", &["s0", "s1", "f0", "f1"])).await;
    given.wait(5 * SECOND);
    let retention = Retention { succeeded: FOR_A_SECOND, others: FOR_A_SECOND };
    for _ in 0..6 {
        prune(&given, retention, 2).await;
    }
    let ids = ["s0", "s1", "s2", "f0", "f1", "f2"];
    assert_eq!(kept(&given, ids).await, ["s0", "s1", "f0", "f1"]);
    given.commit(cancel("child")).await;
    for _ in 0..6 {
        prune(&given, retention, 2).await;
    }
    assert!(kept(&given, ids).await.is_empty());
}

async fn an_ended_child_is_kept_until_its_parent_ends(given: Given) {
    given.succeed(task("a/1")).await;
    let (sequence, fence) = given.run(task("a")).await;
    let children = vec![given.insert(task("a/1"))];
    given.commit(Change::Expand { sequence, fence, children }).await;
    given.wait(5 * SECOND);
    let retention = Retention { succeeded: FOR_A_SECOND, ..KEEPS_ALL };
    prune(&given, retention, 9).await;
    assert!(given.known("a/1").await.is_some());
}

async fn unfinished_tasks_are_never_pruned(given: Given) {
    let due = given.after(Duration::from_secs(1_000_000));
    given.enter(task_with("pending", |options| options.run_at = Some(due))).await;
    given.enter(task("queued")).await;
    given.run(task("running")).await;
    let (sequence, fence) = given.run(task("retrying")).await;
    given.commit(Change::Retry { sequence, fence, failure: failure(), due }).await;
    given.wait(Duration::from_secs(100_000));
    let nothing = Retention { succeeded: NOT_AT_ALL, others: NOT_AT_ALL };
    assert_eq!(prune(&given, nothing, 9).await, Applied::default());
    let ids = ["pending", "queued", "running", "retrying"];
    assert_eq!(kept(&given, ids).await, ids);
}

async fn a_purged_id_can_be_used_again(given: Given) {
    let first: Sequence = given.succeed(task("a")).await;
    given.wait(5 * SECOND);
    prune(&given, Retention { succeeded: FOR_A_SECOND, ..KEEPS_ALL }, 9).await;
    let second = given.enter(task("a")).await;
    assert_ne!(first, second);
    assert_eq!(given.claimable().await, [second.0]);
}
