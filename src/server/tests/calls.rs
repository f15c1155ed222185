//! Calls as a client sees them: the whole service in front of a system on a memory store.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use prost::Message as _;
use tokio::sync::Semaphore;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use crate::cache::ResultsCache;
use crate::engine;
use crate::models::{ArgValue, Task};
use crate::pb;
use crate::pb::task_response::Status;
use crate::pb::task_scheduler_client::TaskSchedulerClient;
use crate::pb::{
    CancelTasksRequest, EnqueueTasksRequest, GetTaskRequest, ListMethodsRequest, ResultRequest,
    TaskOptions, TaskRequest, enqueue_outcome,
};
use crate::server::{Handle, Options, Server, bind};
use crate::store::MemoryStore;
use crate::system::TaskSystem;
use crate::tasks::{HandlerResult, TaskContext, TaskHandler, TaskRegistry, collected};

/// Longer than any test may take.
const LONG: Duration = Duration::from_secs(60);

/// A handler that signals when it starts, and ends when the test permits.
struct Gate {
    started: Semaphore,
    may_end: Semaphore,
}

#[async_trait]
impl TaskHandler for Arc<Gate> {
    fn name(&self) -> String {
        "gate@1.0.0".into()
    }

    async fn execute(&self, _: &Task, _: &TaskContext, _: Vec<ArgValue>) -> HandlerResult {
        self.started.add_permits(1);
        self.may_end.acquire().await.expect("never closed").forget();
        Ok(ArgValue::String("through".into()))
    }
}

impl Gate {
    async fn has_started(&self) {
        self.started.acquire().await.expect("never closed").forget();
    }
}

struct Running {
    handle: Handle,
    client: TaskSchedulerClient<Channel>,
    gate: Arc<Gate>,
}

async fn start() -> Running {
    let options = engine::Options {
        async_tasks: 16,
        sync_threads: 2,
        queue_length: 100,
        cancel_grace: Duration::from_millis(10),
        stuck_after: LONG,
        defaults: engine::Defaults { timeout: LONG, retries: 0 },
        ..engine::Options::default()
    };
    let registry = Arc::new(TaskRegistry::from_registrations(collected()).unwrap());
    let cache = Arc::new(ResultsCache::new(NonZeroUsize::new(100).unwrap(), 1 << 20));
    let system = TaskSystem::start(options, registry, cache, Arc::new(MemoryStore::default()))
        .await
        .unwrap();
    let gate = Arc::new(Gate { started: Semaphore::new(0), may_end: Semaphore::new(0) });
    system.register_handler(Arc::new(Arc::clone(&gate))).unwrap();

    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let options = Options { serve_threads: NonZeroUsize::MIN, ..Options::default() };
    let handle = Server::start(listener, system, options).await.unwrap();
    let client = TaskSchedulerClient::new(channel(&handle).await);
    Running { handle, client, gate }
}

async fn channel(handle: &Handle) -> Channel {
    let url = format!("http://{}", handle.local_addr());
    Endpoint::try_from(url).unwrap().connect().await.unwrap()
}

fn task(task_id: &str, method: &str, args: Vec<prost_types::Any>) -> TaskRequest {
    TaskRequest { task_id: task_id.into(), method: method.into(), args, ..Default::default() }
}

fn int(value: i32) -> prost_types::Any {
    prost_types::Any {
        type_url: "type.googleapis.com/google.protobuf.Int32Value".into(),
        value: value.encode_to_vec(),
    }
}

fn text(value: &str) -> prost_types::Any {
    prost_types::Any {
        type_url: "type.googleapis.com/google.protobuf.StringValue".into(),
        value: value.to_owned().encode_to_vec(),
    }
}

/// A request that a proxy has passed on.
fn proxied<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-forwarded-for", "10.0.0.1".parse().unwrap());
    request
}

fn cancelled_on_disconnect(request: TaskRequest) -> TaskRequest {
    let options = TaskOptions { cancel_on_disconnect: true, ..Default::default() };
    TaskRequest { options: Some(options), ..request }
}

