//! The client and the server refuse the same requests with the same messages.

use std::collections::BTreeMap;
use std::time::Duration;

use prost_types::Any;
use task_scheduler::client::TaskBuilder;
use task_scheduler::models::{ArgValue, OnConflict, TaskId};
use task_scheduler::pb::task_scheduler_client::TaskSchedulerClient;
use task_scheduler::pb::{RetryPolicy, TaskOptions, TaskRequest, Unique};

use crate::server::with_methods;
use crate::waiting::soon;

/// A task, and the same request on the wire.
fn rows() -> Vec<(TaskBuilder, TaskRequest)> {
    let plain = || TaskBuilder::new("add");
    let wire = |change: fn(&mut TaskRequest)| {
        let mut request = TaskRequest { method: "add".into(), ..Default::default() };
        change(&mut request);
        request
    };
    let option = |change: fn(&mut TaskOptions)| {
        let mut options = TaskOptions::default();
        change(&mut options);
        TaskRequest { method: "add".into(), options: Some(options), ..Default::default() }
    };
    let retry = |change: fn(&mut RetryPolicy)| {
        let mut retry = RetryPolicy::default();
        change(&mut retry);
        let options = TaskOptions { retry: Some(retry), ..Default::default() };
        TaskRequest { method: "add".into(), options: Some(options), ..Default::default() }
    };
    let days = |days: u64| Duration::from_secs(days * 24 * 3_600);
    let long = || "x".repeat(300);
    let stranger = || ArgValue::ResultOf(TaskId::parse("stranger", "").unwrap());
    let mut map = BTreeMap::new();
    map.insert("k".to_owned(), ArgValue::Array(vec![1.into(), stranger()]));
    // A method that accepts any arguments: the server checks types first.
    let mention = |arg: ArgValue| {
        let (method, args) = ("delete".to_owned(), vec![Any::from(&arg)]);
        let request = TaskRequest { method, args, ..Default::default() };
        (TaskBuilder::new("delete").arg(arg), request)
    };
    let second = Duration::from_secs(1);
    vec![
        (plain().id("a\0b"), wire(|r| r.task_id = "a\0b".into())),
        (plain().id(long()), wire(|r| r.task_id = "x".repeat(300))),
        (plain().depends_on_id(""), wire(|r| r.deps = vec![String::new()])),
        (
            plain().id("t").depends_on_id("u").depends_on_id("t"),
            wire(|r| (r.task_id, r.deps) = ("t".into(), vec!["u".into(), "t".into()])),
        ),
        (
            (0..1_001).fold(plain(), |task, dep| task.depends_on_id(format!("d{dep}"))),
            wire(|r| r.deps = (0..1_001).map(|dep| format!("d{dep}")).collect()),
        ),
        (TaskBuilder::new(""), wire(|r| r.method = String::new())),
        (TaskBuilder::new(long()), wire(|r| r.method = "x".repeat(300))),
        (TaskBuilder::new("a b"), wire(|r| r.method = "a b".into())),
        (TaskBuilder::new("add@x"), wire(|r| r.method = "add@x".into())),
        (plain().queue("a b"), option(|o| o.queue = "a b".into())),
        (plain().timeout(Duration::ZERO), option(|o| o.timeout = Some(Default::default()))),
        (
            plain().timeout(days(8)),
            option(|o| {
                o.timeout = Some(prost_types::Duration { seconds: 8 * 24 * 3_600, nanos: 0 });
            }),
        ),
        (plain().retries(1_001), retry(|r| r.retries = Some(1_001))),
        (
            plain().backoff(days(2), 2.0, second),
            retry(|r| {
                r.base = Some(prost_types::Duration { seconds: 2 * 24 * 3_600, nanos: 0 });
            }),
        ),
        (
            plain().backoff(second, 2.0, days(2)),
            retry(|r| r.max = Some(prost_types::Duration { seconds: 2 * 24 * 3_600, nanos: 0 })),
        ),
        (plain().backoff(second, 0.5, second), retry(|r| r.multiplier = Some(0.5))),
        (plain().backoff(second, f64::NAN, second), retry(|r| r.multiplier = Some(f64::NAN))),
        (plain().jitter(1.5), retry(|r| r.jitter = Some(1.5))),
        (
            (0..17).fold(plain(), |task, tag| task.tag(format!("t{tag}"))),
            option(|o| o.tags = (0..17).map(|tag| format!("t{tag}")).collect()),
        ),
        (plain().tag("a").tag(""), option(|o| o.tags = vec!["a".into(), String::new()])),
        (plain().tag(long()), option(|o| o.tags = vec!["x".repeat(300)])),
        (plain().initiator(long()), option(|o| o.initiator = "x".repeat(300))),
        (plain().reason(long()), option(|o| o.reason = "x".repeat(300))),
        (plain().source_system(long()), option(|o| o.source_system = "x".repeat(300))),
        (plain().correlation_id(long()), option(|o| o.correlation_id = "x".repeat(300))),
        (plain().concurrency_key(long()), option(|o| o.concurrency_key = "x".repeat(300))),
        (plain().unique(""), option(|o| o.unique = Some(Unique::default()))),
        (
            plain().unique(long()),
            option(|o| o.unique = Some(Unique { key: "x".repeat(300), ..Default::default() })),
        ),
        (
            plain().unique_for("k", days(400), OnConflict::ReturnFirst),
            option(|o| {
                let window = Some(prost_types::Duration { seconds: 400 * 24 * 3_600, nanos: 0 });
                o.unique = Some(Unique { key: "k".into(), window, ..Default::default() });
            }),
        ),
        mention(stranger()),
        mention(ArgValue::Map(map)),
    ]
}

#[tokio::test]
async fn the_client_and_the_server_refuse_with_the_same_messages() {
    let server = with_methods();
    let client = task_scheduler::client::TaskClient::connect(server.addr()).unwrap();
    let endpoint = tonic::transport::Endpoint::try_from(format!("http://{}", server.addr()));
    let mut rpc = TaskSchedulerClient::new(endpoint.unwrap().connect_lazy());
    for (task, request) in rows() {
        let error = soon(client.send(task)).await.unwrap_err();
        let status = soon(rpc.enqueue_task(request)).await.unwrap_err();
        assert_eq!(error.to_string(), status.message());
        let violations = &error.refusal().unwrap().violations;
        assert!(error.to_string().starts_with(&violations[0].field), "{violations:?}");
    }
}
