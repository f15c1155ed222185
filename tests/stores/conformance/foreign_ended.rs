use task_scheduler::models::{Ending, Sequence, State, Task};
use task_scheduler::store::{Applied, Change, ChangeResult};

use super::given::*;

on_every_store!(
    a_task_waits_for_a_foreign_dependency_until_its_end_is_reported,
    a_failed_foreign_dependency_fails_its_dependants_transitively,
    a_task_with_the_run_policy_runs_after_a_failed_foreign_dependency,
    a_foreign_end_without_dependants_changes_nothing,
    a_foreign_end_that_is_reported_twice_counts_once,
);

async fn enter(given: &Given, task: Task, elsewhere: &[&str]) -> Sequence {
    let mut insert = given.insert(task);
    insert.foreign = elsewhere.iter().map(|id| name(id)).collect();
    let sequence = insert.sequence;
    let applied = given.commit(Change::Insert(insert)).await;
    assert_eq!(applied.result, ChangeResult::Inserted(State::Pending));
    sequence
}

fn told(id: &str, succeeded: bool) -> Change {
    Change::ForeignEnded { id: name(id), succeeded }
}

async fn a_task_waits_for_a_foreign_dependency_until_its_end_is_reported(given: Given) {
    let (parent, fence) = given.run(task("parent")).await;
    let child = enter(&given, waits("a", &["parent"]), &["far", "further"]).await;
    assert_eq!(given.find("a").await.unmet, 3);
    assert_eq!(given.commit(told("far", true)).await, Applied::default());
    assert_eq!(given.commit(complete(parent, fence)).await.ready, []);
    assert_eq!(given.commit(told("further", true)).await.ready, [ready(child)]);
}

async fn a_failed_foreign_dependency_fails_its_dependants_transitively(given: Given) {
    enter(&given, task("a"), &["far"]).await;
    given.enter(waits("child", &["a"])).await;
    let applied = given.commit(told("far", false)).await;
    assert_eq!(ids(&applied.ended), ["a", "child"]);
    let ending: Option<Ending> = given.find("a").await.outcome.map(|it| it.ending);
    assert_eq!(ending, Some(dependency_failed("far")));
}

async fn a_task_with_the_run_policy_runs_after_a_failed_foreign_dependency(given: Given) {
    let brave = enter(&given, waits_and_runs("a", &[]), &["far"]).await;
    assert_eq!(given.commit(told("far", false)).await.ready, [ready(brave)]);
}

async fn a_foreign_end_without_dependants_changes_nothing(given: Given) {
    enter(&given, task("a"), &["far"]).await;
    assert_eq!(given.commit(told("near", false)).await, Applied::default());
    assert_eq!(given.state("a").await, State::Pending);
}

async fn a_foreign_end_that_is_reported_twice_counts_once(given: Given) {
    enter(&given, task("a"), &["far", "further"]).await;
    for _ in 0..2 {
        assert_eq!(given.commit(told("far", true)).await, Applied::default());
    }
    assert_eq!((given.state("a").await, given.find("a").await.unmet), (State::Pending, 1));
}
