//! A scripted server: each call takes the next step of the script.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use prost::Message;
use task_scheduler::client::{ClientBuilder, TaskClient};
use task_scheduler::pb;
use task_scheduler::pb::task_scheduler_server::{TaskScheduler, TaskSchedulerServer};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};

use super::proxy::Proxy;

/// The answer to one call.
#[derive(Clone)]
pub(crate) enum Step {
    /// Answers with this message, encoded.
    Answer(Vec<u8>),
    Refuse(Status),
    /// Breaks the connection during the call.
    Cut,
    /// Never answers.
    Silence,
    /// Sends updates, then ends the stream.
    Updates(Vec<pb::WatchTaskResponse>, End),
}

/// The end of a stream.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum End {
    /// A regular end.
    Close,
    /// No end.
    Silence,
}

/// A step that answers with this message.
pub(crate) fn answer(message: &impl Message) -> Step {
    Step::Answer(message.encode_to_vec())
}

/// A fake server, and the proxy before it.
pub(crate) struct Fake {
    pub(crate) proxy: Proxy,
    script: Arc<Script>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Script {
    steps: Mutex<VecDeque<Step>>,
    calls: Mutex<Vec<(&'static str, Vec<u8>)>>,
}

struct Service {
    script: Arc<Script>,
    proxy: Proxy,
}

impl Fake {
    /// Starts a server with this script.
    pub(crate) async fn playing(steps: impl IntoIterator<Item = Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr: SocketAddr = listener.local_addr().unwrap();
        let proxy = Proxy::to(addr).await;
        let script = Arc::new(Script::default());
        script.steps.lock().unwrap().extend(steps);
        let service = Service { script: script.clone(), proxy: proxy.clone() };
        let server = tonic::transport::Server::builder().add_service(
            // As the real server does: larger messages are refused.
            TaskSchedulerServer::new(service).max_decoding_message_size(4 << 20),
        );
        let incoming = TcpListenerStream::new(listener);
        let serving = tokio::spawn(async move {
            server.serve_with_incoming(incoming).await.unwrap();
        });
        Self { proxy, script, serving }
    }

    /// A client with short backoffs.
    pub(crate) fn client(&self) -> TaskClient {
        quick().connect(self.proxy.addr()).unwrap()
    }

    /// Adds steps to the script.
    pub(crate) fn then(&self, steps: impl IntoIterator<Item = Step>) {
        self.script.steps.lock().unwrap().extend(steps);
    }

    /// The names of the calls since the last call of this.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.script.calls.lock().unwrap())
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }

    /// The messages of the calls since the last call of this.
    pub(crate) fn requests<M: Message + Default>(&self) -> Vec<M> {
        std::mem::take(&mut *self.script.calls.lock().unwrap())
            .into_iter()
            .map(|(_, message)| M::decode(message.as_slice()).unwrap())
            .collect()
    }

    /// The number of steps left.
    pub(crate) fn steps_left(&self) -> usize {
        self.script.steps.lock().unwrap().len()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Settings of a client with short backoffs.
pub(crate) fn quick() -> ClientBuilder {
    use std::time::Duration;
    TaskClient::builder().backoff(Duration::from_millis(1), Duration::from_millis(5)).tries(4)
}

impl Service {
    fn step(&self, name: &'static str, message: &impl Message) -> Step {
        self.script.calls.lock().unwrap().push((name, message.encode_to_vec()));
        let next = self.script.steps.lock().unwrap().pop_front();
        next.unwrap_or_else(|| Step::Refuse(Status::aborted("the script is over")))
    }

    async fn play<Q: Message, A: Message + Default>(
        &self,
        name: &'static str,
        request: Request<Q>,
    ) -> Result<Response<A>, Status> {
        match self.step(name, request.get_ref()) {
            Step::Answer(message) => Ok(Response::new(A::decode(message.as_slice()).unwrap())),
            Step::Refuse(status) => Err(status),
            Step::Cut => {
                self.proxy.cut();
                std::future::pending().await
            }
            Step::Silence => std::future::pending().await,
            Step::Updates(..) => Err(Status::aborted("the script has a stream here")),
        }
    }
}

type Updates = Pin<Box<dyn Stream<Item = Result<pb::WatchTaskResponse, Status>> + Send>>;

/// Implements the methods that have one answer.
macro_rules! service {
    ($($method:ident $request:ident $response:ident $name:ident;)*) => {
        #[tonic::async_trait]
        impl TaskScheduler for Service {
            $(async fn $method(
                &self,
                request: Request<pb::$request>,
            ) -> Result<Response<pb::$response>, Status> {
                self.play(stringify!($name), request).await
            })*

            type StreamEventsStream = tokio_stream::Empty<Result<pb::StreamEventsResponse, Status>>;

            async fn stream_events(
                &self,
                _: Request<pb::StreamEventsRequest>,
            ) -> Result<Response<Self::StreamEventsStream>, Status> {
                Err(Status::aborted("no script has such a stream"))
            }

            type WatchStatisticsStream =
                tokio_stream::Empty<Result<pb::WatchStatisticsResponse, Status>>;

            async fn watch_statistics(
                &self,
                _: Request<pb::WatchStatisticsRequest>,
            ) -> Result<Response<Self::WatchStatisticsStream>, Status> {
                Err(Status::aborted("no script has such a stream"))
            }

            type WatchTaskStream = Updates;

            async fn watch_task(
                &self,
                request: Request<pb::WatchTaskRequest>,
            ) -> Result<Response<Updates>, Status> {
                let (updates, end) = match self.step("WatchTask", request.get_ref()) {
                    Step::Updates(updates, end) => (updates, end),
                    Step::Refuse(status) => return Err(status),
                    _ => return Err(Status::aborted("the script has no stream here")),
                };
                let updates = tokio_stream::iter(updates).map(Ok);
                if end == End::Silence {
                    return Ok(Response::new(Box::pin(updates.chain(tokio_stream::pending()))));
                }
                Ok(Response::new(Box::pin(updates)))
            }
        }
    };
}

service! {
    submit_task TaskRequest TaskResponse SubmitTask;
    get_result ResultRequest ResultResponse GetResult;
    enqueue_task TaskRequest EnqueueTaskResponse EnqueueTask;
    enqueue_tasks EnqueueTasksRequest EnqueueTasksResponse EnqueueTasks;
    get_task GetTaskRequest GetTaskResponse GetTask;
    list_tasks ListTasksRequest ListTasksResponse ListTasks;
    cancel_tasks CancelTasksRequest CancelTasksResponse CancelTasks;
    retry_task RetryTaskRequest RetryTaskResponse RetryTask;
    resolve_task ResolveTaskRequest ResolveTaskResponse ResolveTask;
    purge_tasks PurgeTasksRequest PurgeTasksResponse PurgeTasks;
    submit_chain SubmitChainRequest SubmitChainResponse SubmitChain;
    submit_group SubmitGroupRequest SubmitGroupResponse SubmitGroup;
    list_queues ListQueuesRequest ListQueuesResponse ListQueues;
    pause_queue PauseQueueRequest PauseQueueResponse PauseQueue;
    resume_queue ResumeQueueRequest ResumeQueueResponse ResumeQueue;
    set_queue_limits SetQueueLimitsRequest SetQueueLimitsResponse SetQueueLimits;
    list_methods ListMethodsRequest ListMethodsResponse ListMethods;
    list_events ListEventsRequest ListEventsResponse ListEvents;
    list_subscribers ListSubscribersRequest ListSubscribersResponse ListSubscribers;
    put_webhook PutWebhookRequest PutWebhookResponse PutWebhook;
    get_webhook GetWebhookRequest GetWebhookResponse GetWebhook;
    list_webhooks ListWebhooksRequest ListWebhooksResponse ListWebhooks;
    delete_webhook DeleteWebhookRequest DeleteWebhookResponse DeleteWebhook;
    put_schedule PutScheduleRequest PutScheduleResponse PutSchedule;
    get_schedule GetScheduleRequest GetScheduleResponse GetSchedule;
    list_schedules ListSchedulesRequest ListSchedulesResponse ListSchedules;
    delete_schedule DeleteScheduleRequest DeleteScheduleResponse DeleteSchedule;
    enable_schedule EnableScheduleRequest EnableScheduleResponse EnableSchedule;
    disable_schedule DisableScheduleRequest DisableScheduleResponse DisableSchedule;
    trigger_schedule TriggerScheduleRequest TriggerScheduleResponse TriggerSchedule;
    preview_schedule PreviewScheduleRequest PreviewScheduleResponse PreviewSchedule;
    get_statistics GetStatisticsRequest GetStatisticsResponse GetStatistics;
    explain_task ExplainTaskRequest ExplainTaskResponse ExplainTask;
    get_health GetHealthRequest GetHealthResponse GetHealth;
}
