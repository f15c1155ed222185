//! Refusals: one status for each reason, with details for programs.

use task_scheduler::models::ArgValue;
use task_scheduler::pb;
use tonic::Code;

use crate::client::{NOTHING, Refused, after, an_hour, ms, named, span, task, with};
use crate::server::{Setup, stock, with_methods};

#[tokio::test]
async fn a_refusal_of_an_unknown_method_names_the_nearest() {
    let server = with_methods();
    let client = server.client().await;
    let refused = async |method: &str, message: &str| {
        let expected = Refused::new(Code::NotFound, "METHOD_NOT_FOUND", message);
        assert_eq!(client.refused(task(method, [1])).await, expected);
    };
    refused("ad", "Method not found: ad; did you mean add?").await;
    refused("nothing_like_it", "Method not found: nothing_like_it").await;
    refused("elsewhere/add", "Method not found: elsewhere/add; did you mean add?").await;
    refused(
        "typed/describe@2",
        "Method not found: typed/describe@2; did you mean typed/describe@3.0.0, typed/describe@1.2.0?",
    )
    .await;
}

#[tokio::test]
async fn a_refusal_names_the_argument_that_does_not_fit() {
    let server = with_methods();
    let client = server.client().await;
    let refused = async |args: Vec<ArgValue>, field: &str, description: &str| {
        let refused = client.refused(named("kept-free", "typed/describe@1", args)).await;
        assert_eq!(refused, Refused::invalid(field, description));
    };
    refused(
        vec!["five".into(), "x".into()],
        "args[0]",
        "expected an integer from -9223372036854775808 to 9223372036854775807, got text (parameter `number`)",
    )
    .await;
    refused(vec![5.into()], "args[1]", "missing; expected text (parameter `word`)").await;
    refused(
        vec![5.into(), "x".into(), true.into(), 0.into()],
        "args[3]",
        "expected a boolean, got integer (parameter `flags`)",
    )
    .await;
    let refused = client.refused(task("typed/describe", [1, 2])).await;
    assert_eq!(refused, Refused::invalid("args[1]", "at most 1 argument is accepted, got 2"));
    let list = vec![ArgValue::from(vec![ArgValue::from(1), "two".into()])];
    let refused = client.refused(task("sum_list", list)).await;
    assert_eq!(refused.fields, ["args[0].values[1]"]);
    // A refusal reserves no id.
    assert_eq!(client.run(named("kept-free", "add", [1])).await, "1");
}

#[tokio::test]
async fn a_refusal_names_the_option_out_of_bounds() {
    let server = stock();
    let client = server.client().await;
    let check = async |set: fn(&mut pb::TaskOptions), field: &str, description: &str| {
        let refused = client.refused(with(task("add", [1]), set)).await;
        assert_eq!(refused, Refused::invalid(field, description));
    };
    const RETRY: pb::RetryPolicy =
        pb::RetryPolicy { retries: None, base: None, multiplier: None, max: None, jitter: None };
    check(
        |o| o.queue = "no such/queue".into(),
        "options.queue",
        "\"no such/queue\" is no queue name; expected 1 to 100 letters, digits, `_`, `-` or `.`",
    )
    .await;
    check(|o| o.timeout = ms(0), "options.timeout", "0ns; expected more than 0 and at most 7 days")
        .await;
    check(
        |o| o.timeout = span(std::time::Duration::from_secs(7 * 86_400 + 1)),
        "options.timeout",
        "604801s; expected more than 0 and at most 7 days",
    )
    .await;
    check(
        |o| o.retry = Some(pb::RetryPolicy { retries: Some(1_001), ..RETRY }),
        "options.retry.retries",
        "1001; at most 1000 are accepted",
    )
    .await;
    check(
        |o| o.retry = Some(pb::RetryPolicy { multiplier: Some(0.5), ..RETRY }),
        "options.retry.multiplier",
        "0.5; expected 1 to 100",
    )
    .await;
    check(
        |o| o.retry = Some(pb::RetryPolicy { multiplier: Some(f64::NAN), ..RETRY }),
        "options.retry.multiplier",
        "NaN; expected 1 to 100",
    )
    .await;
    check(
        |o| o.retry = Some(pb::RetryPolicy { jitter: Some(f64::NAN), ..RETRY }),
        "options.retry.jitter",
        "NaN; expected 0 to 1",
    )
    .await;
    check(|o| o.tags = vec!["t".into(); 17], "options.tags", "17 tags; at most 16 are accepted")
        .await;
    check(
        |o| o.tags = vec!["t".into(), String::new()],
        "options.tags[1]",
        "empty; expected a word",
    )
    .await;
    check(
        |o| o.correlation_id = "c".repeat(101),
        "options.correlation_id",
        "101 bytes long; at most 100 are accepted",
    )
    .await;
    check(
        |o| o.durability = 7,
        "options.durability",
        "7 has no meaning; expected DURABLE (1) or EPHEMERAL (2)",
    )
    .await;
    check(
        |o| (o.delay, o.run_at) = (ms(1), Some(prost_types::Timestamp::default())),
        "options.delay",
        "set together with options.run_at; expected one of them",
    )
    .await;
}

