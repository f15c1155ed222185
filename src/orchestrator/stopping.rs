//! What came of a shutdown.

use super::{SchedulerError, TaskHandle};

/// What came of a shutdown.
#[must_use = "it says who did not stop"]
#[derive(Debug, Default)]
pub struct ShutdownReport {
    /// Who ended as told, the first to stop first.
    pub stopped: Vec<TaskHandle>,
    /// Who ended, but not well: its `shutdown` failed.
    pub failed: Vec<TaskHandle>,
    /// Who did not end in time and was aborted. What does not await cannot be aborted and goes on.
    pub aborted: Vec<TaskHandle>,
}

impl ShutdownReport {
    /// Whether everybody ended as told.
    pub fn is_clean(&self) -> bool {
        self.failed.is_empty() && self.aborted.is_empty()
    }

    /// The report as an error that names everybody who did not end as told.
    ///
    /// # Errors
    /// [`SchedulerError::TaskShutdown`].
    pub fn into_result(self) -> Result<(), SchedulerError> {
        if self.is_clean() {
            return Ok(());
        }
        let failed = self.failed.iter().map(|task| match task.last_error() {
            Some(error) => format!("{}: {}", task.name(), error.reason()),
            None => task.name().to_owned(),
        });
        let aborted = self.aborted.iter().map(|task| format!("{} did not stop", task.name()));
        let named = failed.chain(aborted).collect::<Vec<_>>();
        Err(SchedulerError::TaskShutdown(named.join("; ")))
    }
}
