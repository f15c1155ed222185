//! The product's gRPC service: each call is translated, passed to the facade, and translated back.

use tonic::codec::CompressionEncoding::{Gzip, Zstd};
use tonic::{Request, Response, Status};

use crate::error::Code;
use crate::models::{Ended, Request as Asked, Snapshot, State, TaskId};
use crate::pb::task_scheduler_server::{TaskScheduler, TaskSchedulerServer};
use crate::pb::{
    CancelTasksRequest, CancelTasksResponse, EnqueueTaskResponse, EnqueueTasksRequest,
    EnqueueTasksResponse, GetTaskRequest, GetTaskResponse, ListMethodsRequest, ListMethodsResponse,
    RegistryStatistics, ResultRequest, ResultResponse, TaskRequest, TaskResponse,
};
use crate::server::compression::Accepts;
use crate::server::disconnect::CancelOnDrop;
use crate::server::peer::must_be_local;
use crate::server::{answer, convert};
use crate::system::System;

/// Answers the calls of `taskscheduler.TaskScheduler`.
pub(super) struct Service {
    system: System,
}

impl Service {
    /// Answers for `system`.
    pub(super) fn new(system: System) -> Self {
        Self { system }
    }

    /// As tonic wants it.
    pub(super) fn into_server(self, max_message_size: usize) -> TaskSchedulerServer<Self> {
        TaskSchedulerServer::new(self)
            .max_decoding_message_size(max_message_size)
            .max_encoding_message_size(max_message_size)
            .accept_compressed(Gzip)
            .accept_compressed(Zstd)
            .send_compressed(Gzip)
            .send_compressed(Zstd)
    }

    /// Submits a task that is cancelled when this future is dropped before its end.
    async fn submit_attended(&self, mut request: Asked) -> Result<TaskResponse, Status> {
        // Who joins a task that is known does not take it along when he goes.
        if let Some(id) = &request.id
            && self.system.result(id).await.is_ok()
        {
            return Ok(answer::submitted(&*self.system.submit(request).await?));
        }
        // The guard needs the id, so it is given here.
        let id = request.id.get_or_insert_with(TaskId::generate).clone();
        let guard = CancelOnDrop::new(self.system.clone(), id);
        let submitted = self.system.submit(request).await;
        guard.disarm();
        let ended = submitted?;
        log(&ended);
        Ok(answer::submitted(&ended))
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
        request: Request<TaskRequest>,
    ) -> Result<Response<TaskResponse>, Status> {
        let accepts = Accepts::of(&request);
        let message = request.into_inner();
        let attended = convert::cancels_on_disconnect(&message);
        let request = convert::request(message)?;
        let answer = if attended {
            // Boxed, so that the usual call does not carry the place for it about.
            Box::pin(self.submit_attended(request)).await?
        } else {
            let ended = self.system.submit(request).await?;
            log(&ended);
            answer::submitted(&ended)
        };
        Ok(accepts.answer(answer))
    }

    async fn get_result(
        &self,
        request: Request<ResultRequest>,
    ) -> Result<Response<ResultResponse>, Status> {
        let accepts = Accepts::of(&request);
        let id = TaskId::parse(&request.get_ref().task_id, "task_id")?;
        if let Some(ended) = self.system.result(&id).await? {
            return Ok(accepts.answer(answer::result(&ended.outcome)));
        }
        // It may have ended in between; or it is so new that it is not stored yet.
        Ok(accepts.answer(match self.system.find(&id).await {
            Ok(Snapshot { outcome: Some(outcome), .. }) => answer::result(&outcome),
            Ok(snapshot) => answer::no_result_yet(snapshot.state),
            Err(error) if error.code == Code::TaskNotFound => answer::no_result_yet(State::Pending),
            Err(error) => return Err(error.into()),
        }))
    }

    async fn enqueue_task(
        &self,
        request: Request<TaskRequest>,
    ) -> Result<Response<EnqueueTaskResponse>, Status> {
        let accepts = Accepts::of(&request);
        let request = convert::unattended(request.into_inner())?;
        let accepted = self.system.enqueue(request).await?;
        tracing::debug!(task_id = %accepted.id, state = %accepted.state, "accepted a task");
        Ok(accepts.answer(answer::accepted(&accepted)))
    }

    async fn enqueue_tasks(
        &self,
        request: Request<EnqueueTasksRequest>,
    ) -> Result<Response<EnqueueTasksResponse>, Status> {
        let accepts = Accepts::of(&request);
        let requests = convert::requests(request.into_inner())?;
        Ok(accepts.answer(answer::enqueued(self.system.enqueue_many(requests).await)))
    }

    async fn get_task(
        &self,
        request: Request<GetTaskRequest>,
    ) -> Result<Response<GetTaskResponse>, Status> {
        must_be_local(&request)?;
        let accepts = Accepts::of(&request);
        let id = TaskId::parse(&request.get_ref().task_id, "task_id")?;
        let snapshot = self.system.find(&id).await?;
        Ok(accepts.answer(GetTaskResponse { task: Some(answer::task(snapshot)) }))
    }

    async fn cancel_tasks(
        &self,
        request: Request<CancelTasksRequest>,
    ) -> Result<Response<CancelTasksResponse>, Status> {
        must_be_local(&request)?;
        let accepts = Accepts::of(&request);
        let request = convert::cancel(request.into_inner())?;
        Ok(accepts.answer(answer::cancelled(self.system.cancel(request).await?)))
    }

    async fn list_methods(
        &self,
        request: Request<ListMethodsRequest>,
    ) -> Result<Response<ListMethodsResponse>, Status> {
        must_be_local(&request)?;
        let accepts = Accepts::of(&request);
        let wanted = request.into_inner().namespace;
        let registry = self.system.registry();
        let mut methods = registry.list();
        methods.retain(|method| wanted.is_empty() || *method.name.namespace == *wanted);
        let statistics = registry.statistics();
        Ok(accepts.answer(ListMethodsResponse {
            methods: methods.iter().map(|method| answer::method(method)).collect(),
            statistics: Some(RegistryStatistics {
                total: u32::try_from(statistics.total).unwrap_or(u32::MAX),
                namespaces: statistics.namespaces,
                versions: statistics.versions.iter().map(ToString::to_string).collect(),
                last_registration: statistics.last_registration.map(answer::stamp),
            }),
        }))
    }
}
