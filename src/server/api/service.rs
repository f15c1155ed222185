//! The product's gRPC service: each call is translated, passed to the facade, and translated back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding::{Gzip, Zstd};
use tonic::{Request, Response, Status};

use crate::error::{Code, Error};
use crate::models::{self, Ended, Snapshot, State, TaskId};
use crate::pb;
use crate::pb::task_scheduler_server::{TaskScheduler, TaskSchedulerServer};
use crate::server::api::compression::Accepts;
use crate::server::api::cursors::Cursors;
use crate::server::api::decode::{Chain, Group, Listing, Resolve};
use crate::server::api::disconnect::CancelOnDrop;
use crate::server::api::reserved::{may_read, may_run, may_run_all, refuse_reserved};
use crate::server::api::watch::{Updates, Watching};
use crate::server::api::{decode, encode, events, observe, schedules, webhooks};
use crate::server::transport::deadline;
use crate::system::TaskSystem;

/// Answers the calls of `taskscheduler.TaskScheduler`.
pub(in crate::server) struct Service {
    pub(super) system: TaskSystem,
    /// The largest message, in and out, in bytes.
    pub(super) max_message_size: usize,
    /// Cancelled when watches and long waits have to end.
    pub(super) hang_up: CancellationToken,
}

impl Service {
    /// Answers for `system`, with messages of at most so many bytes, until it is told to hang up.
    pub(super) fn new(
        system: TaskSystem,
        max_message_size: usize,
        hang_up: CancellationToken,
    ) -> Self {
        Self { system, max_message_size, hang_up }
    }

    /// As tonic wants it.
    pub(super) fn into_server(self) -> TaskSchedulerServer<Self> {
        let max_message_size = self.max_message_size;
        TaskSchedulerServer::new(self)
            .max_decoding_message_size(max_message_size)
            .max_encoding_message_size(max_message_size)
            .accept_compressed(Gzip)
            .accept_compressed(Zstd)
            .send_compressed(Gzip)
            .send_compressed(Zstd)
    }

    /// What became of a task, waiting for it at most so long; `None` also when the server hangs up.
    async fn outcome(&self, id: &TaskId, wait: Duration) -> Result<Option<Arc<Ended>>, Error> {
        if wait.is_zero() {
            return self.system.result(id).await;
        }
        tokio::select! {
            ended = self.system.wait(id, wait) => ended,
            // At least it is looked whether there is such a task.
            () = self.hang_up.cancelled() => self.system.result(id).await,
        }
    }

    /// What became of the last of `ids`, when all have ended within `wait`. They are accepted: that
    /// an outcome cannot be had is no reason not to say so.
    async fn outcome_of_all(&self, ids: &[TaskId], wait: Duration) -> Option<Arc<Ended>> {
        if wait.is_zero() {
            return None;
        }
        let end = Instant::now() + wait;
        let mut last = None;
        for id in ids {
            match self.outcome(id, end.saturating_duration_since(Instant::now())).await {
                Ok(Some(ended)) => last = Some(ended),
                Ok(None) => return None,
                Err(error) => {
                    tracing::debug!(task_id = %id, %error, "cannot wait for a task");
                    return None;
                }
            }
        }
        last
    }

    /// Submits a task that is cancelled when this future is dropped before its end.
    async fn submit_cancel_on_disconnect(
        &self,
        mut request: models::Request,
    ) -> Result<pb::TaskResponse, Status> {
        // Who joins a task that is known does not take it along when he goes.
        if let Some(id) = &request.id
            && self.system.result(id).await.is_ok()
        {
            return Ok(encode::submitted(&*self.system.submit(request).await?));
        }
        // The guard needs the id, so it is given here.
        let id = request.id.get_or_insert_with(TaskId::generate).clone();
        let guard = CancelOnDrop::new(self.system.clone(), id);
        let submitted = self.system.submit(request).await;
        guard.disarm();
        let ended = submitted?;
        log(&ended);
        Ok(encode::submitted(&ended))
    }
}

/// The one line of a call that was served.
fn log(ended: &Ended) {
    let task = &ended.task;
    let correlation_id = task.options.labels.as_ref().map(|labels| &*labels.correlation_id);
    tracing::debug!(
        task_id = %task.id,
        correlation_id,
        method = %task.method,
        state = %ended.outcome.state(),
        attempts = ended.outcome.attempts,
        "answered a submission"
    );
}

#[tonic::async_trait]
impl TaskScheduler for Service {
    async fn submit_task(
        &self,
        request: Request<pb::TaskRequest>,
    ) -> Result<Response<pb::TaskResponse>, Status> {
        may_run(&request, request.get_ref())?;
        let accepts = Accepts::of(&request);
        let message = request.into_inner();
        let attended = decode::cancels_on_disconnect(&message);
        let request = decode::request(message)?;
        let answer = if attended {
            // Boxed, so that the usual call does not carry the place for it about.
            Box::pin(self.submit_cancel_on_disconnect(request)).await?
        } else {
            let ended = self.system.submit(request).await?;
            log(&ended);
            encode::submitted(&ended)
        };
        Ok(accepts.answer(answer))
    }

