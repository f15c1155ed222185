//! Queues: their state, pauses and limits.

use std::collections::BTreeMap;

use super::core::QueueChange;
use super::reply::change_result;
use super::{Caller, Engine};
use crate::error::Error;
use crate::models::{QueueLimits, QueueName};
use crate::store::QueueState;

impl Engine {
    /// The state of every queue that has unfinished or failed tasks, durable or ephemeral, or settings
    /// other than the default, by name.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn queues(&self) -> Result<Vec<QueueState>, Error> {
        let stored = self.0.store.queues().await?;
        let mut all: BTreeMap<QueueName, QueueState> =
            stored.into_iter().map(|state| (state.queue.clone(), state)).collect();
        let ephemeral = self.0.core.lock().ephemeral().queues();
        for state in ephemeral {
            match all.get_mut(&state.queue) {
                Some(known) => known.merge(&state),
                None => {
                    all.insert(state.queue.clone(), state);
                }
            }
        }
        Ok(all.into_values().collect())
    }

    /// Pauses a queue: none of its tasks start. Running tasks continue.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`; `QUEUE_FULL` when 10,000 queues have settings of their own.
    pub async fn pause(&self, queue: &QueueName) -> Result<QueueState, Error> {
        self.change_queue(queue, QueueChange::Paused(true)).await
    }

    /// Resumes a paused queue.
    ///
    /// # Errors
    /// Those of [`pause`](Self::pause).
    pub async fn resume(&self, queue: &QueueName) -> Result<QueueState, Error> {
        self.change_queue(queue, QueueChange::Paused(false)).await
    }

    /// Replaces the limits of a queue.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, which names the limit; `STORE_UNAVAILABLE`; `QUEUE_FULL` when 10,000
    /// queues have settings of their own.
    pub async fn limit(&self, queue: &QueueName, limits: QueueLimits) -> Result<QueueState, Error> {
        limits.check("limits")?;
        self.change_queue(queue, QueueChange::Limits(limits)).await
    }

    async fn change_queue(
        &self,
        queue: &QueueName,
        change: QueueChange,
    ) -> Result<QueueState, Error> {
        let (sender, receiver) = Caller::new();
        self.0.act(|core, _, out| core.change_queue(queue.clone(), change, sender, out))?;
        change_result(receiver).await?;
        let settings = self.0.core.lock().dispatch.settings_of(queue);
        let known = self.queues().await?.into_iter().find(|state| state.queue == *queue);
        Ok(known.unwrap_or(QueueState { settings, ..QueueState::empty(queue.clone()) }))
    }
}
