//! Dependencies: early refusal, waiting, results as arguments, and failures that spread.

use task_scheduler::models::{ArgValue, TaskId};
use task_scheduler::pb;

use crate::client::{Client, NOTHING, Refused, after, named, task, with};
use crate::server::{Server, with_methods};

fn result_of(id: &str) -> ArgValue {
    ArgValue::ResultOf(TaskId::parse(id, "task_id").unwrap())
}

/// The same request; it waits for dependencies that have not ended.
fn waiting(request: pb::TaskRequest) -> pb::TaskRequest {
    with(request, |o| o.wait_for_dependencies = true)
}

/// Enqueues a task that succeeds once its gate is opened.
async fn gated(server: &Server, client: &Client, id: &str) {
    client.enqueue(named(id, "wait", [server.path("gate")])).await.unwrap();
}

#[tokio::test]
async fn a_task_runs_after_its_dependencies() {
    let server = with_methods();
    let client = server.client().await;
    let line = |id: &str| named(id, "write", [server.path("ledger"), id.into()]);
    gated(&server, &client, "first").await;
    client.enqueue(waiting(after(["second"], line("never")))).await.unwrap_err();
    client.enqueue(waiting(after(["first"], line("second")))).await.unwrap();
    client.enqueue(waiting(after(["first", "second"], line("third")))).await.unwrap();
    let last = waiting(after(["third", "first"], line("last")));
    client.enqueue(last.clone()).await.unwrap();
    for id in ["second", "third", "last"] {
        assert_eq!(client.task(id).await.unwrap().state(), pb::TaskState::Pending);
    }
    server.open_gate("gate");
    assert_eq!(client.run(last).await, "last");
    assert_eq!(server.ledger("ledger"), ["second", "third", "last"]);
}

#[tokio::test]
async fn a_long_chain_and_a_wide_fan_out_complete() {
    const LENGTH: usize = 1_000;
    let server = with_methods();
    let client = server.client().await;
    gated(&server, &client, "link-0").await;
    let mut tasks: Vec<pb::TaskRequest> = (1..LENGTH)
        .map(|n| {
            let link = named(&format!("link-{n}"), "ping", NOTHING);
            waiting(after([format!("link-{}", n - 1).as_str()], link))
        })
        .collect();
    tasks.extend(
        (0..LENGTH)
            .map(|n| waiting(after(["link-0"], named(&format!("leaf-{n}"), "ping", NOTHING)))),
    );
    for outcome in client.enqueue_many(tasks).await.unwrap() {
        let accepted = matches!(outcome.outcome, Some(pb::enqueue_outcome::Outcome::Accepted(_)));
        assert!(accepted, "{outcome:?}");
    }
    let deps = (0..LENGTH).map(|n| format!("leaf-{n}")).collect();
    let all = waiting(pb::TaskRequest { deps, ..named("all", "ping", NOTHING) });
    client.enqueue(all.clone()).await.unwrap();
    server.open_gate("gate");
    assert_eq!(client.run(all).await, "pong");
    client.once(&format!("link-{}", LENGTH - 1), pb::TaskState::Succeeded).await;
}

#[tokio::test]
async fn a_dependency_result_replaces_its_reference_in_the_arguments() {
    let server = with_methods();
    let client = server.client().await;
    client.run(named("three", "add", [1, 2])).await;
    let request = after(["three"], task("add", [result_of("three"), 4.into()]));
    assert_eq!(client.run(request).await, "7");
    let nested = ArgValue::Array(vec![5.into(), result_of("three")]);
    assert_eq!(client.run(after(["three"], task("sum_list", [nested]))).await, "8");

    // Through a chain of waiting tasks, each with the result of the one before.
    gated(&server, &client, "gated").await;
    client.enqueue(waiting(after(["gated"], named("a", "add", [1])))).await.unwrap();
    let link = |id: &str, before: &str| {
        waiting(after([before], named(id, "add", [result_of(before), 1.into()])))
    };
    client.enqueue(link("b", "a")).await.unwrap();
    client.enqueue(link("c", "b")).await.unwrap();
    server.open_gate("gate");
    assert_eq!(client.run(link("d", "c")).await, "4");
}

#[tokio::test]
async fn only_results_of_dependencies_can_be_arguments() {
    let server = with_methods();
    let client = server.client().await;
    client.run(named("three", "add", [1, 2])).await;
    let refused = client.refused(task("add", [result_of("three")])).await;
    assert_eq!(
        (refused.reason.as_str(), &*refused.fields),
        ("INVALID_ARGUMENT", &["args[0]".into()][..])
    );
    let nested = ArgValue::Array(vec![result_of("three")]);
    let refused = client.refused(task("process_collection", [nested])).await;
    assert_eq!(
        (refused.reason.as_str(), &*refused.fields),
        ("INVALID_ARGUMENT", &["args[0].values[0]".into()][..])
    );
}

