use std::sync::Arc;

use task_scheduler::models::{Ending, State, Task};
use task_scheduler::store::{Applied, Change, ChangeResult, DependencyProblem};

use super::given::*;

on_every_store!(
    an_unknown_dependency_is_refused,
    a_task_that_depends_on_itself_is_refused,
    an_unfinished_dependency_is_refused_unless_the_request_permits_waiting,
    a_task_waits_for_an_unfinished_dependency_and_is_ready_in_the_commit_that_ends_it,
    a_succeeded_dependency_is_not_waited_for,
    a_failed_dependency_is_refused,
    a_task_with_the_run_policy_runs_after_a_failed_dependency,
    a_dependency_that_is_named_twice_is_waited_for_once,
    a_task_can_depend_on_one_inserted_just_before_it,
    a_task_with_two_dependencies_is_queued_at_the_end_of_the_second,
    a_diamond_queues_its_last_task_once,
    a_task_whose_dependencies_have_ended_still_waits_for_its_time,
    a_due_task_still_waits_for_its_dependencies,
    a_retry_of_the_parent_queues_no_dependant,
);

async fn refused(given: &Given, task: Task) -> (String, DependencyProblem) {
    let id = task.id.clone();
    let applied = given.commit(Change::Insert(given.insert(task))).await;
    assert_eq!(given.known(id.as_str()).await, None);
    match applied.clone() {
        Applied { result: ChangeResult::Unmet { dependency, problem }, .. } => {
            let result = ChangeResult::Unmet { dependency: dependency.clone(), problem };
            assert_eq!(applied, Applied { result, ..Applied::default() });
            (dependency.as_str().to_owned(), problem)
        }
        applied => panic!("{applied:?}"),
    }
}

async fn an_unknown_dependency_is_refused(given: Given) {
    given.succeed(task("parent")).await;
    let problem = refused(&given, waits("a", &["parent", "nobody"])).await;
    assert_eq!(problem, ("nobody".into(), DependencyProblem::Unknown));
}

async fn a_task_that_depends_on_itself_is_refused(given: Given) {
    let problem = refused(&given, waits("a", &["a"])).await;
    assert_eq!(problem, ("a".into(), DependencyProblem::Unknown));
}

async fn an_unfinished_dependency_is_refused_unless_the_request_permits_waiting(given: Given) {
    given.run(task("parent")).await;
    let mut impatient = waits("a", &["parent"]);
    impatient.options.wait_for_dependencies = false;
    let problem = refused(&given, impatient).await;
    assert_eq!(problem, ("parent".into(), DependencyProblem::Unfinished));
    given.enter(waits("a", &["parent"])).await;
    assert_eq!((given.state("a").await, given.find("a").await.unmet), (State::Pending, 1));
}

async fn a_task_waits_for_an_unfinished_dependency_and_is_ready_in_the_commit_that_ends_it(
    given: Given,
) {
    let (parent, fence) = given.run(task("parent")).await;
    let child = given.enter(waits("a", &["parent"])).await;
    assert!(given.claimable().await.is_empty());
    assert_eq!(given.claim(child).await, None);
    let applied = given.commit(complete(parent, fence)).await;
    let ending = Ending::Succeeded(result());
    let expected = Applied {
        ready: vec![ready(child)],
        ended: vec![ended(task("parent"), ending, 1, given.now())],
        ..Applied::default()
    };
    assert_eq!(applied, expected);
    assert_eq!((given.state("a").await, given.find("a").await.unmet), (State::Queued, 0));
}

async fn a_succeeded_dependency_is_not_waited_for(given: Given) {
    given.succeed(task("parent")).await;
    let mut impatient = waits("a", &["parent"]);
    impatient.options.wait_for_dependencies = false;
    given.enter(impatient).await;
    assert_eq!(given.state("a").await, State::Queued);
}

async fn a_failed_dependency_is_refused(given: Given) {
    given.fail(task("failed")).await;
    given.enter(task("cancelled")).await;
    given.commit(cancel("cancelled")).await;
    for (parent, state) in [("failed", State::Failed), ("cancelled", State::Cancelled)] {
        let problem = refused(&given, waits("a", &[parent])).await;
        assert_eq!(problem, (parent.into(), DependencyProblem::Failed(state)));
    }
}

