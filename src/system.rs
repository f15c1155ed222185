//! The facade: everything that a door may ask for, in one place.
//!
//! Knows no protocol and no flags.

use std::sync::Arc;
use std::time::Duration;

use crate::cache::ResultsCache;
use crate::engine::{self, Engine};
use crate::error::Error;
use crate::models::{Accepted, CancelRequest, CancelVerdict, Ended, Request, Snapshot, TaskId};
use crate::store::Store;
use crate::tasks::{Method, TaskHandler, TaskRegistry};

/// A running task system. Cheap to clone; all clones are the same system.
#[derive(Clone)]
pub struct System {
    engine: Engine,
    registry: Arc<TaskRegistry>,
    cache: Arc<ResultsCache>,
}

impl System {
    /// Opens the store and begins to work.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE` when the store cannot be opened, `INTERNAL` when threads cannot be had.
    pub async fn start(
        options: engine::Options,
        registry: Arc<TaskRegistry>,
        cache: Arc<ResultsCache>,
        store: Arc<dyn Store>,
    ) -> Result<Self, Error> {
        let engine = Engine::start(options, registry.clone(), cache.clone(), store).await?;
        Ok(Self { engine, registry, cache })
    }

    /// The methods that it can run.
    pub fn registry(&self) -> &Arc<TaskRegistry> {
        &self.registry
    }

    /// The results that it remembers.
    pub fn cache(&self) -> &Arc<ResultsCache> {
        &self.cache
    }

    /// Registers a method while the system runs. Tasks that waited for it become claimable.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the handler's name cannot be or is taken.
    #[track_caller]
    pub fn register_handler(&self, handler: Arc<dyn TaskHandler>) -> Result<Arc<Method>, Error> {
        let method = self.registry.register_handler(handler)?;
        self.engine.methods_changed();
        Ok(method)
    }

    /// Runs a task and answers when it has ended.
    ///
    /// The same id with the same content joins the first request, or gets its outcome. Dropping the
    /// future does not stop the task.
    ///
    /// # Errors
    /// The refusals: see [`Code`](crate::error::Code).
    pub async fn submit(&self, request: Request) -> Result<Arc<Ended>, Error> {
        self.engine.submit(request).await
    }

    /// Takes a task in and answers when it is stored.
    ///
    /// # Errors
    /// The refusals: see [`Code`](crate::error::Code).
    pub async fn enqueue(&self, request: Request) -> Result<Accepted, Error> {
        self.engine.enqueue(request).await
    }

    /// Takes many tasks in; each has its own answer, in the order asked. A task may wait for one
    /// that stands before it.
    pub async fn enqueue_many(
        &self,
        requests: Vec<Result<Request, Error>>,
    ) -> Vec<Result<Accepted, Error>> {
        self.engine.enqueue_many(requests).await
    }

    /// Everything known about a task.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn find(&self, id: &TaskId) -> Result<Snapshot, Error> {
        self.engine.find(id).await
    }

    /// What became of a task: `None` while it has not ended.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn result(&self, id: &TaskId) -> Result<Option<Arc<Ended>>, Error> {
        self.engine.result(id).await
    }

    /// Cancels tasks, by id and by tag, and says what that did to each.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`; what was cancelled before that stays cancelled.
    pub async fn cancel(
        &self,
        request: CancelRequest,
    ) -> Result<Vec<(TaskId, CancelVerdict)>, Error> {
        self.engine.cancel(request).await
    }

    /// How many bodies ignored their end for so long that they were given up, and are still there.
    pub fn stuck_bodies(&self) -> usize {
        self.engine.stuck_bodies()
    }

    /// From now on submissions are refused with `DRAINING`; what runs goes on.
    pub fn refuse(&self) {
        self.engine.refuse();
    }

    /// Refuses, lets bodies finish within `patience`, and puts the rest back into their queues.
    /// Answers whether everything finished.
    pub async fn drain(&self, patience: Duration) -> bool {
        self.engine.drain(patience).await
    }

    /// Ends its threads. Does not wait for bodies that are still there.
    pub fn stop(&self) {
        self.engine.stop();
    }
}
