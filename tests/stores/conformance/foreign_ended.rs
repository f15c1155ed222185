use task_scheduler::models::{Ending, Sequence, State, Task};
use task_scheduler::store::{Applied, Change, ChangeResult};

use super::given::*;

on_every_store!(
    a_task_waits_for_one_of_another_store_until_its_end_is_told,
    a_task_whose_dependency_ended_badly_elsewhere_fails_and_takes_others_with_it,
    a_task_that_runs_all_the_same_is_released_by_a_bad_end_elsewhere,
    an_end_elsewhere_that_nobody_waits_for_changes_nothing,
    an_end_elsewhere_that_is_told_twice_counts_once,
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

async fn a_task_waits_for_one_of_another_store_until_its_end_is_told(given: Given) {
    let (parent, fence) = given.run(task("parent")).await;
    let child = enter(&given, waits("a", &["parent"]), &["far", "further"]).await;
    assert_eq!(given.find("a").await.unmet, 3);
    assert_eq!(given.commit(told("far", true)).await, Applied::default());
    assert_eq!(given.commit(complete(parent, fence)).await.ready, []);
    assert_eq!(given.commit(told("further", true)).await.ready, [ready(child)]);
}

async fn a_task_whose_dependency_ended_badly_elsewhere_fails_and_takes_others_with_it(
    given: Given,
) {
    enter(&given, task("a"), &["far"]).await;
    given.enter(waits("child", &["a"])).await;
    let applied = given.commit(told("far", false)).await;
    assert_eq!(ids(&applied.ended), ["a", "child"]);
    let ending: Option<Ending> = given.find("a").await.outcome.map(|it| it.ending);
    assert_eq!(ending, Some(dependency_failed("far")));
}

async fn a_task_that_runs_all_the_same_is_released_by_a_bad_end_elsewhere(given: Given) {
    let brave = enter(&given, waits_and_runs("a", &[]), &["far"]).await;
    assert_eq!(given.commit(told("far", false)).await.ready, [ready(brave)]);
}

async fn an_end_elsewhere_that_nobody_waits_for_changes_nothing(given: Given) {
    enter(&given, task("a"), &["far"]).await;
    assert_eq!(given.commit(told("near", false)).await, Applied::default());
    assert_eq!(given.state("a").await, State::Pending);
}

async fn an_end_elsewhere_that_is_told_twice_counts_once(given: Given) {
    enter(&given, task("a"), &["far", "further"]).await;
    for _ in 0..2 {
        assert_eq!(given.commit(told("far", true)).await, Applied::default());
    }
    assert_eq!((given.state("a").await, given.find("a").await.unmet), (State::Pending, 1));
}
