//! The facade: one running system and the parts of its API.
//!
//! Owns what needs several modules: putting a system together, its services, and graceful shutdown.
//! Each part documents its own operations: [tasks and queues](Engine), [schedules](Schedules),
//! [webhooks](Webhooks), [monitoring](Monitor). Knows no protocol and no flags.

mod builder;
mod events;
mod services;
mod subscribers;

use std::sync::Arc;
use std::time::Duration;

use crate::cache::ResultsCache;
pub use builder::Builder;
pub use events::{SubscriberKind, SubscriberRow};
use services::Services;

use crate::engine::{self, Engine};
pub use crate::engine::{Watch, Workers, deliver_here};
use crate::error::Error;
pub use crate::events::catalog::{self, EventInfo};
pub use crate::events::{Announced, EventCursor, EventStream, StreamItem};
use crate::events::{Announcer, Subscribers};
use crate::monitor::{Counts, Monitor};
pub use crate::monitor::{
    Health, MethodStatistics, Percentiles, QueueStatistics, Rates, Service, Statistics, Totals,
};
pub use crate::orchestrator::ExecutionStatus;
use crate::schedules::Schedules;
pub use crate::schedules::{RuleRequest, STANDARD_CATCH_UP, ScheduleRequest, at_field, next_times};
pub use crate::store::QueueState;
use crate::store::{self, Store};
pub use crate::tasks::{HandlerKind, MAX_RESULT_BYTES, Method};
use crate::tasks::{TaskHandler, TaskRegistry};
use crate::webhooks::Webhooks;
pub use crate::webhooks::{QUEUE_PREFIX as WEBHOOK_QUEUE_PREFIX, WebhookRequest, WebhookStatus};
use subscribers::Subscriptions;

/// A running task system. Cheap to clone; all clones are the same system.
///
/// A program can embed one without opening a port:
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
/// // Every acknowledged task survives: the next process finds it in the same directory.
/// let system = TaskSystem::in_directory(dir).handler(greet).start().await?;
/// let tasks = system.tasks();
///
/// let ended = tasks.submit(Request::of("shop/greet").arg("world")).await?;
/// assert_eq!(ended.outcome.result().unwrap().to_string(), "hello, world");
///
/// let later = tasks.enqueue(Request::of("add").arg(1).arg(2)).await?;
/// let ended = tasks.wait(&later.id, Duration::from_secs(10)).await?.unwrap();
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
    schedules: Schedules,
    webhooks: Webhooks,
    subscribers: Subscribers,
    services: Arc<Services>,
    monitor: Monitor,
}

/// The parts of a system.
pub struct Parts {
    /// The engine's settings.
    pub options: engine::Options,
    /// The methods that the system can run.
    pub registry: Arc<TaskRegistry>,
    /// The results cache.
    pub cache: Arc<ResultsCache>,
    /// The store for durable tasks.
    pub store: Arc<dyn Store>,
    /// Publishes events, from the first one on.
    pub announcer: Arc<Announcer>,
    /// The subscribers in this program.
    pub subscribers: Subscribers,
}

/// Stops the engine if the start fails or its future is dropped.
struct StopUnlessStarted(Option<Engine>);

impl StopUnlessStarted {
    fn started(mut self) {
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
    /// Opens the store and starts a system.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE` if the store cannot be opened, `INTERNAL` if threads cannot be started,
    /// `INVALID_ARGUMENT` if the announcer served a system that has stopped.
    pub async fn start(
        options: engine::Options,
        registry: Arc<TaskRegistry>,
        cache: Arc<ResultsCache>,
        store: Arc<dyn Store>,
    ) -> Result<Self, Error> {
        let (announcer, subscribers) = (Arc::default(), Subscribers::default());
        Self::start_with(Parts { options, registry, cache, store, announcer, subscribers }).await
    }

    /// Like [`start`](Self::start), with an announcer and subscribers.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub async fn start_with(parts: Parts) -> Result<Self, Error> {
        let system = Self::prepare(parts).await?;
        system.start_services().await;
        Ok(system)
    }

