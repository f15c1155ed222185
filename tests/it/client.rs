//! A client as generated from the proto file, and builders of requests.

use std::net::SocketAddr;
use std::time::Duration;

use prost_types::Any;
use task_scheduler::models::{ArgValue, TaskId};
use task_scheduler::pb;
use task_scheduler::pb::task_scheduler_client::TaskSchedulerClient;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, IntoRequest, Response, Status};
use tonic_types::StatusExt as _;

use crate::waiting::{eventually, soon};

/// The arguments of a method that is called without any.
pub(crate) const NOTHING: [ArgValue; 0] = [];

/// A request to run `method`.
pub(crate) fn task<T: Into<ArgValue>>(
    method: &str,
    args: impl IntoIterator<Item = T>,
) -> pb::TaskRequest {
    let args = args.into_iter().map(|arg| Any::from(&arg.into())).collect();
    pb::TaskRequest { method: method.into(), args, ..Default::default() }
}

/// The same with this id.
pub(crate) fn named<T: Into<ArgValue>>(
    id: &str,
    method: &str,
    args: impl IntoIterator<Item = T>,
) -> pb::TaskRequest {
    pb::TaskRequest { task_id: id.into(), ..task(method, args) }
}

/// The same request with other options.
pub(crate) fn with(
    request: pb::TaskRequest,
    set: impl FnOnce(&mut pb::TaskOptions),
) -> pb::TaskRequest {
    let mut options = request.options.clone().unwrap_or_default();
    set(&mut options);
    pb::TaskRequest { options: Some(options), ..request }
}

/// The same request after these tasks.
pub(crate) fn after<const N: usize>(deps: [&str; N], request: pb::TaskRequest) -> pb::TaskRequest {
    pb::TaskRequest { deps: deps.map(String::from).into(), ..request }
}

/// The same request in this queue.
pub(crate) fn in_queue(queue: &str, request: pb::TaskRequest) -> pb::TaskRequest {
    with(request, |o| o.queue = queue.into())
}

/// The same request with a delay of an hour.
pub(crate) fn later(request: pb::TaskRequest) -> pb::TaskRequest {
    with(request, |o| o.delay = an_hour())
}

/// The same request; it waits for its dependencies.
pub(crate) fn waits(request: pb::TaskRequest) -> pb::TaskRequest {
    with(request, |o| o.wait_for_dependencies = true)
}

/// A duration on the wire.
pub(crate) fn span(length: Duration) -> Option<prost_types::Duration> {
    Some(length.try_into().expect("tests ask for short times"))
}

/// A duration of so many milliseconds.
pub(crate) fn ms(amount: u64) -> Option<prost_types::Duration> {
    span(Duration::from_millis(amount))
}

/// Longer than any test.
pub(crate) fn an_hour() -> Option<prost_types::Duration> {
    span(Duration::from_secs(3_600))
}

/// Retries with a backoff of 1 ms.
pub(crate) fn retries(amount: u32) -> Option<pb::RetryPolicy> {
    Some(pb::RetryPolicy { retries: Some(amount), base: ms(1), max: ms(1), ..Default::default() })
}

/// A refusal, with its details.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refused {
    pub(crate) code: Code,
    /// The reason of the ErrorInfo.
    pub(crate) reason: String,
    pub(crate) message: String,
    /// The fields of the BadRequest.
    pub(crate) fields: Vec<String>,
    /// The delay of the RetryInfo.
    pub(crate) retry_after: Option<Duration>,
}

impl Refused {
    /// A refusal without fields and without a retry delay.
    pub(crate) fn new(code: Code, reason: &str, message: &str) -> Self {
        Self {
            code,
            reason: reason.into(),
            message: message.into(),
            fields: Vec::new(),
            retry_after: None,
        }
    }

    /// `INVALID_ARGUMENT` that names its field.
    pub(crate) fn invalid(field: &str, description: &str) -> Self {
        let message = format!("{field}: {description}");
        let refused = Self::new(Code::InvalidArgument, "INVALID_ARGUMENT", &message);
        Self { fields: vec![field.into()], ..refused }
    }
}

