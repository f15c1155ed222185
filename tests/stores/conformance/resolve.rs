use std::sync::Arc;

use task_scheduler::models::{Ended, Ending, Outcome, Snapshot, State};
use task_scheduler::store::{Applied, Change, ChangeResult};

use super::given::*;

on_every_store!(
    failed_and_resolved_tasks_can_be_resolved,
    unknown_unfinished_and_succeeded_tasks_cannot_be_resolved,
    tasks_that_failed_only_for_a_resolved_one_run,
    a_resolved_task_can_be_retried,
);

fn resolve(id: &str) -> Change {
    Change::Resolve { id: name(id), result: result(), reason: "by phone".into() }
}

async fn failed_and_resolved_tasks_can_be_resolved(given: Given) {
    given.fail(task("badly")).await;
    given.enter(task("cancelled")).await;
    given.commit(cancel("cancelled")).await;
    for id in ["badly", "cancelled", "badly"] {
        let before: Snapshot = given.find(id).await;
        given.wait(SECOND);
        let applied = given.commit(resolve(id)).await;
        let outcome = Outcome {
            ending: Ending::Succeeded(result()),
            attempts: before.attempts,
            started_at: before.started_at,
            ended_at: given.now(),
        };
        let ended = Some(Arc::new(Ended { task: before.task, outcome: outcome.clone() }));
        let result =
            ChangeResult::Changed { state: State::Succeeded, retried_dependants: 0, ended };
        assert_eq!(applied, Applied { result, ..Applied::default() }, "{id}");
        let snapshot = given.find(id).await;
        assert_eq!((snapshot.state, snapshot.resolved), (State::Succeeded, true));
        assert_eq!(snapshot.outcome, Some(outcome));
        let last = snapshot.history.last().and_then(|entry| entry.error.as_deref());
        assert_eq!(last, Some("resolved manually: by phone"));
    }
}

async fn unknown_unfinished_and_succeeded_tasks_cannot_be_resolved(given: Given) {
    assert_eq!(given.commit(resolve("nobody")).await.result, ChangeResult::NotFound);
    given.enter(task("a")).await;
    let result = ChangeResult::WrongState(State::Queued);
    assert_eq!(given.commit(resolve("a")).await, Applied { result, ..Applied::default() });
    given.succeed(task("well")).await;
    let result = ChangeResult::WrongState(State::Succeeded);
    assert_eq!(given.commit(resolve("well")).await, Applied { result, ..Applied::default() });
}

async fn tasks_that_failed_only_for_a_resolved_one_run(given: Given) {
    let (parent, fence) = given.run(task("parent")).await;
    let child = given.enter(waits("child", &["parent"])).await;
    given.enter(waits("grandchild", &["child"])).await;
    given.commit(fail(parent, fence)).await;
    let applied = given.commit(resolve("parent")).await;
    assert_eq!((applied.ready, applied.retried.len()), (vec![ready(child)], 2));
    assert!(matches!(applied.result, ChangeResult::Changed { retried_dependants: 2, .. }));
    assert_eq!(given.states(["child", "grandchild"]).await, [State::Queued, State::Pending]);
}

async fn a_resolved_task_can_be_retried(given: Given) {
    given.fail(task("a")).await;
    given.commit(resolve("a")).await;
    given.commit(again("a")).await;
    let snapshot = given.find("a").await;
    assert_eq!((snapshot.state, snapshot.resolved), (State::Queued, false));
}
