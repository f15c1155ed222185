//! RetryTask and ResolveTask change the outcome of a task.

use task_scheduler::models::ArgValue;
use task_scheduler::pb;
use task_scheduler::pb::TaskState;
use task_scheduler::pb::task_response::Status;
use tonic::Code;

use crate::client::{
    Client, Failed, NOTHING, Refused, after, later, ms, named, result_of, retries, waits, with,
};
use crate::server::{stock, with_methods};

/// A failed parent, its child, and the child's child; the last two failed as its dependants.
async fn family(client: &Client, gate: String) {
    let parent =
        with(named("parent", "need", [gate]), |o| (o.retry, o.delay) = (retries(0), ms(200)));
    client.enqueue(parent).await.unwrap();
    let child = named("child", "ping", [result_of("parent")]);
    client.enqueue(waits(after(["parent"], child))).await.unwrap();
    let grandchild = named("grandchild", "ping", [result_of("child")]);
    client.enqueue(waits(after(["child"], grandchild))).await.unwrap();
    client.once("parent", TaskState::Failed).await;
    for id in ["child", "grandchild"] {
        let failed = client.once(id, TaskState::Failed).await;
        assert_eq!(failed.failure.unwrap().code, "DEPENDENCY_FAILED");
    }
}

fn wrong_state(refused: &Refused) -> (Code, &str) {
    (refused.code, &refused.reason)
}

const WRONG_STATE: (Code, &str) = (Code::FailedPrecondition, "WRONG_STATE");

#[tokio::test]
async fn a_failed_task_runs_again_with_all_its_retries() {
    let server = with_methods();
    let client = server.client().await;
    let request = || with(named("one", "need", [server.path("gate")]), |o| o.retry = retries(1));
    let failed = client.fail(request()).await;
    assert_eq!(failed, Failed::new("HANDLER_FAILED", "attempt 2 did not find it", 2));
    client.retry("one").await.unwrap();
    // The old outcome is gone: a caller waits for the next one.
    let failed = client.fail(request()).await;
    assert_eq!(failed, Failed::new("HANDLER_FAILED", "attempt 4 did not find it", 4));
    server.open_gate("gate");
    let answer = client.retry("one").await.unwrap();
    assert!(matches!(answer.state(), TaskState::Queued | TaskState::Running), "{answer:?}");
    assert_eq!(answer.retried_dependants, 0);
    assert_eq!(client.run(request()).await, "found");
    let task = client.task("one").await.unwrap();
    assert_eq!((task.attempts, task.resolved), (5, false));
    let errors: Vec<_> = task.history.iter().map(|entry| &*entry.error).collect();
    assert!(errors.contains(&"retried manually: it is mended"), "{errors:?}");
}

#[tokio::test]
async fn every_ended_task_can_be_retried() {
    let server = with_methods();
    let client = server.client().await;
    let line = |id: &str| named(id, "write", [server.path("ledger"), id.into()]);
    client.run(line("succeeded")).await;
    client.enqueue(later(line("cancelled"))).await.unwrap();
    let cancel =
        pb::CancelTasksRequest { task_ids: vec!["cancelled".into()], ..Default::default() };
    client.cancel(cancel).await.unwrap();
    for id in ["succeeded", "cancelled"] {
        client.retry(id).await.unwrap();
        client.once(id, TaskState::Succeeded).await;
    }
    assert_eq!(server.ledger("ledger"), ["succeeded", "succeeded", "cancelled"]);
    assert_eq!(client.result("cancelled").await.unwrap().status(), Status::Success);
}

#[tokio::test]
async fn a_retry_also_retries_dependants_that_failed_with_the_task() {
    let server = with_methods();
    let client = server.client().await;
    family(&client, server.path("gate")).await;
    server.open_gate("gate");
    assert_eq!(client.retry("parent").await.unwrap().retried_dependants, 2);
    let child = client.once("child", TaskState::Succeeded).await;
    assert_eq!(child.result, "pong: found");
    let grandchild = client.once("grandchild", TaskState::Succeeded).await;
    assert_eq!(grandchild.result, "pong: pong: found");
    assert_eq!(client.result("child").await.unwrap().result, "pong: found");
}

#[tokio::test]
async fn a_retried_task_that_fails_again_fails_its_dependants_again() {
    let server = with_methods();
    let client = server.client().await;
    family(&client, server.path("gate")).await;
    client.retry("parent").await.unwrap();
    client.once("parent", TaskState::Failed).await;
    let grandchild = client.once("grandchild", TaskState::Failed).await;
    assert_eq!(grandchild.failure.unwrap().code, "DEPENDENCY_FAILED");
    let entered = grandchild.history.iter().filter(|entry| entry.state() == TaskState::Failed);
    assert_eq!(entered.count(), 2);
}