impl From<Status> for Refused {
    #[track_caller]
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let Some(info) = details.error_info() else { panic!("no ErrorInfo: {status:?}") };
        assert_eq!(info.domain, "taskscheduler");
        let violations = details.bad_request().map(|bad| bad.field_violations.as_slice());
        Self {
            code: status.code(),
            reason: info.reason.clone(),
            message: status.message().into(),
            fields: violations.into_iter().flatten().map(|one| one.field.clone()).collect(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
        }
    }
}

/// The result of a call.
pub(crate) type Answer<T> = Result<T, Status>;

/// A client. Clones share its connection.
#[derive(Clone)]
pub(crate) struct Client(TaskSchedulerClient<Channel>);

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let endpoint = Endpoint::try_from(format!("http://{addr}")).unwrap();
        Self(TaskSchedulerClient::new(soon(endpoint.connect()).await.unwrap()))
    }

    /// The generated client.
    pub(crate) fn rpc(&self) -> TaskSchedulerClient<Channel> {
        self.0.clone()
    }

    pub(crate) async fn submit(
        &self,
        request: impl IntoRequest<pb::TaskRequest>,
    ) -> Answer<pb::TaskResponse> {
        soon(self.rpc().submit_task(request)).await.map(Response::into_inner)
    }

    pub(crate) async fn enqueue(
        &self,
        request: pb::TaskRequest,
    ) -> Answer<pb::EnqueueTaskResponse> {
        soon(self.rpc().enqueue_task(request)).await.map(Response::into_inner)
    }

    pub(crate) async fn enqueue_many(
        &self,
        tasks: Vec<pb::TaskRequest>,
    ) -> Answer<Vec<pb::EnqueueOutcome>> {
        let request = pb::EnqueueTasksRequest { tasks };
        Ok(soon(self.rpc().enqueue_tasks(request)).await?.into_inner().outcomes)
    }

    pub(crate) async fn result(&self, id: &str) -> Answer<pb::ResultResponse> {
        self.result_within(id, None).await
    }

    /// Calls GetResult with a wait.
    pub(crate) async fn result_within(
        &self,
        id: &str,
        wait: Option<prost_types::Duration>,
    ) -> Answer<pb::ResultResponse> {
        let request = pb::ResultRequest { task_id: id.into(), wait };
        soon(self.rpc().get_result(request)).await.map(Response::into_inner)
    }

    pub(crate) async fn task(&self, id: &str) -> Answer<pb::Task> {
        let request = pb::GetTaskRequest { task_id: id.into() };
        let answer = soon(self.rpc().get_task(request)).await?.into_inner();
        Ok(answer.task.expect("the answer has a task"))
    }

    pub(crate) async fn cancel(
        &self,
        request: pb::CancelTasksRequest,
    ) -> Answer<Vec<pb::CancelOutcome>> {
        Ok(soon(self.rpc().cancel_tasks(request)).await?.into_inner().outcomes)
    }

    pub(crate) async fn list(
        &self,
        request: pb::ListTasksRequest,
    ) -> Answer<pb::ListTasksResponse> {
        soon(self.rpc().list_tasks(request)).await.map(Response::into_inner)
    }

    pub(crate) async fn retry(&self, id: &str) -> Answer<pb::RetryTaskResponse> {
        let request = pb::RetryTaskRequest { task_id: id.into(), reason: "it is mended".into() };
        soon(self.rpc().retry_task(request)).await.map(Response::into_inner)
    }

    pub(crate) async fn resolve(
        &self,
        id: &str,
        result: Option<ArgValue>,
    ) -> Answer<pb::ResolveTaskResponse> {
        let request = pb::ResolveTaskRequest {
            task_id: id.into(),
            result: result.as_ref().map(Any::from),
            reason: "done by phone".into(),
        };
        soon(self.rpc().resolve_task(request)).await.map(Response::into_inner)
    }

    pub(crate) async fn purge(
        &self,
        request: pb::PurgeTasksRequest,
    ) -> Answer<pb::PurgeTasksResponse> {
        soon(self.rpc().purge_tasks(request)).await.map(Response::into_inner)
    }

    /// The queue; fails if the server has none of this name.
    pub(crate) async fn queue(&self, name: &str) -> pb::Queue {
        let answer = soon(self.rpc().list_queues(pb::ListQueuesRequest {})).await.unwrap();
        let queues = answer.into_inner().queues;
        let found = queues.iter().find(|queue| queue.name == name);
        found.unwrap_or_else(|| panic!("no queue {name} in {queues:?}")).clone()
    }

    pub(crate) async fn pause(&self, queue: &str) -> pb::Queue {
        let request = pb::PauseQueueRequest { queue: queue.into() };
        let answer = soon(self.rpc().pause_queue(request)).await.unwrap().into_inner();
        answer.queue.expect("the answer has a queue")
    }

    pub(crate) async fn resume(&self, queue: &str) -> pb::Queue {
        let request = pb::ResumeQueueRequest { queue: queue.into() };
        let answer = soon(self.rpc().resume_queue(request)).await.unwrap().into_inner();
        answer.queue.expect("the answer has a queue")
    }

    pub(crate) async fn limit(
        &self,
        queue: &str,
        limits: Option<pb::QueueLimits>,
    ) -> Answer<pb::Queue> {
        let request = pb::SetQueueLimitsRequest { queue: queue.into(), limits };
        let answer = soon(self.rpc().set_queue_limits(request)).await?.into_inner();
        Ok(answer.queue.expect("the answer has a queue"))
    }

    /// Runs a task that must succeed; its result as text.
    pub(crate) async fn run(&self, request: pb::TaskRequest) -> String {
        let answer = self.submit(request).await.unwrap();
        assert_eq!(answer.status(), pb::task_response::Status::Success, "{answer:?}");
        answer.result
    }

    /// Runs a task that must fail; its failure.
    pub(crate) async fn fail(&self, request: pb::TaskRequest) -> Failed {
        let answer = self.submit(request).await.unwrap();
        assert_eq!(answer.status(), pb::task_response::Status::Failed, "{answer:?}");
        let failure = answer.failure.clone().expect("a failed task has a failure");
        assert_eq!(answer.result, failure.message, "old clients read the error's text there");
        Failed { code: failure.code, message: failure.message, attempts: failure.attempts }
    }

    /// Submits a task that must be refused; the refusal.
    pub(crate) async fn refused(&self, request: pb::TaskRequest) -> Refused {
        match self.submit(request).await {
            Ok(answer) => panic!("the server accepted it: {answer:?}"),
            Err(status) => status.into(),
        }
    }

    /// Waits until the task is in this state.
    pub(crate) async fn once(&self, id: &str, state: pb::TaskState) -> pb::Task {
        use pb::TaskState::{Cancelled, Expired, Failed, Succeeded};
        let is_end = matches!(state, Succeeded | Failed | Cancelled | Expired);
        eventually(&format!("{id} is {state:?}"), async || {
            if is_end {
                // A long poll; its errors show in `task`.
                drop(self.result_within(id, ms(1_000)).await);
            }
            match self.task(id).await {
                Ok(task) => (task.state() == state).then_some(task),
                Err(status) => {
                    assert_eq!(status.code(), Code::NotFound, "{status:?}");
                    None
                }
            }
        })
        .await
    }

    /// Asserts that the server runs a task for this client, and for a new one.
    pub(crate) async fn assert_served(&self, addr: SocketAddr) {
        assert_eq!(self.run(task("add", [1, 2, 3])).await, "6");
        let newcomer = Self::connect(addr).await;
        assert_eq!(newcomer.run(task("add", [4, 5])).await, "9");
    }
}

/// An argument that is replaced by the result of this task.
pub(crate) fn result_of(id: &str) -> ArgValue {
    ArgValue::ResultOf(TaskId::parse(id, "a test's id").unwrap())
}

/// The failure of a task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failed {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) attempts: u32,
}

impl Failed {
    pub(crate) fn new(code: &str, message: &str, attempts: u32) -> Self {
        Self { code: code.into(), message: message.into(), attempts }
    }
}
