//! Starts services and stops them.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use super::event_loop::EventLoop;
use super::pace::deadline;
use super::service_loop::{FailureHook, ServiceLoop};
use super::{
    BackgroundTask, EventBus, EventTask, ExecutionStatus, Pace, SchedulerError, ServiceFailure,
    ServiceHandle, ServiceId, ServiceRegistry, ShutdownReport,
};

/// The time limit for all services that are still running after `Pace::shutdown_within`.
const LAST_GRACE: Duration = Duration::from_millis(500);

/// Starts services, supervises them and stops them. `E` names the channels of its bus and `M` is the
/// type of their events; the [module](super) has an example.
///
/// Dropping it aborts all services without calling their `shutdown`.
pub struct Scheduler<E, M = String> {
    task_registry: ServiceRegistry,
    event_bus: EventBus<E, M>,
    runtime: Option<Handle>,
    pace: Pace,
    hook: Option<FailureHook>,
}

impl<E, M> Scheduler<E, M> {
    /// A scheduler without services. Services run on the runtime that [`start`](Self::start) is called
    /// on.
    pub fn new(event_bus: EventBus<E, M>) -> Self {
        Self {
            task_registry: ServiceRegistry::default(),
            event_bus,
            runtime: None,
            pace: Pace::default(),
            hook: None,
        }
    }

    /// Runs services on this runtime, which needs its timer.
    #[must_use]
    pub fn on_runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Replaces the time limits and the backoff.
    #[must_use]
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Calls `hook` for every failure of a service, on the service's loop: it must not block.
    #[must_use]
    pub fn on_failure(mut self, hook: impl Fn(&ServiceFailure) + Send + Sync + 'static) -> Self {
        self.hook = Some(Arc::new(hook));
        self
    }

    /// The bus that event tasks subscribe to.
    pub fn event_bus(&self) -> &EventBus<E, M> {
        &self.event_bus
    }

    /// Requests all services to stop at once and does not wait. [`shutdown`](Self::shutdown) stops them
    /// in order and waits.
    pub fn stop(&self) {
        let services = self.task_registry.close();
        // A service that could not begin has nothing to stop.
        let alive = services.iter().filter(|(handle, _)| !handle.status().is_over());
        alive.for_each(|(_, stop)| stop.request());
    }

    /// Drops every service at its current await, without calling its `shutdown`.
    pub fn abort(&self) {
        self.stop();
        self.task_registry.abort_all();
    }

    /// The registered services.
    pub fn task_registry(&self) -> &ServiceRegistry {
        &self.task_registry
    }

    /// The handle of a service.
    ///
    /// # Errors
    /// [`SchedulerError::TaskNotFound`].
    pub fn task(&self, id: ServiceId) -> Result<ServiceHandle, SchedulerError> {
        self.task_registry.task(id)
    }

    /// The handles of all services, in the order of registration.
    pub fn tasks(&self) -> Vec<ServiceHandle> {
        self.task_registry.tasks()
    }

    /// Registers a service that works in turns. After [`start`](Self::start) it begins at once.
    ///
    /// # Errors
    /// [`SchedulerError::ShutDown`], [`SchedulerError::TooManyTasks`].
    pub fn register_background_task(
        &self,
        task: impl BackgroundTask,
    ) -> Result<ServiceHandle, SchedulerError> {
        let service = Box::new(task);
        let (handle, starts) = self.task_registry.add(service, self.pace, self.hook.clone())?;
        if let Some((runtime, ready)) = starts {
            self.spawn(&runtime, handle.id(), ready);
        }
        Ok(handle)
    }

