//! Queues and methods: what the server has, and what it is told about them.

use crate::client::answers::part;
use crate::client::retry::Repeat;
use crate::client::{ClientError, TaskClient};
use crate::models::{QueueLimits, QueueName};
use crate::pb;

const NO_QUEUE: &str = "no queue";

impl TaskClient {
    /// The queues that are declared, limited, paused or hold something, by name.
    ///
    /// # Errors
    /// When the server cannot be asked, or refuses.
    pub async fn queues(&self) -> Result<Vec<pb::Queue>, ClientError> {
        let request = pb::ListQueuesRequest {};
        let answer =
            self.call(Repeat::HARMLESS, &request, |mut rpc, it| async move {
                rpc.list_queues(it).await
            })
            .await?;
        Ok(answer.queues)
    }

    /// Nothing more of the queue starts until it is resumed; what runs goes on.
    ///
    /// # Errors
    /// When the server cannot be asked, or refuses.
    pub async fn pause_queue(&self, queue: &QueueName) -> Result<pb::Queue, ClientError> {
        let request = pb::PauseQueueRequest { queue: queue.as_str().into() };
        let answer =
            self.call(Repeat::HARMLESS, &request, |mut rpc, it| async move {
                rpc.pause_queue(it).await
            })
            .await?;
        part("PauseQueue", answer.queue, NO_QUEUE)
    }

    /// What waits in the queue starts again.
    ///
    /// # Errors
    /// When the server cannot be asked, or refuses.
    pub async fn resume_queue(&self, queue: &QueueName) -> Result<pb::Queue, ClientError> {
        let request = pb::ResumeQueueRequest { queue: queue.as_str().into() };
        let answer =
            self.call(Repeat::HARMLESS, &request, |mut rpc, it| async move {
                rpc.resume_queue(it).await
            })
            .await?;
        part("ResumeQueue", answer.queue, NO_QUEUE)
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
        let limits = Some(pb::QueueLimits::from(limits));
        let request = pb::SetQueueLimitsRequest { queue: queue.as_str().into(), limits };
        let answer = self
            .call(Repeat::HARMLESS, &request, |mut rpc, it| async move {
                rpc.set_queue_limits(it).await
            })
            .await?;
        part("SetQueueLimits", answer.queue, NO_QUEUE)
    }

    /// The methods that the server can run, of one namespace or (empty) of all.
    ///
    /// # Errors
    /// When the server cannot be asked, or refuses.
    pub async fn methods(&self, namespace: &str) -> Result<Vec<pb::Method>, ClientError> {
        let request = pb::ListMethodsRequest { namespace: namespace.to_owned() };
        Ok(self
            .call(
                Repeat::HARMLESS,
                &request,
                |mut rpc, it| async move { rpc.list_methods(it).await },
            )
            .await?
            .methods)
    }
}
