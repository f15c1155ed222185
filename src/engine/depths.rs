//! How much waits and runs, and what bodies run in.

use std::collections::BTreeMap;

use super::Engine;
use crate::error::Error;
use crate::models::QueueName;
use crate::store::QueueDepth;

/// What bodies run in, and how much of it is taken. Inline bodies need none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Workers {
    /// Async bodies that may run at once.
    pub async_slots: usize,
    /// Those that do; more than may for a while, where bodies went on that had waited for children.
    pub async_active: usize,
    /// Sync bodies that may run at once.
    pub sync_slots: usize,
    /// Those that do.
    pub sync_active: usize,
    /// Bodies that were given up and have not returned.
    pub stuck: usize,
}

/// What keeps the engine as a whole from starting anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pauses {
    /// It takes nothing in any more.
    pub draining: bool,
    /// The store failed just now and is left alone for a moment.
    pub store: bool,
}

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