    /// Like [`start_with`](Self::start_with), without starting the services: schedules that are defined
    /// before [`start_services`](Self::start_services) are in force when the first one fires.
    pub(crate) async fn prepare(parts: Parts) -> Result<Self, Error> {
        let Parts { options, registry, cache, store, announcer, subscribers } = parts;
        if announcer.is_closed() {
            let why = "it served a system that has stopped; give each system its own announcer";
            return Err(Error::invalid("announcer", why));
        }
        let store_properties = store.properties();
        // Before the engine starts: its first events are for subscribers, too.
        let subscriptions = Subscriptions::open(subscribers.list(), &announcer);
        let (methods, results) = (registry.clone(), cache.clone());
        let counts = Arc::new(Counts::default());
        announcer.add_observer(counts.clone());
        let engine = Engine::start(options, methods, results, store, announcer.clone()).await?;
        let unless_started = StopUnlessStarted(Some(engine.clone()));
        let webhooks = Webhooks::of(engine.clone()).await?;
        registry.replace_handler(webhooks.handler())?;
        engine.methods_changed();
        let services = Services::new(&engine, &announcer, subscriptions, &webhooks)?;
        let monitor = Monitor::new(counts, engine.clone(), store_properties);
        unless_started.started();
        Ok(Self {
            schedules: Schedules::new(engine.clone()),
            engine,
            registry,
            cache,
            store: store_properties,
            announcer,
            webhooks,
            subscribers,
            services,
            monitor,
        })
    }

    /// Starts the services of a [prepared](Self::prepare) system. Call it once.
    pub(crate) async fn start_services(&self) {
        self.services.start().await;
    }

    /// Tasks and queues: submit, enqueue, wait, cancel, retry, pause and more.
    pub fn tasks(&self) -> &Engine {
        &self.engine
    }

    /// Schedules: define, enable, trigger and more.
    pub fn schedules(&self) -> &Schedules {
        &self.schedules
    }

    /// Webhooks: create, list, delete.
    pub fn webhooks(&self) -> &Webhooks {
        &self.webhooks
    }

    /// Statistics of tasks, queues and methods. [`health`](Self::health) judges the whole system.
    pub fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// Publishes the system's events.
    pub fn announcer(&self) -> &Arc<Announcer> {
        &self.announcer
    }

    /// The methods that the system can run.
    pub fn registry(&self) -> &Arc<TaskRegistry> {
        &self.registry
    }

    /// The results cache.
    pub fn cache(&self) -> &Arc<ResultsCache> {
        &self.cache
    }

    /// The properties of the store for durable tasks.
    pub fn store(&self) -> store::Properties {
        self.store
    }

    /// Registers a method on the running system. Tasks that waited for the method become claimable.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if the handler's name is malformed or taken.
    #[track_caller]
    pub fn register_handler(&self, handler: Arc<dyn TaskHandler>) -> Result<Arc<Method>, Error> {
        let method = self.registry.register_handler(handler)?;
        self.engine.methods_changed();
        Ok(method)
    }

    /// Refuses new tasks with `DRAINING` from now on. Running tasks continue; schedules and webhooks
    /// create no tasks any more.
    pub fn refuse(&self) {
        self.services.refuse();
        self.engine.refuse();
    }

    /// Refuses new tasks, lets running handlers finish within `limit` and requeues the rest. Then stops
    /// all services except the engine's. Returns whether all handlers finished.
    pub async fn drain(&self, limit: Duration) -> bool {
        self.refuse();
        let (finished, ()) = tokio::join!(self.engine.drain(limit), self.services.stop_producers());
        self.services.stop_watchers().await;
        finished
    }

    /// Graceful shutdown: [drains](Self::drain), then [stops](Self::stop). Returns whether all handlers
    /// finished within `limit`.
    pub async fn shutdown(&self, limit: Duration) -> bool {
        let finished = self.drain(limit).await;
        self.stop();
        finished
    }

    /// Ends the system's threads at once, without waiting for running handlers and services.
    pub fn stop(&self) {
        self.announcer.close();
        self.services.stop();
        self.engine.stop();
    }
}
