//! The registered services of a scheduler.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::service_loop::{FailureHook, ServiceLoop, StatusReporter};
use super::stop_signal::StopSignal;
use super::{
    BackgroundTask, ExecutionStatus, Pace, SchedulerError, ServiceHandle, ServiceId, ServiceState,
};

/// The maximum number of services of one scheduler, ended ones included.
pub const MAX_SERVICES: usize = 4_096;

/// The services of a scheduler, in the order of registration. A running service is owned by its
/// loop; the registry has its handle and its stop signal.
#[derive(Default)]
pub struct ServiceRegistry(Mutex<Registry>);

#[derive(Default)]
struct Registry {
    phase: Phase,
    entries: Vec<Entry>,
}

#[derive(Default)]
enum Phase {
    #[default]
    Idle,
    /// All services run on this runtime.
    Started(Handle),
    /// A shutdown was requested; nothing is registered any more.
    Over,
}

struct Entry {
    handle: ServiceHandle,
    stop: Arc<StopSignal>,
    /// `Some` until the service starts.
    waiting: Option<ServiceLoop>,
    abort: Option<AbortHandle>,
}

impl Registry {
    fn find(&self, id: ServiceId) -> Option<usize> {
        self.entries.binary_search_by_key(&id, |entry| entry.handle.id()).ok()
    }

    /// The entry of a service that [`ServiceRegistry::add`] returned.
    fn entry(&mut self, id: ServiceId) -> &mut Entry {
        let at = self.find(id).expect("services are never removed");
        &mut self.entries[at]
    }
}

impl ServiceRegistry {
    /// The handle of a service.
    ///
    /// # Errors
    /// [`SchedulerError::TaskNotFound`].
    pub fn task(&self, id: ServiceId) -> Result<ServiceHandle, SchedulerError> {
        let registry = self.0.lock();
        let at = registry.find(id).ok_or(SchedulerError::TaskNotFound(id))?;
        Ok(registry.entries[at].handle.clone())
    }

    /// All handles, in the order of registration.
    pub fn tasks(&self) -> Vec<ServiceHandle> {
        self.0.lock().entries.iter().map(|entry| entry.handle.clone()).collect()
    }

    /// Registers a service. If the scheduler has started, also returns its loop and the runtime, and
    /// the caller spawns it.
    pub(super) fn add(
        &self,
        service: Box<dyn BackgroundTask>,
        pace: Pace,
        hook: Option<FailureHook>,
    ) -> Result<(ServiceHandle, Option<(Handle, ServiceLoop)>), SchedulerError> {
        let name: Arc<str> = service.name().into();
        let idle = ServiceState { status: ExecutionStatus::Idle, failures: 0, last_error: None };
        let (state, seen) = watch::channel(idle);
        let stop = Arc::new(StopSignal::default());
        let mut registry = self.0.lock();
        let runtime = match &registry.phase {
            Phase::Idle => None,
            Phase::Started(runtime) => Some(runtime.clone()),
            Phase::Over => return Err(SchedulerError::ShutDown),
        };
        if registry.entries.len() == MAX_SERVICES {
            return Err(SchedulerError::TooManyTasks);
        }
        // Under the lock, so that ids ascend in the order of the entries.
        let id = ServiceId::next();
        let handle = ServiceHandle::new(id, name.clone(), seen);
        let after = registry.entries.last().map(|entry| entry.handle.clone());
        let reporter = StatusReporter { id, name, state, hook, stop: stop.clone(), failures: 0 };
        let ready = ServiceLoop { service, after, reporter, pace };
        let (waiting, starts) = match runtime {
            None => (Some(ready), None),
            Some(runtime) => (None, Some((runtime, ready))),
        };
        registry.entries.push(Entry { handle: handle.clone(), stop, waiting, abort: None });
        Ok((handle, starts))
    }

    /// Marks the scheduler as started and returns all services that wait, in order; the caller spawns
    /// them.
    pub(super) fn start(
        &self,
        runtime: Handle,
    ) -> Result<Vec<(ServiceHandle, ServiceLoop)>, SchedulerError> {
        let mut registry = self.0.lock();
        match registry.phase {
            Phase::Idle => registry.phase = Phase::Started(runtime),
            Phase::Started(_) => return Err(SchedulerError::AlreadyStarted),
            Phase::Over => return Err(SchedulerError::ShutDown),
        }
        let entries = registry.entries.iter_mut();
        Ok(entries.filter_map(|it| Some((it.handle.clone(), it.waiting.take()?))).collect())
    }

    /// Records how to abort a service that was spawned.
    pub(super) fn started(&self, id: ServiceId, abort: AbortHandle) {
        let mut registry = self.0.lock();
        let entry = registry.entry(id);
        if entry.stop.is_aborted() {
            abort.abort();
        }
        entry.abort = Some(abort);
    }

    /// Closes the registry. Returns every service with its stop signal, the last one first.
    pub(super) fn close(&self) -> Vec<(ServiceHandle, Arc<StopSignal>)> {
        let (never_started, services): (Vec<_>, Vec<_>) = {
            let mut registry = self.0.lock();
            registry.phase = Phase::Over;
            let entries = registry.entries.iter_mut().rev();
            let ended = entries.map(|entry| {
                if entry.waiting.is_some() {
                    entry.stop.request();
                }
                (entry.waiting.take(), (entry.handle.clone(), entry.stop.clone()))
            });
            ended.unzip()
        };
        // Dropped outside the lock: dropping a service runs its code.
        drop(never_started);
        services
    }

    /// Aborts a service that did not stop: its loop is dropped where it awaits.
    pub(super) fn abort_one(&self, id: ServiceId) {
        let mut registry = self.0.lock();
        let entry = registry.entry(id);
        entry.stop.mark_aborted();
        if let Some(abort) = &entry.abort {
            abort.abort();
        }
    }

    /// Aborts all services.
    pub(super) fn abort_all(&self) {
        for abort in self.0.lock().entries.iter().filter_map(|entry| entry.abort.as_ref()) {
            abort.abort();
        }
    }
}