    async fn get_result(
        &self,
        request: Request<pb::ResultRequest>,
    ) -> Result<Response<pb::ResultResponse>, Status> {
        may_read(&request, &request.get_ref().task_id)?;
        let accepts = Accepts::of(&request);
        let (id, wait) = decode::result(request.get_ref())?;
        let ended = if wait.is_zero() {
            self.system.result(&id).await?
        } else {
            Box::pin(self.outcome(&id, wait)).await?
        };
        if let Some(ended) = ended {
            return Ok(accepts.answer(encode::result(&ended.outcome)));
        }
        // It may have ended in between; or it is so new that it is not stored yet.
        Ok(accepts.answer(match self.system.find(&id).await {
            Ok(Snapshot { outcome: Some(outcome), .. }) => encode::result(&outcome),
            Ok(snapshot) => encode::no_result_yet(snapshot.state),
            Err(error) if error.code == Code::TaskNotFound => encode::no_result_yet(State::Pending),
            Err(error) => return Err(error.into()),
        }))
    }

    async fn enqueue_task(
        &self,
        request: Request<pb::TaskRequest>,
    ) -> Result<Response<pb::EnqueueTaskResponse>, Status> {
        may_run(&request, request.get_ref())?;
        let accepts = Accepts::of(&request);
        let request = decode::unattended(request.into_inner())?;
        let accepted = self.system.enqueue(request).await?;
        tracing::debug!(task_id = %accepted.id, state = %accepted.state, "accepted a task");
        Ok(accepts.answer(encode::accepted(&accepted)))
    }

    async fn enqueue_tasks(
        &self,
        request: Request<pb::EnqueueTasksRequest>,
    ) -> Result<Response<pb::EnqueueTasksResponse>, Status> {
        let accepts = Accepts::of(&request);
        let allowed = may_run_all(&request, &request.get_ref().tasks);
        let mut requests = decode::requests(request.into_inner())?;
        if let Err(refusal) = allowed {
            refuse_reserved(&mut requests, &refusal);
        }
        Ok(accepts.answer(encode::enqueued(self.system.enqueue_many(requests).await)))
    }

    async fn get_task(
        &self,
        request: Request<pb::GetTaskRequest>,
    ) -> Result<Response<pb::GetTaskResponse>, Status> {
        let accepts = Accepts::of(&request);
        let id = TaskId::parse(&request.get_ref().task_id, "task_id")?;
        let snapshot = self.system.find(&id).await?;
        Ok(accepts.answer(pb::GetTaskResponse { task: Some(encode::task(snapshot)) }))
    }

    async fn list_tasks(
        &self,
        request: Request<pb::ListTasksRequest>,
    ) -> Result<Response<pb::ListTasksResponse>, Status> {
        let accepts = Accepts::of(&request);
        let Listing { filter, before, limit, tokens } = decode::list(request.into_inner())?;
        let page = self.system.list(&filter, before, limit).await?;
        Ok(accepts.answer(encode::page(page, &tokens, self.max_message_size)))
    }

    type WatchTaskStream = Updates;

    async fn watch_task(
        &self,
        request: Request<pb::WatchTaskRequest>,
    ) -> Result<Response<Updates>, Status> {
        let end = deadline::of(&request);
        let id = TaskId::parse(&request.get_ref().task_id, "task_id")?;
        let cursors = Cursors::of(&id);
        let cursor = cursors.read(&request.get_ref().cursor)?;
        let watch = self.system.watch(&id, cursor).await?;
        let watching = Watching { watch, hang_up: self.hang_up.clone(), end };
        let mut answer = Response::new(Updates::new(watching, cursors));
        // Updates are small, and each is sent as soon as it is there.
        answer.disable_compression();
        Ok(answer)
    }

    async fn cancel_tasks(
        &self,
        request: Request<pb::CancelTasksRequest>,
    ) -> Result<Response<pb::CancelTasksResponse>, Status> {
        let accepts = Accepts::of(&request);
        let request = decode::cancel(request.into_inner())?;
        Ok(accepts.answer(encode::cancelled(self.system.cancel(request).await?)))
    }

    async fn retry_task(
        &self,
        request: Request<pb::RetryTaskRequest>,
    ) -> Result<Response<pb::RetryTaskResponse>, Status> {
        let accepts = Accepts::of(&request);
        let (id, reason) = decode::retry_task(request.into_inner())?;
        let changed = self.system.retry_task(&id, reason).await?;
        tracing::info!(task_id = %id, "a task runs once more, as asked");
        Ok(accepts.answer(encode::ran_again(changed)))
    }

