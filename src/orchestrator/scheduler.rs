//! Starts services and stops them.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use super::life::{Hook, Life};
use super::pace::after;
use super::registry::Started;
use super::work::Work;
use super::{
    BackgroundTask, EventTask, ExecutionStatus, Pace, SchedulerError, ServiceFailure,
    ShutdownReport, TaskHandle, TaskId, TaskRegistry,
};
use crate::events::EventBus;

/// How long those have who are told to stop only when the time of all is up. They share it.
const LAST_GRACE: Duration = Duration::from_millis(500);

/// Starts services, keeps them going and stops them. `E` names the channels of its bus, `M` is what is
/// sent there; see the [module](super) for an example.
///
/// Dropping it aborts whatever still runs, without the services' `shutdown`.
pub struct Scheduler<E, M = String> {
    task_registry: TaskRegistry<E, M>,
    event_bus: EventBus<E, M>,
    runtime: Option<Handle>,
    pace: Pace,
    hook: Option<Hook>,
}

impl<E, M> Scheduler<E, M> {
    /// One that has started nothing. Services will run on the runtime on which they are started.
    pub fn new(event_bus: EventBus<E, M>) -> Self {
        Self {
            task_registry: TaskRegistry::default(),
            event_bus,
            runtime: None,
            pace: Pace::default(),
            hook: None,
        }
    }

    /// With services that run on this runtime. It needs its timer.
    #[must_use]
    pub fn on_runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// With other times.
    #[must_use]
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Who is told of every failure of a service. Called where the service runs, so it must not block.
    #[must_use]
    pub fn on_failure(mut self, told: impl Fn(&ServiceFailure) + Send + Sync + 'static) -> Self {
        self.hook = Some(Arc::new(told));
        self
    }

    /// Where its event tasks get their events.
    pub fn event_bus(&self) -> &EventBus<E, M> {
        &self.event_bus
    }

    /// Tells every service to stop, all at once, and waits for none: [`shutdown`](Self::shutdown)
    /// does, in order.
    pub fn stop(&self) {
        let services = self.task_registry.end();
        // What could not begin has nothing to end.
        let alive = services.iter().filter(|service| !service.handle.status().is_over());
        alive.for_each(|service| service.ending.tell());
    }

    /// Drops every service where it awaits, without its `shutdown`.
    pub fn abort(&self) {
        self.stop();
        self.task_registry.abort();
    }

    /// Who is registered.
    pub fn task_registry(&self) -> &TaskRegistry<E, M> {
        &self.task_registry
    }

    /// What is known of a task.
    ///
    /// # Errors
    /// [`SchedulerError::TaskNotFound`].
    pub fn task(&self, id: TaskId) -> Result<TaskHandle, SchedulerError> {
        self.task_registry.task(id)
    }

    /// All tasks, in the order in which they were registered.
    pub fn tasks(&self) -> Vec<TaskHandle> {
        self.task_registry.tasks()
    }
}

