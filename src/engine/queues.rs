//! What people decide about queues.

use std::collections::BTreeMap;

use super::by_hand::said;
use super::core::QueueChange;
use super::{Caller, Engine};
use crate::error::{Code, Error};
use crate::models::{QueueLimits, QueueName, QueueSettings};
use crate::store::QueueState;

/// The most queues that anything can be decided about.
const MAX_DECIDED_QUEUES: usize = 10_000;

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
        let ephemeral = self.0.core.lock().ephemeral_queues();
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
    /// `STORE_UNAVAILABLE`; `QUEUE_FULL` if 10,000 queues have settings already.
    pub async fn pause(&self, queue: &QueueName) -> Result<QueueState, Error> {
        self.decide(queue, QueueChange::Paused(true)).await
    }

    /// Resumes a paused queue.
    ///
    /// # Errors
    /// Those of [`pause`](Self::pause).
    pub async fn resume(&self, queue: &QueueName) -> Result<QueueState, Error> {
        self.decide(queue, QueueChange::Paused(false)).await
    }

    /// Replaces what a queue allows.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, naming the limit; `STORE_UNAVAILABLE`; `QUEUE_FULL` when too many queues
    /// are decided about.
    pub async fn limit(&self, queue: &QueueName, limits: QueueLimits) -> Result<QueueState, Error> {
        limits.check("limits")?;
        self.decide(queue, QueueChange::Limits(limits)).await
    }

    async fn decide(&self, queue: &QueueName, decided: QueueChange) -> Result<QueueState, Error> {
        let (sender, receiver) = Caller::new();
        self.0.act(|core, _, out| {
            let before = core.settings_of(queue);
            if before == QueueSettings::default() && core.configured_queues() >= MAX_DECIDED_QUEUES
            {
                let why = format!("{MAX_DECIDED_QUEUES} queues have settings of their own already");
                return Err(Error::new(Code::QueueFull, why));
            }
            core.change_queue(queue.clone(), decided, sender, out);
            Ok(())
        })?;
        said(receiver).await?;
        let settings = self.0.core.lock().settings_of(queue);
        let known = self.queues().await?.into_iter().find(|state| state.queue == *queue);
        Ok(known.unwrap_or(QueueState { settings, ..QueueState::empty(queue.clone()) }))
    }
}
