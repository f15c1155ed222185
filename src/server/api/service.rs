//! The RPCs of `taskscheduler.TaskScheduler`: each decodes its message, calls the facade and encodes
//! the answer. `access` has decided before that the caller may call the method.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding::{Gzip, Zstd};
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use crate::error::{Code, Error};
use crate::models::{self, Ended, Name, Snapshot, State, TaskId};
use crate::pb;
use crate::pb::task_scheduler_server::{TaskScheduler, TaskSchedulerServer};
use crate::server::api::compression::Accepts;
use crate::server::api::cursors::{WatchCursors, decode_event};
use crate::server::api::decode::{self, Chain, Group, Listing, NEXT_TIMES, Resolve, SCHEDULE};
use crate::server::api::disconnect::CancelOnDrop;
use crate::server::api::reserved::{may_read, may_run, may_run_all, refuse_reserved};
use crate::server::api::streams::Ends;
use crate::server::api::{encode, page_token};
use crate::system::{QueueState, TaskSystem, catalog, next_times};
use crate::wire::nested;

/// Serves the calls of `taskscheduler.TaskScheduler`.
pub(in crate::server) struct Service {
    system: TaskSystem,
    /// The largest message in each direction, in bytes.
    max_message_size: usize,
    /// Cancelled when streams and long waits must end.
    hang_up: CancellationToken,
}

impl Service {
    /// Serves `system` with messages of at most `max_message_size` bytes.
    pub(super) fn new(
        system: TaskSystem,
        max_message_size: usize,
        hang_up: CancellationToken,
    ) -> Self {
        Self { system, max_message_size, hang_up }
    }

    /// The tonic service, with compression and message sizes set.
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

    /// The outcome of a task that ends within `wait`; `None` if it does not, or when the server shuts
    /// down before.
    async fn outcome(&self, id: &TaskId, wait: Duration) -> Result<Option<Arc<Ended>>, Error> {
        if wait.is_zero() {
            return self.system.tasks().result(id).await;
        }
        tokio::select! {
            ended = self.system.tasks().wait(id, wait) => ended,
            // A task that does not exist is still an error.
            () = self.hang_up.cancelled() => self.system.tasks().result(id).await,
        }
    }

    /// The outcome of the last of `ids` when all of them end within `wait`. The tasks are accepted, so
    /// an outcome that cannot be read is not an error of the call.
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

    /// Submits a task and cancels it when this future is dropped before the task ends.
    async fn submit_cancel_on_disconnect(
        &self,
        mut request: models::Request,
    ) -> Result<pb::TaskResponse, Status> {
        // A caller that joins an existing task must not cancel it for the first caller.
        if let Some(id) = &request.id
            && self.system.tasks().result(id).await.is_ok()
        {
            return Ok(encode::submitted(&*self.system.tasks().submit(request).await?));
        }
        // The guard needs the id before the engine would generate one.
        let id = request.id.get_or_insert_with(TaskId::generate).clone();
        let guard = CancelOnDrop::new(self.system.clone(), id);
        let submitted = self.system.tasks().submit(request).await;
        guard.disarm();
        let ended = submitted?;
        log_submission(&ended);
        Ok(encode::submitted(&ended))
    }
}