#[tokio::test]
async fn cancel_on_disconnect_needs_a_waiting_caller() {
    let server = stock();
    let client = server.client().await;
    let request = with(task("add", [1]), |o| o.cancel_on_disconnect = true);
    assert_eq!(client.run(request.clone()).await, "1");
    let refused = client.enqueue(request).await.unwrap_err().into();
    let why = "set, but this call does not wait for the task; only SubmitTask does";
    assert_eq!(Refused::invalid("options.cancel_on_disconnect", why), refused);
}

#[tokio::test]
async fn a_dependency_without_a_result_is_a_failed_precondition() {
    let server = with_methods();
    let client = server.client().await;
    client.enqueue(with(named("later", "add", [1]), |o| o.delay = an_hour())).await.unwrap();
    client.fail(named("failed", "fail_permanently", NOTHING)).await;
    client.submit(named("cancelled", "cancel_itself", NOTHING)).await.unwrap();
    let refused = async |dep: &str, message: &str| {
        let expected = Refused::new(Code::FailedPrecondition, "DEPENDENCY_UNMET", message);
        assert_eq!(client.refused(after([dep], task("add", [1]))).await, expected);
    };
    refused("nobody", "dependency nobody is not known").await;
    refused(
        "later",
        "dependency later has not ended; set options.wait_for_dependencies to wait for it",
    )
    .await;
    refused("failed", "dependency failed ended FAILED").await;
    refused("cancelled", "dependency cancelled ended CANCELLED").await;
}

#[tokio::test]
async fn a_known_id_with_other_content_is_a_conflict() {
    let server = stock();
    let client = server.client().await;
    client.run(named("one", "add", [1])).await;
    let message = "task id one is taken by a task with other content";
    let expected = Refused::new(Code::AlreadyExists, "ID_TAKEN", message);
    assert_eq!(client.refused(named("one", "add", [2])).await, expected);
    let status = client.enqueue(named("one", "add", [2])).await.unwrap_err();
    assert_eq!(Refused::from(status), expected);
}

#[tokio::test]
async fn a_full_queue_is_resource_exhausted_with_a_retry_delay() {
    let server = Setup::stock().flags(["--queue-length", "2"]).start();
    let client = server.client().await;
    let later = |id: &str| with(named(id, "add", [1]), |o| o.delay = an_hour());
    client.enqueue(later("a")).await.unwrap();
    client.enqueue(later("b")).await.unwrap();
    let refused = Refused::from(client.enqueue(later("c")).await.unwrap_err());
    let message = "queue default holds 2 tasks, as many as it may";
    let expected = Refused {
        retry_after: Some(std::time::Duration::from_secs(1)),
        ..Refused::new(Code::ResourceExhausted, "QUEUE_FULL", message)
    };
    assert_eq!(refused, expected);
    assert_eq!(client.refused(later("c")).await, expected);
    // A known task is answered, other queues have room, and a slot frees up again.
    assert!(client.enqueue(later("a")).await.unwrap().joined);
    client.enqueue(with(later("d"), |o| o.queue = "other".into())).await.unwrap();
    let cancel = pb::CancelTasksRequest { task_ids: vec!["a".into()], ..Default::default() };
    client.cancel(cancel).await.unwrap();
    client.enqueue(later("c")).await.unwrap();
}