    async fn resolve_task(
        &self,
        request: Request<pb::ResolveTaskRequest>,
    ) -> Result<Response<pb::ResolveTaskResponse>, Status> {
        let accepts = Accepts::of(&request);
        let Resolve { id, result, reason } = decode::resolve(request.into_inner())?;
        let changed = self.system.resolve(&id, result, reason).await?;
        tracing::info!(task_id = %id, "a task was resolved by hand");
        Ok(accepts.answer(encode::resolved(changed)))
    }

    async fn purge_tasks(
        &self,
        request: Request<pb::PurgeTasksRequest>,
    ) -> Result<Response<pb::PurgeTasksResponse>, Status> {
        let accepts = Accepts::of(&request);
        let (ids, matching) = decode::purge(request.into_inner())?;
        let purged = self.system.purge(ids, matching).await?;
        tracing::info!(purged = purged.purged, more = purged.more, "purged tasks, as asked");
        Ok(accepts.answer(encode::purged(purged)))
    }

    async fn submit_chain(
        &self,
        request: Request<pb::SubmitChainRequest>,
    ) -> Result<Response<pb::SubmitChainResponse>, Status> {
        may_run_all(&request, &request.get_ref().tasks)?;
        let accepts = Accepts::of(&request);
        let Chain { tasks, wait } = decode::chain(request.into_inner())?;
        let ids = self.system.chain(tasks).await?;
        let ended = self.outcome_of_all(&ids[ids.len().saturating_sub(1)..], wait).await;
        Ok(accepts.answer(encode::chain(&ids, ended.as_deref(), self.max_message_size)))
    }

    async fn submit_group(
        &self,
        request: Request<pb::SubmitGroupRequest>,
    ) -> Result<Response<pb::SubmitGroupResponse>, Status> {
        let message = request.get_ref();
        may_run_all(&request, message.tasks.iter().chain(&message.callback))?;
        let accepts = Accepts::of(&request);
        let Group { tasks, callback, wait } = decode::group(request.into_inner())?;
        let (ids, callback) = self.system.group(tasks, callback).await?;
        let ended = match &callback {
            Some(id) => self.outcome_of_all(std::slice::from_ref(id), wait).await,
            None => {
                self.outcome_of_all(&ids, wait).await;
                None
            }
        };
        let (callback, ended) = (callback.as_ref(), ended.as_deref());
        Ok(accepts.answer(encode::group(&ids, callback, ended, self.max_message_size)))
    }

    async fn list_queues(
        &self,
        request: Request<pb::ListQueuesRequest>,
    ) -> Result<Response<pb::ListQueuesResponse>, Status> {
        let accepts = Accepts::of(&request);
        Ok(accepts.answer(encode::queues(self.system.queues().await?)))
    }

    async fn pause_queue(
        &self,
        request: Request<pb::PauseQueueRequest>,
    ) -> Result<Response<pb::PauseQueueResponse>, Status> {
        let accepts = Accepts::of(&request);
        let queue = decode::queue(&request.get_ref().queue)?;
        let status = self.system.pause(&queue).await?;
        tracing::info!(%queue, "paused a queue, as asked");
        Ok(accepts.answer(pb::PauseQueueResponse { queue: Some(encode::queue(status)) }))
    }

    async fn resume_queue(
        &self,
        request: Request<pb::ResumeQueueRequest>,
    ) -> Result<Response<pb::ResumeQueueResponse>, Status> {
        let accepts = Accepts::of(&request);
        let queue = decode::queue(&request.get_ref().queue)?;
        let status = self.system.resume(&queue).await?;
        tracing::info!(%queue, "resumed a queue, as asked");
        Ok(accepts.answer(pb::ResumeQueueResponse { queue: Some(encode::queue(status)) }))
    }

    async fn set_queue_limits(
        &self,
        request: Request<pb::SetQueueLimitsRequest>,
    ) -> Result<Response<pb::SetQueueLimitsResponse>, Status> {
        let accepts = Accepts::of(&request);
        let request = request.into_inner();
        let queue = decode::queue(&request.queue)?;
        let limits = decode::limits(request.limits)?;
        let status = self.system.limit(&queue, limits).await?;
        tracing::info!(%queue, ?limits, "limited a queue, as asked");
        Ok(accepts.answer(pb::SetQueueLimitsResponse { queue: Some(encode::queue(status)) }))
    }