fn log_submission(ended: &Ended) {
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
        let cancel = decode::cancels_on_disconnect(&message);
        let request = decode::request(message)?;
        let answer = if cancel {
            // Boxed, so that the future of other calls does not contain the space for it.
            Box::pin(self.submit_cancel_on_disconnect(request)).await?
        } else {
            let ended = self.system.tasks().submit(request).await?;
            log_submission(&ended);
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
            self.system.tasks().result(&id).await?
        } else {
            Box::pin(self.outcome(&id, wait)).await?
        };
        if let Some(ended) = ended {
            return Ok(accepts.answer(encode::result(&ended.outcome)));
        }
        // The task may have ended meanwhile, or is so new that it is not stored yet.
        Ok(accepts.answer(match self.system.tasks().find(&id).await {
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
        let request = decode::request_without_wait(request.into_inner())?;
        let accepted = self.system.tasks().enqueue(request).await?;
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
        Ok(accepts.answer(encode::enqueued(self.system.tasks().enqueue_many(requests).await)))
    }

    async fn get_task(
        &self,
        request: Request<pb::GetTaskRequest>,
    ) -> Result<Response<pb::GetTaskResponse>, Status> {
        let accepts = Accepts::of(&request);
        let id = TaskId::parse(&request.get_ref().task_id, "task_id")?;
        let snapshot = self.system.tasks().find(&id).await?;
        Ok(accepts.answer(pb::GetTaskResponse { task: Some(encode::task(snapshot)) }))
    }

    async fn list_tasks(
        &self,
        request: Request<pb::ListTasksRequest>,
    ) -> Result<Response<pb::ListTasksResponse>, Status> {
        let accepts = Accepts::of(&request);
        let Listing { filter, before, limit, tokens } = decode::list(request.into_inner())?;
        let page = self.system.tasks().list(&filter, before, limit).await?;
        Ok(accepts.answer(encode::page(page, &tokens, self.max_message_size)))
    }

    type WatchTaskStream = BoxStream<pb::WatchTaskResponse>;

    async fn watch_task(
        &self,
        request: Request<pb::WatchTaskRequest>,
    ) -> Result<Response<Self::WatchTaskStream>, Status> {
        let ends = Ends::of(&request, &self.hang_up);
        let id = TaskId::parse(&request.get_ref().task_id, "task_id")?;
        let cursors = WatchCursors::of(&id);
        let cursor = cursors.decode(&request.get_ref().cursor)?;
        let watch = self.system.tasks().watch(&id, cursor).await?;
        Ok(ends.updates(watch, cursors))
    }

    async fn cancel_tasks(
        &self,
        request: Request<pb::CancelTasksRequest>,
    ) -> Result<Response<pb::CancelTasksResponse>, Status> {
        let accepts = Accepts::of(&request);
        let request = decode::cancel(request.into_inner())?;
        Ok(accepts.answer(pb::CancelTasksResponse {
            outcomes: self
                .system
                .tasks()
                .cancel(request)
                .await?
                .into_iter()
                .map(Into::into)
                .collect(),
        }))
    }

    async fn retry_task(
        &self,
        request: Request<pb::RetryTaskRequest>,
    ) -> Result<Response<pb::RetryTaskResponse>, Status> {
        let accepts = Accepts::of(&request);
        let (id, reason) = decode::retry_task(request.into_inner())?;
        let result = self.system.tasks().retry(&id, reason).await?;
        tracing::info!(task_id = %id, "retried a task on request");
        Ok(accepts.answer(encode::retried(result)))
    }

    async fn resolve_task(
        &self,
        request: Request<pb::ResolveTaskRequest>,
    ) -> Result<Response<pb::ResolveTaskResponse>, Status> {
        let accepts = Accepts::of(&request);
        let Resolve { id, result, reason } = decode::resolve(request.into_inner())?;
        let result = self.system.tasks().resolve(&id, result, reason).await?;
        tracing::info!(task_id = %id, "resolved a task manually");
        Ok(accepts.answer(encode::resolved(result)))
    }

    async fn purge_tasks(
        &self,
        request: Request<pb::PurgeTasksRequest>,
    ) -> Result<Response<pb::PurgeTasksResponse>, Status> {
        let accepts = Accepts::of(&request);
        let (ids, matching) = decode::purge(request.into_inner())?;
        let models::Purged { purged, more } = self.system.tasks().purge(ids, matching).await?;
        tracing::info!(purged, more, "purged tasks on request");
        Ok(accepts.answer(pb::PurgeTasksResponse { purged, more }))
    }

    async fn submit_chain(
        &self,
        request: Request<pb::SubmitChainRequest>,
    ) -> Result<Response<pb::SubmitChainResponse>, Status> {
        may_run_all(&request, &request.get_ref().tasks)?;
        let accepts = Accepts::of(&request);
        let Chain { tasks, wait } = decode::chain(request.into_inner())?;
        let ids = self.system.tasks().chain(tasks).await?;
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
        let (ids, callback) = self.system.tasks().group(tasks, callback).await?;
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
        let queues = self.system.tasks().queues().await?;
        // Failed tasks alone do not keep a queue in the listing.
        let queues = queues.into_iter().filter(QueueState::is_in_use).map(encode::queue).collect();
        Ok(accepts.answer(pb::ListQueuesResponse { queues }))
    }

    async fn pause_queue(
        &self,
        request: Request<pb::PauseQueueRequest>,
    ) -> Result<Response<pb::PauseQueueResponse>, Status> {
        let accepts = Accepts::of(&request);
        let queue = decode::queue(&request.get_ref().queue)?;
        let status = self.system.tasks().pause(&queue).await?;
        tracing::info!(%queue, "paused a queue on request");
        Ok(accepts.answer(pb::PauseQueueResponse { queue: Some(encode::queue(status)) }))
    }

    async fn resume_queue(
        &self,
        request: Request<pb::ResumeQueueRequest>,
    ) -> Result<Response<pb::ResumeQueueResponse>, Status> {
        let accepts = Accepts::of(&request);
        let queue = decode::queue(&request.get_ref().queue)?;
        let status = self.system.tasks().resume(&queue).await?;
        tracing::info!(%queue, "resumed a queue on request");
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
        let status = self.system.tasks().limit(&queue, limits).await?;
        tracing::info!(%queue, ?limits, "changed the limits of a queue on request");
        Ok(accepts.answer(pb::SetQueueLimitsResponse { queue: Some(encode::queue(status)) }))
    }

    async fn list_methods(
        &self,
        request: Request<pb::ListMethodsRequest>,
    ) -> Result<Response<pb::ListMethodsResponse>, Status> {
        let accepts = Accepts::of(&request);
        let namespace = request.into_inner().namespace;
        let registry = self.system.registry();
        let mut methods = registry.list();
        methods.retain(|method| namespace.is_empty() || *method.name.namespace == *namespace);
        let statistics = registry.statistics();
        Ok(accepts.answer(pb::ListMethodsResponse {
            methods: methods.iter().map(|method| encode::method(method)).collect(),
            statistics: Some(pb::RegistryStatistics {
                total: u32::try_from(statistics.total).unwrap_or(u32::MAX),
                namespaces: statistics.namespaces,
                versions: statistics.versions.iter().map(ToString::to_string).collect(),
                last_registration: statistics.last_registration.map(Into::into),
            }),
        }))
    }

    async fn list_events(
        &self,
        request: Request<pb::ListEventsRequest>,
    ) -> Result<Response<pb::ListEventsResponse>, Status> {
        let accepts = Accepts::of(&request);
        let category = match request.get_ref().category.as_str() {
            "" => None,
            name => Some(decode::category(name, "category")?),
        };
        let events = catalog::all().iter();
        let events = events.filter(|info| category.is_none_or(|it| info.category == it));
        let events = events.map(encode::event_info).collect();
        Ok(accepts.answer(pb::ListEventsResponse { events }))
    }

    type StreamEventsStream = BoxStream<pb::StreamEventsResponse>;

    async fn stream_events(
        &self,
        request: Request<pb::StreamEventsRequest>,
    ) -> Result<Response<Self::StreamEventsStream>, Status> {
        let ends = Ends::of(&request, &self.hang_up);
        let pb::StreamEventsRequest { filter, cursor } = request.into_inner();
        let filter = decode::event_filter(filter, "filter")?;
        Ok(ends.events(self.system.subscribe(filter, decode_event(&cursor)?)?))
    }

    async fn list_subscribers(
        &self,
        request: Request<pb::ListSubscribersRequest>,
    ) -> Result<Response<pb::ListSubscribersResponse>, Status> {
        let accepts = Accepts::of(&request);
        let subscribers = self.system.subscribers().await?;
        let subscribers = subscribers.into_iter().map(encode::subscriber).collect();
        Ok(accepts.answer(pb::ListSubscribersResponse { subscribers }))
    }

    async fn put_webhook(
        &self,
        request: Request<pb::PutWebhookRequest>,
    ) -> Result<Response<pb::PutWebhookResponse>, Status> {
        let accepts = Accepts::of(&request);
        let webhook = decode::webhook(request.into_inner())?;
        let (status, generated) = self.system.webhooks().put(webhook).await?;
        tracing::info!(webhook = %status.webhook.name, "defined a webhook on request");
        Ok(accepts.answer(pb::PutWebhookResponse {
            webhook: Some(encode::webhook(&status)),
            secret: generated.map(|secret| secret.reveal().to_owned()).unwrap_or_default(),
        }))
    }

    async fn get_webhook(
        &self,
        request: Request<pb::GetWebhookRequest>,
    ) -> Result<Response<pb::GetWebhookResponse>, Status> {
        let accepts = Accepts::of(&request);
        let name = Name::parse(&request.get_ref().name, "name")?;
        let webhook = Some(encode::webhook(&self.system.webhooks().get(&name).await?));
        Ok(accepts.answer(pb::GetWebhookResponse { webhook }))
    }

    async fn list_webhooks(
        &self,
        request: Request<pb::ListWebhooksRequest>,
    ) -> Result<Response<pb::ListWebhooksResponse>, Status> {
        let accepts = Accepts::of(&request);
        let limit = decode::page_size(request.get_ref().page_size, "webhooks")?;
        let after = page_token::WEBHOOKS.decode(&request.get_ref().page_token)?;
        let mut found = self.system.webhooks().list().await?;
        found.retain(|status| after.as_ref().is_none_or(|after| status.webhook.name > *after));
        Ok(accepts.answer(encode::webhooks(&found, limit, self.max_message_size)))
    }

    async fn delete_webhook(
        &self,
        request: Request<pb::DeleteWebhookRequest>,
    ) -> Result<Response<pb::DeleteWebhookResponse>, Status> {
        let accepts = Accepts::of(&request);
        let name = Name::parse(&request.get_ref().name, "name")?;
        self.system.webhooks().delete(&name).await?;
        tracing::info!(webhook = %name, "deleted a webhook on request");
        Ok(accepts.answer(pb::DeleteWebhookResponse {}))
    }

    async fn put_schedule(
        &self,
        request: Request<pb::PutScheduleRequest>,
    ) -> Result<Response<pb::PutScheduleResponse>, Status> {
        let accepts = Accepts::of(&request);
        let request = decode::schedule(request.into_inner().schedule)?;
        let put = self.system.schedules().put(request).await;
        let status = put.map_err(|error| nested(SCHEDULE, error))?;
        let name = &status.schedule.name;
        tracing::info!(schedule = %name, next = ?status.next, "defined a schedule on request");
        let next_times = encode::times(next_times(&status, NEXT_TIMES));
        let schedule = Some(encode::schedule(&status));
        Ok(accepts.answer(pb::PutScheduleResponse { schedule, next_times }))
    }

    async fn get_schedule(
        &self,
        request: Request<pb::GetScheduleRequest>,
    ) -> Result<Response<pb::GetScheduleResponse>, Status> {
        let accepts = Accepts::of(&request);
        let name = Name::parse(&request.get_ref().name, "name")?;
        let status = self.system.schedules().get(&name).await?;
        let next_times = encode::times(next_times(&status, NEXT_TIMES));
        let schedule = Some(encode::schedule(&status));
        Ok(accepts.answer(pb::GetScheduleResponse { schedule, next_times }))
    }

    async fn list_schedules(
        &self,
        request: Request<pb::ListSchedulesRequest>,
    ) -> Result<Response<pb::ListSchedulesResponse>, Status> {
        let accepts = Accepts::of(&request);
        let limit = decode::page_size(request.get_ref().page_size, "schedules")?;
        let after = page_token::SCHEDULES.decode(&request.get_ref().page_token)?;
        // One more than the page shows whether there is another page.
        let mut found = self.system.schedules().list(after.as_ref(), limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        Ok(accepts.answer(encode::schedules(&found, more, self.max_message_size)))
    }

    async fn delete_schedule(
        &self,
        request: Request<pb::DeleteScheduleRequest>,
    ) -> Result<Response<pb::DeleteScheduleResponse>, Status> {
        let accepts = Accepts::of(&request);
        let name = Name::parse(&request.get_ref().name, "name")?;
        self.system.schedules().delete(&name).await?;
        tracing::info!(schedule = %name, "deleted a schedule on request");
        Ok(accepts.answer(pb::DeleteScheduleResponse {}))
    }

    async fn enable_schedule(
        &self,
        request: Request<pb::EnableScheduleRequest>,
    ) -> Result<Response<pb::EnableScheduleResponse>, Status> {
        let accepts = Accepts::of(&request);
        let name = Name::parse(&request.get_ref().name, "name")?;
        let status = self.system.schedules().enable(&name).await?;
        tracing::info!(schedule = %name, next = ?status.next, "enabled a schedule on request");
        let schedule = Some(encode::schedule(&status));
        Ok(accepts.answer(pb::EnableScheduleResponse { schedule }))
    }

    async fn disable_schedule(
        &self,
        request: Request<pb::DisableScheduleRequest>,
    ) -> Result<Response<pb::DisableScheduleResponse>, Status> {
        let accepts = Accepts::of(&request);
        let name = Name::parse(&request.get_ref().name, "name")?;
        let status = self.system.schedules().disable(&name).await?;
        tracing::info!(schedule = %name, "disabled a schedule on request");
        let schedule = Some(encode::schedule(&status));
        Ok(accepts.answer(pb::DisableScheduleResponse { schedule }))
    }

    async fn trigger_schedule(
        &self,
        request: Request<pb::TriggerScheduleRequest>,
    ) -> Result<Response<pb::TriggerScheduleResponse>, Status> {
        let accepts = Accepts::of(&request);
        let name = Name::parse(&request.get_ref().name, "name")?;
        let id = self.system.schedules().trigger(&name).await?;
        tracing::info!(schedule = %name, task_id = %id, "triggered a schedule on request");
        Ok(accepts.answer(pb::TriggerScheduleResponse { task_id: id.as_str().into() }))
    }

    async fn preview_schedule(
        &self,
        request: Request<pb::PreviewScheduleRequest>,
    ) -> Result<Response<pb::PreviewScheduleResponse>, Status> {
        let accepts = Accepts::of(&request);
        let (request, after, count) = decode::preview(request.into_inner())?;
        let times = self.system.schedules().preview(request, after, count).await;
        let next_times = encode::times(times.map_err(|error| nested(SCHEDULE, error))?);
        Ok(accepts.answer(pb::PreviewScheduleResponse { next_times }))
    }

    async fn get_statistics(
        &self,
        request: Request<pb::GetStatisticsRequest>,
    ) -> Result<Response<pb::GetStatisticsResponse>, Status> {
        let accepts = Accepts::of(&request);
        let statistics = Some(encode::statistics(self.system.monitor().statistics().await?));
        Ok(accepts.answer(pb::GetStatisticsResponse { statistics }))
    }

    type WatchStatisticsStream = BoxStream<pb::WatchStatisticsResponse>;

    async fn watch_statistics(
        &self,
        request: Request<pb::WatchStatisticsRequest>,
    ) -> Result<Response<Self::WatchStatisticsStream>, Status> {
        let interval = decode::watch_interval(request.get_ref())?;
        Ok(Ends::of(&request, &self.hang_up).samples(self.system.clone(), interval))
    }

    async fn explain_task(
        &self,
        request: Request<pb::ExplainTaskRequest>,
    ) -> Result<Response<pb::ExplainTaskResponse>, Status> {
        let accepts = Accepts::of(&request);
        let id = TaskId::parse(&request.get_ref().task_id, "task_id")?;
        Ok(accepts.answer(encode::explanation(self.system.tasks().explain(&id).await?)))
    }

    async fn get_health(
        &self,
        request: Request<pb::GetHealthRequest>,
    ) -> Result<Response<pb::GetHealthResponse>, Status> {
        let accepts = Accepts::of(&request);
        Ok(accepts.answer(encode::health(self.system.health().await)))
    }
}
