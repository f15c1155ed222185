use std::collections::BTreeSet;

use task_scheduler::models::{Ending, State};
use task_scheduler::store::{Applied, Change, NOTIFY_SLICE};

use super::given::*;

on_every_store!(
    a_failed_parent_fails_its_dependants_transitively,
    a_task_with_the_run_policy_stops_the_cascade,
    a_cancelled_parent_fails_its_dependants,
    an_expired_parent_fails_its_dependants,
    a_dependant_that_has_ended_is_not_changed,
    a_dependant_of_two_failed_tasks_ends_once,
    more_dependants_than_a_slice_are_notified_in_slices,
    a_chain_longer_than_a_slice_ends_in_slices,
    a_slice_has_no_more_than_its_limit,
    without_pending_dependants_nothing_is_notified,
    two_cascades_at_once_both_finish,
);

async fn a_failed_parent_fails_its_dependants_transitively(given: Given) {
    let (parent, fence) = given.run(task("parent")).await;
    given.enter_all([waits("child", &["parent"]), waits("grandchild", &["child"])]).await;
    given.wait(SECOND);
    let applied = given.commit(fail(parent, fence)).await;
    assert_eq!((ids(&applied.ended), applied.more), (vec!["child", "grandchild", "parent"], false));
    for (id, culprit) in [("child", "parent"), ("grandchild", "child")] {
        let snapshot = given.find(id).await;
        let expected = ended(waits(id, &[culprit]), dependency_failed(culprit), 0, given.now());
        assert_eq!(snapshot.outcome.as_ref(), Some(&expected.outcome));
        assert!(applied.ended.contains(&expected));
        assert_eq!((snapshot.state, snapshot.unmet), (State::Failed, 0));
    }
}

async fn a_task_with_the_run_policy_stops_the_cascade(given: Given) {
    let (parent, fence) = given.run(task("parent")).await;
    let brave = given.enter(waits_and_runs("brave", &["parent"])).await;
    given.enter(waits("grandchild", &["brave"])).await;
    let applied = given.commit(fail(parent, fence)).await;
    assert_eq!((ids(&applied.ended), &applied.ready[..]), (vec!["parent"], &[ready(brave)][..]));
    assert_eq!(given.state("grandchild").await, State::Pending);
}

async fn a_cancelled_parent_fails_its_dependants(given: Given) {
    given.enter_all([task("parent"), waits("child", &["parent"])]).await;
    let applied = given.commit(cancel("parent")).await;
    assert_eq!(ids(&applied.ended), ["child", "parent"]);
    assert_eq!(given.states(["parent", "child"]).await, [State::Cancelled, State::Failed]);
}

async fn an_expired_parent_fails_its_dependants(given: Given) {
    let over = given.after(SECOND);
    given.enter(task_with("parent", |options| options.expires_at = Some(over))).await;
    let brave = given.enter(waits_and_runs("brave", &["parent"])).await;
    given.enter(waits("child", &["parent"])).await;
    given.wait(SECOND);
    let applied = given.commit(Change::Promote { limit: 9 }).await;
    assert_eq!(ids(&applied.ended), ["child", "parent"]);
    assert_eq!((applied.ready, applied.more), (vec![ready(brave)], false));
}

async fn a_dependant_that_has_ended_is_not_changed(given: Given) {
    let (parent, fence) = given.run(task("parent")).await;
    given.enter(waits("child", &["parent"])).await;
    given.commit(cancel("child")).await;
    let before = given.find("child").await;
    let applied = given.commit(fail(parent, fence)).await;
    assert_eq!(ids(&applied.ended), ["parent"]);
    assert_eq!(given.find("child").await, before);
}

async fn a_dependant_of_two_failed_tasks_ends_once(given: Given) {
    let (one, one_fence) = given.run(task("one")).await;
    let (two, two_fence) = given.run(task("two")).await;
    given.enter(waits("child", &["one", "two"])).await;
    assert_eq!(ids(&given.commit(fail(one, one_fence)).await.ended), ["child", "one"]);
    let before = given.find("child").await;
    assert_eq!(ids(&given.commit(fail(two, two_fence)).await.ended), ["two"]);
    assert_eq!(given.find("child").await, before);
}

async fn more_dependants_than_a_slice_are_notified_in_slices(given: Given) {
    let (parent, fence) = given.run(task("parent")).await;
    let many = NOTIFY_SLICE + 10;
    given.enter_all((0..many).map(|number| waits(&format!("c{number}"), &["parent"]))).await;
    let first = given.commit(complete(parent, fence)).await;
    assert_eq!((first.ready.len(), ids(&first.ended)), (NOTIFY_SLICE, vec!["parent"]));
    assert!(first.more);
    let second = given.commit(Change::NotifyDependants { limit: NOTIFY_SLICE }).await;
    assert_eq!((second.ready.len(), second.ended.len(), second.more), (10, 0, false));
    let released: BTreeSet<u64> =
        first.ready.iter().chain(&second.ready).map(|ready| ready.position.sequence.0).collect();
    assert_eq!(released.len(), many);
    assert_eq!(given.claimable().await.len(), many);
}

async fn a_chain_longer_than_a_slice_ends_in_slices(given: Given) {
    let (parent, fence) = given.run(task("c0")).await;
    let long = 2 * NOTIFY_SLICE + 10;
    let link = |number: usize| waits(&format!("c{number}"), &[&format!("c{}", number - 1)]);
    given.enter_all((1..=long).map(link)).await;
    let first = given.commit(fail(parent, fence)).await;
    assert_eq!((first.ended.len(), first.more), (NOTIFY_SLICE + 1, true));
    assert_eq!(given.notify_dependants(NOTIFY_SLICE).await, 2);
    let last = given.find(&format!("c{long}")).await;
    let ending = last.outcome.expect("it has ended").ending;
    assert_eq!(ending, dependency_failed(&format!("c{}", long - 1)));
}

async fn a_slice_has_no_more_than_its_limit(given: Given) {
    let (parent, fence) = given.run(task("parent")).await;
    let many = NOTIFY_SLICE + 5;
    given.enter_all((0..many).map(|number| waits(&format!("c{number}"), &["parent"]))).await;
    given.commit(complete(parent, fence)).await;
    for more in [true, true, false] {
        let slice = given.commit(Change::NotifyDependants { limit: 2 }).await;
        assert_eq!((slice.ready.len(), slice.more), (if more { 2 } else { 1 }, more));
    }
}

async fn without_pending_dependants_nothing_is_notified(given: Given) {
    given.enter_all([task("parent"), waits("child", &["parent"])]).await;
    let applied = given.commit(Change::NotifyDependants { limit: 9 }).await;
    assert_eq!(applied, Applied::default());
}

async fn two_cascades_at_once_both_finish(given: Given) {
    let (one, one_fence) = given.run(task("one")).await;
    let (two, two_fence) = given.run(task("two")).await;
    let many = NOTIFY_SLICE + 5;
    given.enter_all((0..many).map(|number| waits(&format!("a{number}"), &["one"]))).await;
    given.enter_all((0..many).map(|number| waits(&format!("b{number}"), &["two"]))).await;
    assert!(given.commit(fail(one, one_fence)).await.more);
    assert!(given.commit(complete(two, two_fence)).await.more);
    given.notify_dependants(NOTIFY_SLICE).await;
    assert_eq!(given.claimable().await.len(), many);
    let last = given.find(&format!("a{}", many - 1)).await;
    let failed: Option<Ending> = last.outcome.map(|it| it.ending);
    assert_eq!(failed, Some(dependency_failed("one")));
}
