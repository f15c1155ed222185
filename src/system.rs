//! The facade: everything that a door may ask for, in one place.
//!
//! Knows no protocol and no flags.

mod builder;
mod events;
pub mod monitor;
mod schedules;
mod services;
mod subscribers;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use crate::cache::ResultsCache;
pub use builder::Builder;
pub use events::{SubscriberKind, SubscriberRow};
pub use schedules::next_times;
use services::Services;

use crate::engine::{self, Engine};
pub use crate::engine::{Watch, Workers, deliver_here};
use crate::error::Error;
pub use crate::events::catalog::{self, EventInfo};
pub use crate::events::{Announced, EventCursor, EventStream, StreamItem};
use crate::events::{Announcer, Subscribers};
use crate::models::{
    Accepted, AdminResult, ArgValue, CancelRequest, CancelVerdict, Ended, LogLine, Purged,
    QueueLimits, QueueName, Request, Sequence, Snapshot, TaskFilter, TaskId, TaskPage, WatchCursor,
};
use crate::monitor::{Counts, Monitor};
pub use crate::orchestrator::ExecutionStatus;
pub use crate::schedules::{RuleRequest, STANDARD_CATCH_UP, ScheduleRequest};
pub use crate::store::QueueState;
use crate::store::{self, Store};
pub use crate::tasks::{HandlerKind, MAX_RESULT_BYTES, Method};
use crate::tasks::{TaskHandler, TaskRegistry};
use crate::webhooks::Webhooks;
pub use crate::webhooks::{
    Draft as WebhookRequest, QUEUE_PREFIX as WEBHOOK_QUEUE_PREFIX, Status as WebhookStatus,
};
use subscribers::Listening;

/// A running task system. Cheap to clone; all clones are the same system.
///
/// A program can have one inside, without a port:
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// use std::time::Duration;
/// use task_scheduler::models::Request;
/// use task_scheduler::TaskSystem;
/// use task_scheduler::tasks::make_async_handler;
///
/// let greet = make_async_handler("shop/greet", |ctx, args| async move {
///     ctx.log_info("greeting");
///     Ok(format!("hello, {}", args[0]).into())
/// });
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// // What it has answered is there when the next process opens the same directory.
/// let system = TaskSystem::in_directory(dir).handler(greet).start().await?;
///
/// let ended = system.submit(Request::of("shop/greet").arg("world")).await?;
/// assert_eq!(ended.outcome.result().unwrap().to_string(), "hello, world");
///
/// let later = system.enqueue(Request::of("add").arg(1).arg(2)).await?;
/// let ended = system.wait(&later.id, Duration::from_secs(10)).await?.unwrap();
/// assert_eq!(ended.outcome.result().unwrap().to_string(), "3");
///
/// assert!(system.shutdown(Duration::from_secs(10)).await);
/// # Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct TaskSystem {
    engine: Engine,
    registry: Arc<TaskRegistry>,
    cache: Arc<ResultsCache>,
    store: store::Properties,
    announcer: Arc<Announcer>,
    webhooks: Webhooks,
    subscribers: Subscribers,
    services: Arc<Services>,
    monitor: Monitor,
}

/// What a system is put together of.
pub struct Parts {
    /// How it works.
    pub options: engine::Options,
    /// What it can run.
    pub registry: Arc<TaskRegistry>,
    /// The results that it remembers.
    pub cache: Arc<ResultsCache>,
    /// What keeps its durable tasks.
    pub store: Arc<dyn Store>,
    /// Tells whoever listens of what happens, from the first event on.
    pub announcer: Arc<Announcer>,
    /// Code that is told of it, too.
    pub subscribers: Subscribers,
}

/// Stops the engine of a start that comes to nothing, whether it fails or nobody waits for it.
struct StopUnlessStarted(Option<Engine>);

impl StopUnlessStarted {
    fn it_started(mut self) {
        self.0 = None;
    }
}

impl Drop for StopUnlessStarted {
    fn drop(&mut self) {
        if let Some(engine) = self.0.take() {
            engine.stop();
        }
    }
}

