//! The supervised loop of one service: initialize, turns with backoff after failures, shutdown.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::panics::{Panic, catch_panic, panic_message};
use super::stop_signal::StopSignal;
use super::{
    BackgroundTask, ExecutionStatus, Pace, SchedulerError, ServiceHandle, ServiceId, ServiceState,
};
use crate::models::{Fact, ServerFact};

/// A failure of a service.
#[derive(Clone, Debug)]
pub struct ServiceFailure {
    /// The service's id.
    pub id: ServiceId,
    /// The service's name.
    pub name: Arc<str>,
    /// What went wrong.
    pub error: SchedulerError,
    /// The number of failed turns in a row; 0 if the failure was not in a turn.
    pub failures: u32,
    /// Whether the service panicked.
    pub panicked: bool,
}

impl ServiceFailure {
    /// The event `observability.service_failed` for this failure.
    pub fn fact(&self) -> Fact {
        Fact::Server(ServerFact::ServiceFailed {
            service: self.name.clone(),
            error: self.error.to_string().into(),
            failures: self.failures,
        })
    }
}

/// Called on the service's loop for each failure.
pub(super) type FailureHook = Arc<dyn Fn(&ServiceFailure) + Send + Sync>;

/// A service that is ready to run.
pub(super) struct ServiceLoop {
    pub(super) service: Box<dyn BackgroundTask>,
    /// The service that was registered before this one, which initializes first.
    pub(super) after: Option<ServiceHandle>,
    pub(super) reporter: StatusReporter,
    pub(super) pace: Pace,
}

impl ServiceLoop {
    /// Runs the service from `initialize` to `shutdown`.
    pub(super) async fn run(self) {
        // Declared before `service`, so dropped after it: the service is gone when its end is reported.
        let mut reporter = self.reporter;
        let mut service = self.service;
        let stop = reporter.stop.clone();
        let initialized = tokio::select! {
            biased;
            () = stop.requested() => None,
            initialized = initialize(&mut *service, self.after, self.pace) => Some(initialized),
        };
        let ended = match initialized {
            // Not initialized, so not shut down.
            None => Ok(()),
            Some(Err(failed)) => Err(failed),
            Some(Ok(())) => {
                reporter.running();
                tokio::select! {
                    biased;
                    () = stop.requested() => {}
                    () = run_turns(&mut *service, &mut reporter, self.pace) => {}
                }
                let ended = catch_panic(service.shutdown()).await;
                flatten(ended, SchedulerError::TaskShutdown)
            }
        };
        drop(service);
        match ended {
            Ok(()) => reporter.ended(ExecutionStatus::Stopped),
            Err((error, panicked)) => {
                reporter.failed(error, panicked);
                reporter.ended(ExecutionStatus::Failed);
            }
        }
    }
}

async fn initialize(
    service: &mut dyn BackgroundTask,
    after: Option<ServiceHandle>,
    pace: Pace,
) -> Result<(), (SchedulerError, bool)> {
    if let Some(after) = after {
        after.started().await;
    }
    let limit = pace.initialize_within;
    match timeout(limit, catch_panic(service.initialize())).await {
        Ok(initialized) => flatten(initialized, SchedulerError::TaskInitialization),
        Err(_) => {
            let why = format!("it did not begin within {limit:?}");
            Err((SchedulerError::TaskInitialization(why), false))
        }
    }
}

async fn run_turns(service: &mut dyn BackgroundTask, reporter: &mut StatusReporter, pace: Pace) {
    // A turn that never awaits cannot be dropped, so the signal is read between turns as well.
    while !reporter.stop.is_requested() {
        match flatten(catch_panic(service.execute()).await, SchedulerError::TaskExecution) {
            Ok(()) => reporter.turn_succeeded(),
            Err((error, panicked)) => {
                let failures = reporter.turn_failed(error, panicked);
                sleep(pace.pause(failures)).await;
            }
        }
        // A service that never awaits must not keep its thread.
        tokio::task::coop::consume_budget().await;
    }
}

/// Merges error and panic; the flag is true for a panic.
fn flatten(
    result: Result<Result<(), SchedulerError>, Panic>,
    kind: fn(String) -> SchedulerError,
) -> Result<(), (SchedulerError, bool)> {
    match result {
        Ok(result) => result.map_err(|error| (error, false)),
        Err(Panic(why)) => Err((kind(format!("panicked: {why}")), true)),
    }
}

/// Publishes the state of a service to its handle, the log and the failure hook.
pub(super) struct StatusReporter {
    pub(super) id: ServiceId,
    pub(super) name: Arc<str>,
    pub(super) state: watch::Sender<ServiceState>,
    pub(super) hook: Option<FailureHook>,
    pub(super) stop: Arc<StopSignal>,
    /// A copy of the published count, so that a turn that follows a good turn costs nothing.
    pub(super) failures: u32,
}

impl StatusReporter {
    fn running(&self) {
        tracing::debug!(service = %self.name, "service started");
        self.state.send_modify(|state| state.status = ExecutionStatus::Running);
    }

    fn turn_succeeded(&mut self) {
        if self.failures > 0 {
            tracing::info!(service = %self.name, failures = self.failures, "service recovered");
            self.failures = 0;
            self.state.send_modify(|state| state.failures = 0);
        }
    }

    /// Returns the number of failed turns in a row.
    fn turn_failed(&mut self, error: SchedulerError, panicked: bool) -> u32 {
        self.failures = self.failures.saturating_add(1);
        self.failed(error, panicked);
        self.failures
    }

    fn failed(&self, error: SchedulerError, panicked: bool) {
        let failures = self.failures;
        tracing::warn!(service = %self.name, %error, failures, panicked, "service failed");
        let failure = ServiceFailure {
            id: self.id,
            name: self.name.clone(),
            error: error.clone(),
            failures,
            panicked,
        };
        self.state.send_modify(|state| {
            state.failures = failures;
            state.last_error = Some(error);
        });
        let Some(hook) = &self.hook else { return };
        // A hook that panics must not end the service.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| hook(&failure))) {
            let why = panic_message(&*panic);
            tracing::error!(service = %self.name, why, "the failure hook of a service panicked");
        }
    }

    fn ended(&self, status: ExecutionStatus) {
        tracing::debug!(service = %self.name, ?status, "service ended");
        self.state.send_modify(|state| state.status = status);
    }
}

impl Drop for StatusReporter {
    /// Reports the end of a loop that was dropped, by an abort or with its runtime.
    fn drop(&mut self) {
        if self.state.borrow().status.is_over() {
            return;
        }
        let why = if std::thread::panicking() {
            "its loop panicked"
        } else if self.stop.is_aborted() {
            "it did not stop in time and was aborted"
        } else if self.stop.is_requested() {
            return self.ended(ExecutionStatus::Stopped);
        } else {
            "its runtime is gone"
        };
        let error = SchedulerError::TaskShutdown(why.to_owned());
        self.failed(error, std::thread::panicking());
        self.ended(ExecutionStatus::Failed);
    }
}
