//! The life of one service, in its own loop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::catching::{Panic, catching, said};
use super::ending::Ending;
use super::work::{Turn, Work};
use super::{ExecutionStatus, Pace, SchedulerError, ServiceState, TaskHandle, TaskId};
use crate::models::{Fact, ServerFact};

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

impl ServiceFailure {
    /// What there is to announce.
    pub fn fact(&self) -> Fact {
        Fact::Server(ServerFact::ServiceFailed {
            service: self.name.clone(),
            error: self.error.to_string().into(),
            failures: self.failures,
        })
    }
}

/// Who is told of failures. Called on the loop of the service that failed.
pub(super) type Hook = Arc<dyn Fn(&ServiceFailure) + Send + Sync>;

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
        let ending = telling.ending.clone();
        let begun = tokio::select! {
            biased;
            () = ending.told() => None,
            begun = begin(&mut work, self.after, self.pace) => Some(begun),
        };
        let ended = match begun {
            // What was not initialized is not shut down.
            None => Ok(()),
            Some(Err(failed)) => Err(failed),
            Some(Ok(())) => {
                telling.running();
                tokio::select! {
                    biased;
                    () = ending.told() => {}
                    () = turns(&mut work, &mut telling, self.pace) => {}
                }
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
    // A turn that does not await is not dropped, so the end is looked for between turns, too.
    while !telling.ending.is_told() {
        match flat(catching(work.turn()).await, SchedulerError::TaskExecution) {
            Ok(Turn::Worked) => telling.good(),
            Ok(Turn::Missed) => {}
            Err((error, panicked)) => {
                let failures = telling.turn_failed(error, panicked);
                sleep(pace.pause(failures)).await;
            }
        }
        // One that never awaits must not keep its thread.
        tokio::task::coop::consume_budget().await;
    }
}

/// What a service came to, and whether it panicked.
fn flat<T>(
    said: Result<Result<T, SchedulerError>, Panic>,
    kind: fn(String) -> SchedulerError,
) -> Result<T, (SchedulerError, bool)> {
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
    pub(super) ending: Arc<Ending>,
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
        let Some(hook) = &self.hook else { return };
        // Who wants to be told must not end whom he is told of.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| hook(&failure))) {
            let why = said(&*panic);
            tracing::error!(service = %self.name, why, "who is told of failures panicked");
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
        } else if self.ending.is_given_up() {
            "it did not stop in time and was aborted"
        } else if self.ending.is_told() {
            return self.over(ExecutionStatus::Stopped);
        } else {
            "its runtime is gone"
        };
        let error = SchedulerError::TaskShutdown(why.to_owned());
        self.failed(error, std::thread::panicking());
        self.over(ExecutionStatus::Failed);
    }
}