impl TaskSystem {
    /// Opens the store and begins to work.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE` when the store cannot be opened, `INTERNAL` when threads cannot be had,
    /// `INVALID_ARGUMENT` when the announcer has served a system that has stopped.
    pub async fn start(
        options: engine::Options,
        registry: Arc<TaskRegistry>,
        cache: Arc<ResultsCache>,
        store: Arc<dyn Store>,
    ) -> Result<Self, Error> {
        let (announcer, subscribers) = (Arc::default(), Subscribers::default());
        Self::start_with(Parts { options, registry, cache, store, announcer, subscribers }).await
    }

    /// The same, of everything that there can be.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(parts: Parts) -> Result<Self, Error> {
        let system = Self::prepare(parts).await?;
        system.begin().await;
        Ok(system)
    }

    /// The same, but its services do nothing before they [begin](Self::begin): what the system is
    /// told until then is there when the first schedule runs.
    pub(crate) async fn prepare(parts: Parts) -> Result<Self, Error> {
        let Parts { options, registry, cache, store, announcer, subscribers } = parts;
        if announcer.is_closed() {
            let why = "it told of a system that has stopped; give each system one of its own";
            return Err(Error::invalid("announcer", why));
        }
        let kept = store.properties();
        // Before the engine starts, so that they are told of that, too.
        let listening = Listening::begin(subscribers.list(), &announcer);
        let (methods, results) = (registry.clone(), cache.clone());
        let counts = Arc::new(Counts::default());
        announcer.add_observer(counts.clone());
        let engine = Engine::start(options, methods, results, store, announcer.clone()).await?;
        let unless_started = StopUnlessStarted(Some(engine.clone()));
        let webhooks = Webhooks::of(engine.clone()).await?;
        registry.replace_handler(webhooks.handler())?;
        engine.methods_changed();
        let services = Services::new(&engine, &announcer, listening, &webhooks)?;
        let monitor = Monitor::new(counts, engine.clone(), kept);
        unless_started.it_started();
        Ok(Self {
            engine,
            registry,
            cache,
            store: kept,
            announcer,
            webhooks,
            subscribers,
            services,
            monitor,
        })
    }

    /// Has its services begin. For whoever [prepared](Self::prepare) it, once.
    pub(crate) async fn begin(&self) {
        self.services.begin().await;
    }

    /// Tells whoever listens of what happens.
    pub fn announcer(&self) -> &Arc<Announcer> {
        &self.announcer
    }

    /// The methods that it can run.
    pub fn registry(&self) -> &Arc<TaskRegistry> {
        &self.registry
    }

    /// The results that it remembers.
    pub fn cache(&self) -> &Arc<ResultsCache> {
        &self.cache
    }

    /// What keeps its durable tasks.
    pub fn store(&self) -> store::Properties {
        self.store
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

    /// Waits until a task has ended, but no longer than `patience`: `None` then.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn wait(&self, id: &TaskId, patience: Duration) -> Result<Option<Arc<Ended>>, Error> {
        self.engine.wait(id, patience).await
    }

    /// What happens to a task from `cursor` on, as it happens.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn watch(&self, id: &TaskId, cursor: WatchCursor) -> Result<Watch, Error> {
        self.engine.watch(id, cursor).await
    }

    /// Tasks that match, newest first, from before `before` on, at most `limit`. A page can be short
    /// although there are more: ask again from [`TaskPage::next`] on.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn list(
        &self,
        filter: &TaskFilter,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<TaskPage, Error> {
        self.engine.list(filter, before, limit).await
    }

    /// Up to `limit` lines of a task's log whose numbers are greater than `after`.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn logs(&self, id: &TaskId, after: u32, limit: usize) -> Result<Vec<LogLine>, Error> {
        self.engine.logs(id, after, limit).await
    }

    /// Cancels tasks, by id and by what they are, and says what that did to each.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`; what was cancelled before that stays cancelled.
    pub async fn cancel(
        &self,
        request: CancelRequest,
    ) -> Result<Vec<(TaskId, CancelVerdict)>, Error> {
        self.engine.cancel(request).await
    }

    /// Runs a task that has ended once more, with all its retries. Dependants that had ended only
    /// because of it wait for it again.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `WRONG_STATE`, `DEPENDENCY_UNMET`, `UNIQUE_TAKEN`, `STORE_UNAVAILABLE`.
    pub async fn retry_task(&self, id: &TaskId, reason: String) -> Result<AdminResult, Error> {
        self.engine.retry(id, reason).await
    }

    /// Gives a task that has ended a result by hand. Dependants that had ended only because of it go
    /// on.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `WRONG_STATE`, `STORE_UNAVAILABLE`.
    pub async fn resolve(
        &self,
        id: &TaskId,
        result: ArgValue,
        reason: String,
    ) -> Result<AdminResult, Error> {
        self.engine.resolve(id, result, reason).await
    }

    /// Forgets tasks that have ended, by id and by what they are.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`; what was forgotten before that is forgotten.
    pub async fn purge(
        &self,
        ids: Vec<TaskId>,
        matching: Option<TaskFilter>,
    ) -> Result<Purged, Error> {
        self.engine.purge(ids, matching).await
    }

    /// Takes tasks in that run one after the other; each gets the result of the one before it as its
    /// first argument. If one is refused, those that came in before it are taken back, as far as
    /// they have not started.
    ///
    /// # Errors
    /// The refusals: see [`Code`](crate::error::Code).
    pub async fn chain(&self, tasks: Vec<Request>) -> Result<Vec<TaskId>, Error> {
        self.engine.chain(tasks).await
    }

    /// Takes tasks in that run side by side, and perhaps one that gets the list of all their results as
    /// its first argument. If one is refused, those that came in before it are taken back, as far as
    /// they have not started.
    ///
    /// # Errors
    /// The refusals: see [`Code`](crate::error::Code).
    pub async fn group(
        &self,
        tasks: Vec<Request>,
        callback: Option<Request>,
    ) -> Result<(Vec<TaskId>, Option<TaskId>), Error> {
        self.engine.group(tasks, callback).await
    }

    /// Queues that hold something or were decided about, by name.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn queues(&self) -> Result<Vec<QueueState>, Error> {
        let queues = self.engine.queues().await?;
        Ok(queues.into_iter().filter(QueueState::is_in_use).collect())
    }

    /// Lets nothing more of a queue start. What runs goes on.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`, `QUEUE_FULL`.
    pub async fn pause(&self, queue: &QueueName) -> Result<QueueState, Error> {
        self.engine.pause(queue, true).await
    }

    /// Lets a queue that was paused go on.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`, `QUEUE_FULL`.
    pub async fn resume(&self, queue: &QueueName) -> Result<QueueState, Error> {
        self.engine.pause(queue, false).await
    }

    /// Replaces what a queue allows.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, `STORE_UNAVAILABLE`, `QUEUE_FULL`.
    pub async fn limit(&self, queue: &QueueName, limits: QueueLimits) -> Result<QueueState, Error> {
        self.engine.limit(queue, limits).await
    }

    /// How many bodies ignored their end for so long that they were given up, and are still there.
    pub fn stuck_bodies(&self) -> usize {
        self.engine.stuck_bodies()
    }

    /// From now on submissions are refused with `DRAINING`; what runs goes on. Services that make tasks
    /// make none any more.
    pub fn refuse(&self) {
        self.services.refuse();
        self.engine.refuse();
    }

    /// Refuses, lets bodies finish within `patience`, and puts the rest back into their queues.
    /// Then its services stop, but the engine's. Answers whether everything finished.
    pub async fn drain(&self, patience: Duration) -> bool {
        self.refuse();
        let (finished, ()) = tokio::join!(self.engine.drain(patience), self.services.makers_end());
        self.services.watchers_end().await;
        finished
    }

    /// [Drains](Self::drain) and [stops](Self::stop). Answers whether everything finished within
    /// `patience`.
    pub async fn shutdown(&self, patience: Duration) -> bool {
        let finished = self.drain(patience).await;
        self.stop();
        finished
    }

    /// Ends its threads. Does not wait for bodies that are still there, nor for services.
    pub fn stop(&self) {
        self.announcer.close();
        self.services.stop();
        self.engine.stop();
    }
}