#[tokio::test]
async fn a_plain_client_submits_and_reads_the_result_again() {
    let Running { handle: _handle, mut client, .. } = start().await;
    let added = client.submit_task(task("", "add", vec![int(1), int(2), int(3)])).await.unwrap();
    let added = added.into_inner();
    assert_eq!((added.status(), added.result.as_str()), (Status::Success, "6"));
    assert_eq!(added.task_id.len(), 36, "the server generated an id");

    let task_id = added.task_id;
    let again =
        client.get_result(ResultRequest { task_id: task_id.clone(), wait: None }).await.unwrap();
    assert_eq!(again.into_inner().result, "6");
    let task = client.get_task(GetTaskRequest { task_id }).await.unwrap().into_inner();
    assert_eq!(task.task.unwrap().args, ["1", "2", "3"]);

    let methods = client.list_methods(ListMethodsRequest::default()).await.unwrap().into_inner();
    assert!(methods.methods.iter().any(|method| method.name == "default/gate@1.0.0"));
    let elsewhere = ListMethodsRequest { namespace: "elsewhere".into() };
    assert!(client.list_methods(elsewhere).await.unwrap().into_inner().methods.is_empty());
}

#[tokio::test]
async fn refusals_have_a_reason_and_the_field_at_fault() {
    let Running { handle: _handle, mut client, .. } = start().await;
    let unknown = client.submit_task(task("", "ad", vec![])).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    assert_eq!(unknown.get_error_details().error_info().unwrap().reason, "METHOD_NOT_FOUND");

    let wrong = client.submit_task(task("", "add", vec![int(1), text("x")])).await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
    let details = wrong.get_error_details();
    assert_eq!(details.bad_request().unwrap().field_violations[0].field, "args[1]");

    let missing =
        client.get_result(ResultRequest { task_id: "x".into(), wait: None }).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    let nothing = client.cancel_tasks(CancelTasksRequest::default()).await.unwrap_err();
    assert_eq!(nothing.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn each_task_of_a_batch_has_its_own_outcome() {
    let Running { handle: _handle, mut client, .. } = start().await;
    let tasks =
        vec![task("a", "add", vec![]), task("b", "nothing", vec![]), task("c", "add", vec![])];
    let answer = client.enqueue_tasks(EnqueueTasksRequest { tasks }).await.unwrap().into_inner();
    let results: Vec<_> = answer
        .outcomes
        .into_iter()
        .map(|one| match one.outcome.unwrap() {
            enqueue_outcome::Outcome::Accepted(accepted) => accepted.task_id,
            enqueue_outcome::Outcome::Refused(refusal) => refusal.reason,
        })
        .collect();
    assert_eq!(results, ["a", "METHOD_NOT_FOUND", "c"]);
}

#[tokio::test]
async fn a_task_continues_after_its_caller_disconnects_unless_it_is_cancelled_then() {
    let Running { handle: _handle, client, gate } = start().await;
    let submit = |request| {
        let mut client = client.clone();
        tokio::spawn(async move { client.submit_task(request).await })
    };
    let (stays, goes) =
        (task("stays", "gate", vec![]), cancelled_on_disconnect(task("goes", "gate", vec![])));
    let callers = [submit(stays.clone()), submit(goes.clone())];
    gate.has_started().await;
    gate.has_started().await;
    callers.iter().for_each(tokio::task::JoinHandle::abort);

    // The same request joins the running task.
    let gone = submit(goes).await.unwrap().unwrap().into_inner();
    assert_eq!(gone.failure.unwrap().code, "CANCELLED");
    let joined = submit(stays);
    gate.may_end.add_permits(1);
    assert_eq!(joined.await.unwrap().unwrap().into_inner().result, "through");
}

#[tokio::test]
async fn a_deadline_ends_the_wait_and_not_the_task() {
    let Running { handle: _handle, mut client, gate } = start().await;
    let mut hasty = Request::new(task("long", "gate", vec![]));
    hasty.set_timeout(Duration::from_millis(200));
    assert!(client.submit_task(hasty).await.is_err());
    gate.has_started().await;
    let request = ResultRequest { task_id: "long".into(), wait: None };
    assert_eq!(client.get_result(request).await.unwrap().into_inner().status(), Status::Pending);
    gate.may_end.add_permits(1);
    let joined = client.submit_task(task("long", "gate", vec![])).await.unwrap().into_inner();
    assert_eq!(joined.result, "through");
}

#[tokio::test]
async fn messages_are_compressed_both_ways() {
    let Running { handle: _handle, client, .. } = start().await;
    let long = "x".repeat(100_000);
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
        let mut client = client.clone().accept_compressed(encoding).send_compressed(encoding);
        let echoed = client.submit_task(task("", "echo_string", vec![text(&long)])).await.unwrap();
        assert!(echoed.metadata().contains_key("grpc-encoding"));
        assert!(echoed.into_inner().result.contains(&long));
        let short = client.submit_task(task("", "add", vec![int(1)])).await.unwrap();
        assert_eq!(short.into_inner().result, "1");
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_fails_its_call_only() {
    let Running { handle: _handle, mut client, .. } = start().await;
    let huge = text(&"x".repeat(5_000_000));
    let refused = client.submit_task(task("", "echo_string", vec![huge])).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
    client.submit_task(task("", "add", vec![])).await.unwrap();
}

#[tokio::test]
async fn a_stop_lets_running_calls_finish() {
    let Running { handle, mut client, gate } = start().await;
    let mut health = HealthClient::new(channel(&handle).await);
    handle.refuse().await;
    for service in ["", "taskscheduler.TaskScheduler"] {
        let request = HealthCheckRequest { service: service.into() };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status().as_str_name(), "NOT_SERVING");
    }
    let call = tokio::spawn(async move { client.submit_task(task("late", "gate", vec![])).await });
    gate.has_started().await;
    let stopping = tokio::spawn(handle.stop(LONG));
    gate.may_end.add_permits(1);
    assert_eq!(call.await.unwrap().unwrap().into_inner().result, "through");
    assert_eq!(stopping.await.unwrap(), 0, "nothing was cut");
}

#[tokio::test]
async fn a_caller_behind_a_proxy_may_call_open_methods_only() {
    let Running { handle: _handle, client, .. } = start().await;
    /// Whether a caller behind a proxy may call the method.
    macro_rules! may {
        ($call:ident, $message:expr) => {{
            let answer = client.clone().$call(proxied($message)).await;
            answer.err().is_none_or(|status| status.code() != Code::PermissionDenied)
        }};
    }
    let one = || task("one", "add", vec![int(1)]);
    assert!(may!(submit_task, one()));
    assert!(may!(get_result, ResultRequest { task_id: "one".into(), wait: None }));
    assert!(may!(enqueue_task, one()));
    assert!(may!(enqueue_tasks, EnqueueTasksRequest { tasks: vec![one()] }));
    assert!(may!(submit_chain, pb::SubmitChainRequest { tasks: vec![one()], wait: None }));
    assert!(may!(
        submit_group,
        pb::SubmitGroupRequest { tasks: vec![one()], ..Default::default() }
    ));

    // The policy's own test walks all methods.
    let watched = pb::WatchTaskRequest { task_id: "one".into(), ..Default::default() };
    assert!(!may!(get_task, GetTaskRequest { task_id: "one".into() }));
    assert!(!may!(cancel_tasks, CancelTasksRequest::default()));
    assert!(!may!(watch_task, watched));
    assert!(!may!(stream_events, pb::StreamEventsRequest::default()));
    assert!(!may!(watch_statistics, pb::WatchStatisticsRequest::default()));

    for id in ["schedule/a/1", "webhook/a/evt_1"] {
        assert!(!may!(get_result, ResultRequest { task_id: id.into(), wait: None }));
        assert!(!may!(submit_task, task(id, "add", vec![int(1)])));
        assert!(!may!(enqueue_task, task(id, "add", vec![int(1)])));
    }
}

#[tokio::test]
async fn a_refusal_by_the_access_policy_has_its_reason() {
    let Running { handle: _handle, mut client, .. } = start().await;
    let refused = client.list_queues(proxied(pb::ListQueuesRequest {})).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(
        refused.message(),
        "this call is for clients on the server's own machine, and this one came through a proxy"
    );
    assert_eq!(refused.get_error_details().error_info().unwrap().reason, "PERMISSION_DENIED");
    client.list_queues(pb::ListQueuesRequest {}).await.unwrap();
}

#[tokio::test]
async fn a_caller_behind_a_proxy_cannot_run_reserved_tasks() {
    let Running { handle: _handle, client, .. } = start().await;
    /// Calls the method from behind a proxy.
    macro_rules! call {
        ($call:ident, $message:expr) => {
            client.clone().$call(proxied($message)).await.map(tonic::Response::into_inner)
        };
    }
    let own = |id: &str| task(id, "system/webhook", vec![int(1)]);
    let open = |id: &str| task(id, "add", vec![int(1)]);
    let both = || vec![open("open"), own("own")];
    let chain = pb::SubmitChainRequest { tasks: both(), wait: None };
    let group = pb::SubmitGroupRequest { tasks: both(), ..Default::default() };
    let callback = pb::SubmitGroupRequest {
        tasks: vec![open("open")],
        callback: Some(own("own")),
        wait: None,
    };
    for refused in [
        call!(submit_task, own("own")).map(drop),
        call!(enqueue_task, own("own")).map(drop),
        call!(submit_chain, chain).map(drop),
        call!(submit_group, group).map(drop),
        call!(submit_group, callback).map(drop),
    ] {
        assert_eq!(refused.expect_err("refused").code(), Code::PermissionDenied);
    }
    let outcomes = call!(enqueue_tasks, EnqueueTasksRequest { tasks: both() }).unwrap().outcomes;
    let reasons: Vec<_> = outcomes
        .into_iter()
        .map(|one| match one.outcome.unwrap() {
            enqueue_outcome::Outcome::Accepted(accepted) => accepted.task_id,
            enqueue_outcome::Outcome::Refused(refusal) => refusal.reason,
        })
        .collect();
    assert_eq!(reasons, ["open", "PERMISSION_DENIED"]);
    // For a local caller it is a method like others; these arguments are not valid for it.
    let failed = client.clone().submit_task(own("own")).await.unwrap().into_inner();
    assert_eq!(failed.status(), Status::Failed);
    assert!(failed.result.contains("1 arguments; expected webhook"), "{}", failed.result);
}

#[tokio::test]
async fn a_stop_ends_streams_and_waits() {
    let Running { handle, mut client, gate } = start().await;
    let waits = || ResultRequest {
        task_id: "slow".into(),
        wait: Some(prost_types::Duration { seconds: 600, nanos: 0 }),
    };
    client.enqueue_task(task("slow", "gate", vec![])).await.unwrap();
    gate.has_started().await;
    let request = pb::WatchTaskRequest { task_id: "slow".into(), ..Default::default() };
    let mut updates = client.watch_task(request).await.unwrap().into_inner();
    assert!(updates.message().await.unwrap().is_some());
    let waiting = tokio::spawn({
        let mut client = client.clone();
        async move { client.get_result(waits()).await }
    });
    let chain = tokio::spawn({
        let mut client = client.clone();
        let tasks = vec![task("slow", "gate", vec![])];
        async move { client.submit_chain(pb::SubmitChainRequest { tasks, wait: waits().wait }).await }
    });
    // This call follows those on the same connection, so they have arrived when it is answered.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    client.get_task(GetTaskRequest { task_id: "slow".into() }).await.unwrap();
    assert_eq!(handle.stop(LONG).await, 0, "nothing was cut");
    while let Some(update) = updates.message().await.transpose() {
        match update {
            Ok(_) => {}
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable);
                break;
            }
        }
    }
    assert_eq!(waiting.await.unwrap().unwrap().into_inner().status(), Status::Pending);
    let chain = chain.await.unwrap().unwrap().into_inner();
    assert_eq!((&*chain.task_ids, chain.outcome), (&["slow".to_owned()][..], None));
}