#[tokio::test]
async fn dependants_get_the_result_of_a_resolved_task() {
    let server = with_methods();
    let client = server.client().await;
    family(&client, server.path("gate")).await;
    let answer = client.resolve("parent", Some("manual".into())).await.unwrap();
    assert_eq!((answer.state(), answer.retried_dependants), (TaskState::Succeeded, 2));
    let grandchild = client.once("grandchild", TaskState::Succeeded).await;
    assert_eq!(grandchild.result, "pong: pong: manual");
    let parent = client.task("parent").await.unwrap();
    assert_eq!(
        (parent.state(), &*parent.result, parent.resolved),
        (TaskState::Succeeded, "manual", true)
    );
    assert_eq!(parent.failure, None);
    assert_eq!(parent.history.last().unwrap().error, "resolved manually: done by phone");
    let result = client.result("parent").await.unwrap();
    assert_eq!((result.status(), &*result.result), (Status::Success, "manual"));
    assert_eq!(client.run(named("parent", "need", [server.path("gate")])).await, "manual");
}

#[tokio::test]
async fn a_manual_result_may_be_empty_or_a_list() {
    let server = with_methods();
    let client = server.client().await;
    for id in ["nothing", "list"] {
        client.fail(named(id, "fail_permanently", NOTHING)).await;
    }
    client.resolve("nothing", None).await.unwrap();
    assert_eq!(client.result("nothing").await.unwrap().result, "");
    let list = ArgValue::from(vec![ArgValue::from(1), 2.into(), 3.into()]);
    client.resolve("list", Some(list)).await.unwrap();
    let sum = after(["list"], named("sum", "sum_list", [result_of("list")]));
    assert_eq!(client.run(sum).await, "6");
    // A resolved task can be resolved again, and can be retried.
    client.resolve("list", Some("else".into())).await.unwrap();
    assert_eq!(client.result("list").await.unwrap().result, "else");
    client.retry("list").await.unwrap();
    let list = client.once("list", TaskState::Failed).await;
    assert!(!list.resolved, "{list:?}");
}

#[tokio::test]
async fn unfinished_and_unknown_tasks_are_refused() {
    let server = with_methods();
    let client = server.client().await;
    client.enqueue(later(named("waits", "ping", NOTHING))).await.unwrap();
    client.enqueue(named("runs", "wait", [server.path("gate")])).await.unwrap();
    client.once("runs", TaskState::Running).await;
    for id in ["waits", "runs"] {
        let refused = Refused::from(client.retry(id).await.unwrap_err());
        assert_eq!(wrong_state(&refused), WRONG_STATE, "{refused:?}");
        let refused = Refused::from(client.resolve(id, None).await.unwrap_err());
        assert_eq!(wrong_state(&refused), WRONG_STATE, "{refused:?}");
    }
    let not_found = (Code::NotFound, "TASK_NOT_FOUND");
    let refused = Refused::from(client.retry("unknown").await.unwrap_err());
    assert_eq!(wrong_state(&refused), not_found);
    let refused = Refused::from(client.resolve("unknown", None).await.unwrap_err());
    assert_eq!(wrong_state(&refused), not_found);
    server.open_gate("gate");
    client.once("runs", TaskState::Succeeded).await;
}

#[tokio::test]
async fn a_task_whose_dependency_failed_is_not_retried_before_it() {
    let server = with_methods();
    let client = server.client().await;
    family(&client, server.path("gate")).await;
    let refused = Refused::from(client.retry("child").await.unwrap_err());
    assert_eq!((refused.code, &*refused.reason), (Code::FailedPrecondition, "DEPENDENCY_UNMET"));
    client.resolve("child", Some("manual".into())).await.unwrap();
    let grandchild = client.once("grandchild", TaskState::Succeeded).await;
    assert_eq!(grandchild.result, "pong: manual");
}

#[tokio::test]
async fn a_manual_result_that_no_handler_could_return_is_refused() {
    let server = stock();
    let client = server.client().await;
    client.fail(named("one", "remove", [1])).await;
    let refused = Refused::from(client.resolve("one", Some(result_of("one"))).await.unwrap_err());
    let why = "contains a taskscheduler.ResultOf; expected a plain value";
    assert_eq!(refused, Refused::invalid("result", why));
    let large = "x".repeat((4 << 20) - (64 << 10) + 1);
    let refused = Refused::from(client.resolve("one", Some(large.into())).await.unwrap_err());
    let why = "4128769 bytes; at most 4128768 are accepted";
    assert_eq!(refused, Refused::invalid("result", why));
    let largest = "x".repeat((4 << 20) - (64 << 10));
    client.resolve("one", Some(largest.clone().into())).await.unwrap();
    assert_eq!(client.result("one").await.unwrap().result, largest);
}