async fn a_task_with_the_run_policy_runs_after_a_failed_dependency(given: Given) {
    given.fail(task("parent")).await;
    given.enter(waits_and_runs("a", &["parent"])).await;
    assert_eq!(given.state("a").await, State::Queued);
}

async fn a_dependency_that_is_named_twice_is_waited_for_once(given: Given) {
    let (parent, fence) = given.run(task("parent")).await;
    given.enter(waits("a", &["parent", "parent"])).await;
    assert_eq!(given.find("a").await.unmet, 1);
    assert_eq!(given.commit(complete(parent, fence)).await.ready.len(), 1);
}

async fn a_task_can_depend_on_one_inserted_just_before_it(given: Given) {
    let changes = [given.insert(task("parent")), given.insert(waits("a", &["parent"]))];
    let commit = given.commit_all(Arc::new(changes.map(Change::Insert))).await;
    assert_eq!(commit.applied[1].result, ChangeResult::Inserted(State::Pending));
}

async fn a_task_with_two_dependencies_is_queued_at_the_end_of_the_second(given: Given) {
    let (one, one_fence) = given.run(task("one")).await;
    let (two, two_fence) = given.run(task("two")).await;
    let child = given.enter(waits("a", &["one", "two"])).await;
    assert_eq!(given.commit(complete(two, two_fence)).await.ready, []);
    assert_eq!((given.state("a").await, given.find("a").await.unmet), (State::Pending, 1));
    assert_eq!(given.commit(complete(one, one_fence)).await.ready, [ready(child)]);
}

async fn a_diamond_queues_its_last_task_once(given: Given) {
    let (top, fence) = given.run(task("top")).await;
    let left = given.enter(waits("left", &["top"])).await;
    let right = given.enter(waits("right", &["top"])).await;
    let end = given.enter(waits("end", &["left", "right", "top"])).await;
    assert_eq!(given.find("end").await.unmet, 3);
    assert_eq!(given.commit(complete(top, fence)).await.ready.len(), 2);
    for (side, released) in [(left, vec![]), (right, vec![ready(end)])] {
        let fence = given.claim(side).await.expect("it was released").fence;
        assert_eq!(given.commit(complete(side, fence)).await.ready, released);
    }
}

async fn a_task_whose_dependencies_have_ended_still_waits_for_its_time(given: Given) {
    let (parent, fence) = given.run(task("parent")).await;
    let mut child = waits("a", &["parent"]);
    child.options.run_at = Some(given.after(SECOND));
    let child = given.enter(child).await;
    assert_eq!(given.commit(complete(parent, fence)).await.ready, []);
    assert_eq!(given.state("a").await, State::Pending);
    given.wait(SECOND);
    assert_eq!(given.commit(Change::Promote { limit: 9 }).await.ready, [ready(child)]);
}

async fn a_due_task_still_waits_for_its_dependencies(given: Given) {
    let (parent, fence) = given.run(task("parent")).await;
    let mut child = waits("a", &["parent"]);
    child.options.run_at = Some(given.after(SECOND));
    let child = given.enter(child).await;
    given.wait(SECOND);
    assert_eq!(given.commit(Change::Promote { limit: 9 }).await, Applied::default());
    let snapshot = given.find("a").await;
    assert_eq!((snapshot.state, snapshot.unmet, snapshot.due_at), (State::Pending, 1, None));
    assert_eq!(given.commit(complete(parent, fence)).await.ready, [ready(child)]);
}

async fn a_retry_of_the_parent_queues_no_dependant(given: Given) {
    let (parent, fence) = given.run(task("parent")).await;
    given.enter_all([waits("a", &["parent"])]).await;
    let due = given.after(SECOND);
    let retry = Change::Retry { sequence: parent, fence, failure: failure(), due };
    assert_eq!(given.commit(retry).await, Applied::default());
    assert_eq!(given.state("a").await, State::Pending);
}