    async fn list_methods(
        &self,
        request: Request<pb::ListMethodsRequest>,
    ) -> Result<Response<pb::ListMethodsResponse>, Status> {
        let accepts = Accepts::of(&request);
        let wanted = request.into_inner().namespace;
        let registry = self.system.registry();
        let mut methods = registry.list();
        methods.retain(|method| wanted.is_empty() || *method.name.namespace == *wanted);
        let statistics = registry.statistics();
        Ok(accepts.answer(pb::ListMethodsResponse {
            methods: methods.iter().map(|method| encode::method(method)).collect(),
            statistics: Some(pb::RegistryStatistics {
                total: u32::try_from(statistics.total).unwrap_or(u32::MAX),
                namespaces: statistics.namespaces,
                versions: statistics.versions.iter().map(ToString::to_string).collect(),
                last_registration: statistics.last_registration.map(encode::stamp),
            }),
        }))
    }

    async fn list_events(
        &self,
        request: Request<pb::ListEventsRequest>,
    ) -> Result<Response<pb::ListEventsResponse>, Status> {
        events::list(self, request).await
    }

    type StreamEventsStream = events::Events;

    async fn stream_events(
        &self,
        request: Request<pb::StreamEventsRequest>,
    ) -> Result<Response<Self::StreamEventsStream>, Status> {
        events::stream(self, request).await
    }

    async fn list_subscribers(
        &self,
        request: Request<pb::ListSubscribersRequest>,
    ) -> Result<Response<pb::ListSubscribersResponse>, Status> {
        events::subscribers(self, request).await
    }

    async fn put_webhook(
        &self,
        request: Request<pb::PutWebhookRequest>,
    ) -> Result<Response<pb::PutWebhookResponse>, Status> {
        webhooks::put(self, request).await
    }

    async fn get_webhook(
        &self,
        request: Request<pb::GetWebhookRequest>,
    ) -> Result<Response<pb::GetWebhookResponse>, Status> {
        webhooks::get(self, request).await
    }

    async fn list_webhooks(
        &self,
        request: Request<pb::ListWebhooksRequest>,
    ) -> Result<Response<pb::ListWebhooksResponse>, Status> {
        webhooks::list(self, request).await
    }

    async fn delete_webhook(
        &self,
        request: Request<pb::DeleteWebhookRequest>,
    ) -> Result<Response<pb::DeleteWebhookResponse>, Status> {
        webhooks::delete(self, request).await
    }

    async fn put_schedule(
        &self,
        request: Request<pb::PutScheduleRequest>,
    ) -> Result<Response<pb::PutScheduleResponse>, Status> {
        schedules::put(self, request).await
    }

    async fn get_schedule(
        &self,
        request: Request<pb::GetScheduleRequest>,
    ) -> Result<Response<pb::GetScheduleResponse>, Status> {
        schedules::get(self, request).await
    }

    async fn list_schedules(
        &self,
        request: Request<pb::ListSchedulesRequest>,
    ) -> Result<Response<pb::ListSchedulesResponse>, Status> {
        schedules::list(self, request).await
    }

    async fn delete_schedule(
        &self,
        request: Request<pb::DeleteScheduleRequest>,
    ) -> Result<Response<pb::DeleteScheduleResponse>, Status> {
        schedules::delete(self, request).await
    }

    async fn enable_schedule(
        &self,
        request: Request<pb::EnableScheduleRequest>,
    ) -> Result<Response<pb::EnableScheduleResponse>, Status> {
        schedules::enable(self, request).await
    }

    async fn disable_schedule(
        &self,
        request: Request<pb::DisableScheduleRequest>,
    ) -> Result<Response<pb::DisableScheduleResponse>, Status> {
        schedules::disable(self, request).await
    }

    async fn trigger_schedule(
        &self,
        request: Request<pb::TriggerScheduleRequest>,
    ) -> Result<Response<pb::TriggerScheduleResponse>, Status> {
        schedules::trigger(self, request).await
    }

    async fn preview_schedule(
        &self,
        request: Request<pb::PreviewScheduleRequest>,
    ) -> Result<Response<pb::PreviewScheduleResponse>, Status> {
        schedules::preview(self, request).await
    }

    async fn get_statistics(
        &self,
        request: Request<pb::GetStatisticsRequest>,
    ) -> Result<Response<pb::GetStatisticsResponse>, Status> {
        observe::get(self, request).await
    }

    type WatchStatisticsStream = observe::Samples;

    async fn watch_statistics(
        &self,
        request: Request<pb::WatchStatisticsRequest>,
    ) -> Result<Response<Self::WatchStatisticsStream>, Status> {
        observe::watch(self, request).await
    }

    async fn explain_task(
        &self,
        request: Request<pb::ExplainTaskRequest>,
    ) -> Result<Response<pb::ExplainTaskResponse>, Status> {
        observe::explain(self, request).await
    }

    async fn get_health(
        &self,
        request: Request<pb::GetHealthRequest>,
    ) -> Result<Response<pb::GetHealthResponse>, Status> {
        observe::health(self, request).await
    }
}
