//! The life of one service, in its own loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::catching::{Panic, catching};
use super::work::Work;
use super::{ExecutionStatus, Pace, SchedulerError, ServiceState, TaskHandle, TaskId};

/// Something that a service did not do.
#[derive(Clone, Debug)]
pub struct ServiceFailure {
    /// Which service.
    pub task: TaskId,
    /// Its name.
    pub name: Arc<str>,
    /// What went wrong.
    pub error: SchedulerError,
    /// How many turns have failed in a row; 0 when it was not a turn.
    pub failures: u32,
    /// It panicked.
    pub panicked: bool,
}

/// Who is told of failures. Called on the loop of the service that failed.
pub(super) type Hook = Arc<dyn Fn(&ServiceFailure) + Send + Sync>;

/// How whoever started a life ends it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ending {
    /// It is told to stop.
    pub(super) stop: CancellationToken,
    /// It did not, and is dropped.
    pub(super) given_up: Arc<AtomicBool>,
}

/// A life before it begins.
pub(super) struct Life<E, M> {
    pub(super) work: Work<E, M>,
    /// The one who begins before it.
    pub(super) after: Option<TaskHandle>,
    pub(super) telling: Telling,
    pub(super) pace: Pace,
}

impl<E, M> Life<E, M>
where
    E: Send + 'static,
    M: Clone + Send + 'static,
{
    /// The whole of it.
    pub(super) async fn live(self) {
        // The service is gone before anybody is told of its end: dropped last, declared first.
        let mut telling = self.telling;
        let mut work = self.work;
        let stop = telling.ending.stop.clone();
        let begun = stop.run_until_cancelled(begin(&mut work, self.after, self.pace)).await;
        let ended = match begun {
            // What was not initialized is not shut down.
            None => Ok(()),
            Some(Err(failed)) => Err(failed),
            Some(Ok(())) => {
                telling.running();
                // Never over by itself.
                stop.run_until_cancelled(turns(&mut work, &mut telling, self.pace)).await;
                let ended = catching(work.as_executable().shutdown()).await;
                flat(ended, SchedulerError::TaskShutdown)
            }
        };
        drop(work);
        match ended {
            Ok(()) => telling.over(ExecutionStatus::Stopped),
            Err((error, panicked)) => {
                telling.failed(error, panicked);
                telling.over(ExecutionStatus::Failed);
            }
        }
    }
}

async fn begin<E, M>(
    work: &mut Work<E, M>,
    after: Option<TaskHandle>,
    pace: Pace,
) -> Result<(), (SchedulerError, bool)>
where
    E: Send + 'static,
    M: Clone + Send + 'static,
{
    if let Some(after) = after {
        after.begun().await;
    }
    let within = pace.initialize_within;
    match timeout(within, catching(work.as_executable().initialize())).await {
        Ok(begun) => flat(begun, SchedulerError::TaskInitialization),
        Err(_) => {
            let why = format!("it did not begin within {within:?}");
            Err((SchedulerError::TaskInitialization(why), false))
        }
    }
}

async fn turns<E, M>(work: &mut Work<E, M>, telling: &mut Telling, pace: Pace)
where
    E: Send + 'static,
    M: Clone + Send + 'static,
{
    loop {
        match flat(catching(work.turn()).await, SchedulerError::TaskExecution) {
            Ok(()) => telling.good(),
            Err((error, panicked)) => {
                let failures = telling.turn_failed(error, panicked);
                sleep(pace.pause(failures)).await;
            }
        }
        // A turn that never awaits must not keep its thread, nor be deaf to its end.
        tokio::task::coop::consume_budget().await;
    }
}

/// What a service came to, and whether it panicked.
fn flat(
    said: Result<Result<(), SchedulerError>, Panic>,
    kind: fn(String) -> SchedulerError,
) -> Result<(), (SchedulerError, bool)> {
    match said {
        Ok(said) => said.map_err(|error| (error, false)),
        Err(Panic(why)) => Err((kind(format!("panicked: {why}")), true)),
    }
}

/// Tells whoever wants to know how a service gets on: its handle, the log, the hook.
pub(super) struct Telling {
    pub(super) task: TaskId,
    pub(super) name: Arc<str>,
    pub(super) state: watch::Sender<ServiceState>,
    pub(super) hook: Option<Hook>,
    pub(super) ending: Ending,
    /// Known here as well, so that a good turn after a good turn costs nothing.
    pub(super) failures: u32,
}

impl Telling {
    fn running(&self) {
        tracing::debug!(service = %self.name, "a service runs");
        self.state.send_modify(|state| state.status = ExecutionStatus::Running);
    }

    fn good(&mut self) {
        if self.failures > 0 {
            tracing::info!(service = %self.name, failures = self.failures, "a service recovered");
            self.failures = 0;
            self.state.send_modify(|state| state.failures = 0);
        }
    }

    /// Answers how many turns have failed in a row.
    fn turn_failed(&mut self, error: SchedulerError, panicked: bool) -> u32 {
        self.failures = self.failures.saturating_add(1);
        self.failed(error, panicked);
        self.failures
    }

    fn failed(&self, error: SchedulerError, panicked: bool) {
        let failures = self.failures;
        tracing::warn!(service = %self.name, %error, failures, panicked, "a service failed");
        let failure = ServiceFailure {
            task: self.task,
            name: self.name.clone(),
            error: error.clone(),
            failures,
            panicked,
        };
        self.state.send_modify(|state| {
            state.failures = failures;
            state.last_error = Some(error);
        });
        if let Some(hook) = &self.hook {
            hook(&failure);
        }
    }

    fn over(&self, status: ExecutionStatus) {
        tracing::debug!(service = %self.name, ?status, "a service ended");
        self.state.send_modify(|state| state.status = status);
    }
}

impl Drop for Telling {
    /// A life that is dropped before its end, by an abort or with its runtime, ends here.
    fn drop(&mut self) {
        if self.state.borrow().status.is_over() {
            return;
        }
        let why = if std::thread::panicking() {
            "its loop panicked"
        } else if self.ending.given_up.load(Ordering::Acquire) {
            "it did not stop in time and was aborted"
        } else if self.ending.stop.is_cancelled() {
            return self.over(ExecutionStatus::Stopped);
        } else {
            "its runtime is gone"
        };
        let error = SchedulerError::TaskShutdown(why.to_owned());
        self.failed(error, std::thread::panicking());
        self.over(ExecutionStatus::Failed);
    }
}
