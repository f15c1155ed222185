//! Queues and methods: what the server has, and what it is told about them.

use crate::client::answers::part;
use crate::client::retry::Repeat;
use crate::client::{ClientError, TaskClient, encode};
use crate::models::{QueueLimits, QueueName};
use crate::pb;

const NO_QUEUE: &str = "no queue";

impl TaskClient {
    /// The queues that are declared, limited, paused or hold something, by name.
    ///
    /// # Errors
    /// When the server cannot be asked, or refuses.
    pub async fn queues(&self) -> Result<Vec<pb::Queue>, ClientError> {
        let send = |mut rpc: super::call::Rpc| async move {
            rpc.list_queues(pb::ListQueuesRequest {}).await
        };
        Ok(self.call(Repeat::HARMLESS, send).await?.queues)
    }

    /// Nothing more of the queue starts until it is resumed; what runs goes on.
    ///
    /// # Errors
    /// When the server cannot be asked, or refuses.
    pub async fn pause_queue(&self, queue: &QueueName) -> Result<pb::Queue, ClientError> {
        let request = pb::PauseQueueRequest { queue: queue.as_str().into() };
        let send = |mut rpc: super::call::Rpc| {
            let request = request.clone();
            async move { rpc.pause_queue(request).await }
        };
        part("PauseQueue", self.call(Repeat::HARMLESS, send).await?.queue, NO_QUEUE)
    }

    /// What waits in the queue starts again.
    ///
    /// # Errors
    /// When the server cannot be asked, or refuses.
    pub async fn resume_queue(&self, queue: &QueueName) -> Result<pb::Queue, ClientError> {
        let request = pb::ResumeQueueRequest { queue: queue.as_str().into() };
        let send = |mut rpc: super::call::Rpc| {
            let request = request.clone();
            async move { rpc.resume_queue(request).await }
        };
        part("ResumeQueue", self.call(Repeat::HARMLESS, send).await?.queue, NO_QUEUE)
    }

    /// Replaces the queue's limits.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when they are out of bounds.
    pub async fn limit_queue(
        &self,
        queue: &QueueName,
        limits: &QueueLimits,
    ) -> Result<pb::Queue, ClientError> {
        limits.check("limits")?;
        let limits = Some(encode::limits(limits));
        let request = pb::SetQueueLimitsRequest { queue: queue.as_str().into(), limits };
        let send = |mut rpc: super::call::Rpc| {
            let request = request.clone();
            async move { rpc.set_queue_limits(request).await }
        };
        part("SetQueueLimits", self.call(Repeat::HARMLESS, send).await?.queue, NO_QUEUE)
    }

    /// The methods that the server can run, of one namespace or (empty) of all.
    ///
    /// # Errors
    /// When the server cannot be asked, or refuses.
    pub async fn methods(&self, namespace: &str) -> Result<Vec<pb::Method>, ClientError> {
        let request = pb::ListMethodsRequest { namespace: namespace.to_owned() };
        let send = |mut rpc: super::call::Rpc| {
            let request = request.clone();
            async move { rpc.list_methods(request).await }
        };
        Ok(self.call(Repeat::HARMLESS, send).await?.methods)
    }
}