impl<E, M> Scheduler<E, M>
where
    E: Debug + Eq + Hash + Send + Sync + 'static,
    M: Clone + Send + 'static,
{
    /// Takes in a service that works in turns. After [`start`](Self::start) it begins at once.
    ///
    /// # Errors
    /// [`SchedulerError::ShutDown`], [`SchedulerError::TooManyTasks`].
    pub fn register_background_task(
        &self,
        task: impl BackgroundTask,
    ) -> Result<TaskHandle, SchedulerError> {
        let name = task.name().into();
        self.register(Work::Background(Box::new(task)), name)
    }

    /// Takes in a service that is told of events, from now on. After [`start`](Self::start) it begins at
    /// once; what is published before it begins is kept for it as far as its channel keeps anything.
    ///
    /// # Errors
    /// [`SchedulerError::InvalidChannel`], [`SchedulerError::ShutDown`],
    /// [`SchedulerError::TooManyTasks`].
    pub fn register_event_task(
        &self,
        task: impl EventTask<E, M>,
    ) -> Result<TaskHandle, SchedulerError> {
        let name = task.name().into();
        let events = self.event_bus.subscribe(task.subscribed_event())?;
        self.register(Work::Events(Box::new(task), events), name)
    }

    fn register(&self, work: Work<E, M>, name: Arc<str>) -> Result<TaskHandle, SchedulerError> {
        let (handle, begins) = self.task_registry.add(work, name, self.pace, self.hook.clone())?;
        if let Some((runtime, life)) = begins {
            self.begin(&runtime, handle.id(), life);
        }
        Ok(handle)
    }

    /// Begins with every service, one after the other in the order in which they were registered, and
    /// returns when each has begun or could not. Those that could not are `Failed`; the others run.
    ///
    /// # Errors
    /// [`SchedulerError::AlreadyStarted`], [`SchedulerError::ShutDown`];
    /// [`SchedulerError::TaskInitialization`] names those that could not begin.
    pub async fn start(&self) -> Result<(), SchedulerError> {
        let runtime = match &self.runtime {
            Some(runtime) => runtime.clone(),
            None => Handle::try_current()
                .map_err(|error| SchedulerError::TaskInitialization(error.to_string()))?,
        };
        let mut started = Vec::new();
        for (task, life) in self.task_registry.start(runtime.clone())? {
            self.begin(&runtime, task.id(), life);
            started.push(task);
        }
        let mut failed = Vec::new();
        for task in started {
            if task.begun().await == ExecutionStatus::Failed {
                let why = task.last_error().map_or_else(String::new, |error| error.reason());
                failed.push(format!("{}: {why}", task.name()));
            }
        }
        match failed.is_empty() {
            true => Ok(()),
            false => Err(SchedulerError::TaskInitialization(failed.join("; "))),
        }
    }

    fn begin(&self, runtime: &Handle, id: TaskId, life: Life<E, M>) {
        let running = runtime.spawn(life.live());
        self.task_registry.started(id, running.abort_handle());
    }

    /// Stops every service, the last one first: its turn is dropped where it awaits, and its `shutdown`
    /// called. One that takes longer than [`Pace::stop_within`] is aborted. When
    /// [`Pace::shutdown_within`] is over, all that are left are told at once, and aborted half a second
    /// later. May be called again, and before the start; how a service ended is reported once.
    pub async fn shutdown(&self) -> ShutdownReport {
        let latest = after(self.pace.shutdown_within);
        let mut last = None;
        let mut report = ShutdownReport::default();
        let services = self.task_registry.end();
        for (at, Started { handle, ending }) in services.iter().enumerate() {
            // It ended by itself, or somebody was told how.
            if handle.status().is_over() && (ending.is_reported() || !ending.is_told()) {
                continue;
            }
            if last.is_none() && Instant::now() >= latest {
                // Those who are well are not to pay for the others.
                services[at..].iter().for_each(|service| service.ending.tell());
                last = Some(after(LAST_GRACE));
            }
            ending.tell();
            // Who was given up before is not waited for again.
            let patience = match ending.is_given_up() {
                true => Instant::now(),
                false => last.unwrap_or_else(|| latest.min(after(self.pace.stop_within))),
            };
            let ended = timeout_at(patience, handle.ended()).await;
            ending.report();
            let handle = handle.clone();
            match ended {
                Ok(ExecutionStatus::Stopped) => report.stopped.push(handle),
                Ok(_) if !ending.is_given_up() => report.failed.push(handle),
                // Somebody else who shuts down has given it up.
                Ok(_) => report.aborted.push(handle),
                Err(_) => {
                    tracing::error!(service = handle.name(), "a service does not stop");
                    self.task_registry.give_up(handle.id());
                    report.aborted.push(handle);
                }
            }
        }
        report
    }
}

impl<E, M> Drop for Scheduler<E, M> {
    fn drop(&mut self) {
        self.abort();
    }
}