    /// Starts all services, one after the other in the order of registration, and returns when each
    /// runs or has failed. The failure of one does not stop the others.
    ///
    /// # Errors
    /// [`SchedulerError::AlreadyStarted`], [`SchedulerError::ShutDown`];
    /// [`SchedulerError::TaskInitialization`] names the services that failed.
    pub async fn start(&self) -> Result<(), SchedulerError> {
        let runtime = match &self.runtime {
            Some(runtime) => runtime.clone(),
            None => Handle::try_current()
                .map_err(|error| SchedulerError::TaskInitialization(error.to_string()))?,
        };
        let mut started = Vec::new();
        for (handle, ready) in self.task_registry.start(runtime.clone())? {
            self.spawn(&runtime, handle.id(), ready);
            started.push(handle);
        }
        let mut failed = Vec::new();
        for handle in started {
            if handle.started().await == ExecutionStatus::Failed {
                let why = handle.last_error().map_or_else(String::new, |error| error.reason());
                failed.push(format!("{}: {why}", handle.name()));
            }
        }
        match failed.is_empty() {
            true => Ok(()),
            false => Err(SchedulerError::TaskInitialization(failed.join("; "))),
        }
    }

    fn spawn(&self, runtime: &Handle, id: ServiceId, ready: ServiceLoop) {
        let running = runtime.spawn(ready.run());
        self.task_registry.started(id, running.abort_handle());
    }

    /// Graceful shutdown: stops every service, the last one first. The current turn is dropped at its
    /// await, then `shutdown` is called.
    ///
    /// A service that takes longer than [`Pace::stop_within`] is aborted. After
    /// [`Pace::shutdown_within`] all remaining services are stopped at once and aborted 500 ms later.
    /// May be called again, and before the start; each service is reported once.
    pub async fn shutdown(&self) -> ShutdownReport {
        let latest = deadline(self.pace.shutdown_within);
        let mut last = None;
        let mut report = ShutdownReport::default();
        let services = self.task_registry.close();
        for (at, (handle, stop)) in services.iter().enumerate() {
            // It ended by itself, or an earlier report names it.
            if handle.status().is_over() && (stop.is_reported() || !stop.is_requested()) {
                continue;
            }
            if last.is_none() && Instant::now() >= latest {
                // Healthy services must not pay for slow ones.
                services[at..].iter().for_each(|(_, stop)| stop.request());
                last = Some(deadline(LAST_GRACE));
            }
            stop.request();
            // An aborted service is not waited for again.
            let limit = match stop.is_aborted() {
                true => Instant::now(),
                false => last.unwrap_or_else(|| latest.min(deadline(self.pace.stop_within))),
            };
            let ended = timeout_at(limit, handle.ended()).await;
            stop.mark_reported();
            let handle = handle.clone();
            match ended {
                Ok(ExecutionStatus::Stopped) => report.stopped.push(handle),
                Ok(_) if !stop.is_aborted() => report.failed.push(handle),
                // A concurrent shutdown aborted it.
                Ok(_) => report.aborted.push(handle),
                Err(_) => {
                    tracing::error!(service = handle.name(), "service did not stop in time");
                    self.task_registry.abort_one(handle.id());
                    report.aborted.push(handle);
                }
            }
        }
        report
    }
}

impl<E, M> Scheduler<E, M>
where
    E: Debug + Eq + Hash + Send + Sync + 'static,
    M: Clone + Send + 'static,
{
    /// Registers a service that handles the events of one channel, from now on. After
    /// [`start`](Self::start) it begins at once; its channel buffers events that are published before
    /// it begins.
    ///
    /// # Errors
    /// [`SchedulerError::InvalidChannel`], [`SchedulerError::ShutDown`],
    /// [`SchedulerError::TooManyTasks`].
    pub fn register_event_task(
        &self,
        task: impl EventTask<E, M>,
    ) -> Result<ServiceHandle, SchedulerError> {
        let events = self.event_bus.subscribe(task.subscribed_event())?;
        self.register_background_task(EventLoop { task: Box::new(task), events })
    }
}

impl<E, M> Drop for Scheduler<E, M> {
    fn drop(&mut self) {
        self.abort();
    }
}