#[tokio::test]
async fn a_dependency_result_of_the_wrong_type_fails_the_task_without_retry() {
    let server = with_methods();
    let client = server.client().await;
    client.run(named("text", "ping", NOTHING)).await;
    let request = after(["text"], task("add", [result_of("text")]));
    let failed = client.fail(with(request, |o| o.retry = crate::client::retries(5))).await;
    assert_eq!((failed.code.as_str(), failed.attempts), ("INVALID_ARGUMENT", 1));
    assert!(failed.message.starts_with("args[0]: expected an integer"), "{failed:?}");
}

#[tokio::test]
async fn a_handler_sees_the_outcomes_of_its_dependencies() {
    let server = with_methods();
    let client = server.client().await;
    client.run(named("good", "add", [1, 2])).await;
    client.fail(named("bad", "fail_permanently", NOTHING)).await;
    let request = with(after(["good", "bad"], task("dependencies", NOTHING)), |o| {
        o.on_dependency_failure = pb::OnDependencyFailure::Run.into();
    });
    assert_eq!(client.run(request).await, "good=SUCCEEDED(3) bad=FAILED");
}

#[tokio::test]
async fn a_failure_fails_all_dependants_except_those_that_run_after_failures() {
    let server = with_methods();
    let client = server.client().await;
    let gate = server.path("gate");
    let args = [server.path("ledger"), "root".into(), gate];
    // It fails once it is cancelled; its gate stays closed.
    client.enqueue(named("root", "write_and_wait", args)).await.unwrap();
    let line = |id: &str| named(id, "write", [server.path("ledger"), id.into()]);
    client.enqueue(waiting(after(["root"], line("child")))).await.unwrap();
    client.enqueue(waiting(after(["child"], line("grandchild")))).await.unwrap();
    let anyway = with(waiting(after(["child", "root"], line("anyway"))), |o| {
        o.on_dependency_failure = pb::OnDependencyFailure::Run.into();
    });
    client.enqueue(anyway.clone()).await.unwrap();
    client.once("root", pb::TaskState::Running).await;
    let root = pb::CancelTasksRequest { task_ids: vec!["root".into()], ..Default::default() };
    client.cancel(root).await.unwrap();

    assert_eq!(client.run(anyway).await, "anyway");
    for id in ["child", "grandchild"] {
        let task = client.once(id, pb::TaskState::Failed).await;
        assert_eq!(task.attempts, 0);
        assert_eq!(task.failure.unwrap().code, "DEPENDENCY_FAILED");
    }
    assert_eq!(server.ledger("ledger"), ["root", "anyway"]);
}

#[tokio::test]
async fn a_caller_that_waits_for_a_dependant_gets_its_failure() {
    let server = with_methods();
    let client = server.client().await;
    client.enqueue(named("root", "wait", [server.path("gate")])).await.unwrap();
    let child = waiting(after(["root"], named("child", "ping", NOTHING)));
    let caller = tokio::spawn({
        let client = client.clone();
        async move { client.fail(child).await }
    });
    client.once("child", pb::TaskState::Pending).await;
    let root = pb::CancelTasksRequest { task_ids: vec!["root".into()], ..Default::default() };
    client.cancel(root).await.unwrap();
    let failed = crate::waiting::soon(caller).await.unwrap();
    assert_eq!((failed.code.as_str(), failed.attempts), ("DEPENDENCY_FAILED", 0));
    assert!(failed.message.contains("root"), "{failed:?} names the dependency");
}

#[tokio::test]
async fn an_ephemeral_task_may_depend_on_a_durable_one_but_not_the_reverse() {
    let server = with_methods();
    let client = server.client().await;
    let ephemeral = |request| with(request, |o| o.durability = pb::Durability::Ephemeral.into());
    gated(&server, &client, "durable").await;
    client.enqueue(ephemeral(named("ephemeral", "wait", [server.path("gate")]))).await.unwrap();

    let refused = client.refused(waiting(after(["ephemeral"], task("ping", NOTHING)))).await;
    let message = "a durable task cannot wait for ephemeral, which is ephemeral";
    let unmet = Refused::new(tonic::Code::FailedPrecondition, "DEPENDENCY_UNMET", message);
    assert_eq!(refused, unmet);

    let both = ephemeral(waiting(after(["durable", "ephemeral"], named("both", "ping", NOTHING))));
    client.enqueue(both.clone()).await.unwrap();
    assert_eq!(client.task("both").await.unwrap().state(), pb::TaskState::Pending);
    server.open_gate("gate");
    assert_eq!(client.run(both).await, "pong");
    // After it has succeeded, it is a dependency like any other.
    assert_eq!(client.run(after(["ephemeral"], task("ping", NOTHING))).await, "pong");
}

#[tokio::test]
async fn a_dependency_may_be_named_twice() {
    let server = with_methods();
    let client = server.client().await;
    gated(&server, &client, "dep").await;
    let twice = waiting(after(["dep", "dep"], named("twice", "ping", NOTHING)));
    client.enqueue(twice.clone()).await.unwrap();
    server.open_gate("gate");
    assert_eq!(client.run(twice).await, "pong");
}
