//! Looks up one task: its state and its outcome.

use std::sync::Arc;

use super::Engine;
use crate::error::{Code, Error};
use crate::models::{Ended, Snapshot, TaskId};

impl Engine {
    /// The current state of a task, with its history and its progress.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn find(&self, id: &TaskId) -> Result<Snapshot, Error> {
        let (ephemeral, fence) = self.0.core.lock().find(id);
        let mut snapshot = match ephemeral {
            Some(snapshot) => snapshot,
            None => {
                let stored = self.0.store.find(std::slice::from_ref(id)).await?.pop().flatten();
                match (stored, self.0.cache.get(id)) {
                    (Some(snapshot), _) => snapshot,
                    (None, Some(ended)) => Snapshot::of_ended(&ended),
                    (None, None) => return Err(not_found(id)),
                }
            }
        };
        if let Some(fence) = fence
            && let Some(running) = self.0.running.lock().get(&fence)
        {
            let progress = running.context.current_progress();
            snapshot.progress = (progress.fraction, progress.message);
        }
        Ok(snapshot)
    }

    /// The outcome of a task; `None` while it has not ended.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn result(&self, id: &TaskId) -> Result<Option<Arc<Ended>>, Error> {
        if let Some(ended) = self.0.cache.get(id) {
            return Ok(Some(ended));
        }
        let (ephemeral, live) = {
            let core = self.0.core.lock();
            (core.find(id).0.is_some(), core.active.contains(id))
        };
        if ephemeral {
            return Ok(None);
        }
        match self.0.store.find(std::slice::from_ref(id)).await?.pop().flatten() {
            Some(Snapshot { task, outcome: Some(outcome), .. }) => {
                Ok(Some(Arc::new(Ended { task, outcome })))
            }
            Some(_) => Ok(None),
            // The task may have ended after the first look-up in the cache.
            None => match self.0.cache.get(id) {
                Some(ended) => Ok(Some(ended)),
                None if live => Ok(None),
                None => Err(not_found(id)),
            },
        }
    }
}

pub(super) fn not_found(id: &TaskId) -> Error {
    Error::new(Code::TaskNotFound, format!("no task {id} is known"))
}
