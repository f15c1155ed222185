//! Calls about queues and methods.

use crate::client::answers::part;
use crate::client::retry::Repeat;
use crate::client::{ClientError, TaskClient};
use crate::models::{QueueLimits, QueueName};
use crate::pb;

const NO_QUEUE: &str = "no queue";

impl TaskClient {
    /// Lists the queues that are declared, limited or paused, or that have tasks, by name.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses.
    pub async fn queues(&self) -> Result<Vec<pb::Queue>, ClientError> {
        let request = pb::ListQueuesRequest {};
        let answer =
            self.call(Repeat::IDEMPOTENT, &request, |mut rpc, it| async move {
                rpc.list_queues(it).await
            })
            .await?;
        Ok(answer.queues)
    }

    /// Pauses a queue: no task of it starts until it is resumed. Running tasks continue.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses.
    pub async fn pause_queue(&self, queue: &QueueName) -> Result<pb::Queue, ClientError> {
        let request = pb::PauseQueueRequest { queue: queue.as_str().into() };
        let answer =
            self.call(Repeat::IDEMPOTENT, &request, |mut rpc, it| async move {
                rpc.pause_queue(it).await
            })
            .await?;
        part("PauseQueue", answer.queue, NO_QUEUE)
    }

    /// Resumes a paused queue.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses.
    pub async fn resume_queue(&self, queue: &QueueName) -> Result<pb::Queue, ClientError> {
        let request = pb::ResumeQueueRequest { queue: queue.as_str().into() };
        let answer =
            self.call(Repeat::IDEMPOTENT, &request, |mut rpc, it| async move {
                rpc.resume_queue(it).await
            })
            .await?;
        part("ResumeQueue", answer.queue, NO_QUEUE)
    }

    /// Replaces the limits of a queue.
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
            .call(Repeat::IDEMPOTENT, &request, |mut rpc, it| async move {
                rpc.set_queue_limits(it).await
            })
            .await?;
        part("SetQueueLimits", answer.queue, NO_QUEUE)
    }

    /// Lists the methods that the server can run, of one namespace or (empty) of all.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses.
    pub async fn methods(&self, namespace: &str) -> Result<Vec<pb::Method>, ClientError> {
        let request = pb::ListMethodsRequest { namespace: namespace.to_owned() };
        Ok(self
            .call(
                Repeat::IDEMPOTENT,
                &request,
                |mut rpc, it| async move { rpc.list_methods(it).await },
            )
            .await?
            .methods)
    }
}
