//! How much waits and runs, and what bodies run in.

use std::collections::BTreeMap;

use super::Engine;
use super::core::{Pauses, Workers};
use crate::error::Error;
use crate::models::QueueName;
use crate::store::QueueDepth;

impl Engine {
    /// How many tasks of each queue there are by how they stand, by name; of queues that hold
    /// something, if only what failed, or were decided about.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn depths(&self) -> Result<Vec<QueueDepth>, Error> {
        let stored = self.0.store.depths().await?;
        let mut all: BTreeMap<QueueName, QueueDepth> =
            stored.into_iter().map(|depth| (depth.queue.clone(), depth)).collect();
        let ephemeral = self.0.core.lock().ephemeral_depths();
        for depth in ephemeral {
            match all.get_mut(&depth.queue) {
                Some(known) => known.join(&depth),
                None => {
                    all.insert(depth.queue.clone(), depth);
                }
            }
        }
        Ok(all.into_values().collect())
    }

    /// What bodies run in.
    pub fn workers(&self) -> Workers {
        self.0.core.lock().workers()
    }

    /// What keeps it as a whole from starting anything.
    pub fn pauses(&self) -> Pauses {
        self.0.core.lock().pauses()
    }
}
