//! The result of a shutdown.

use super::{SchedulerError, ServiceHandle};

/// The result of a shutdown: which services stopped, failed or were aborted.
#[must_use = "it names the services that did not stop"]
#[derive(Debug, Default)]
pub struct ShutdownReport {
    /// The services that stopped as requested, in the order in which they stopped.
    pub stopped: Vec<ServiceHandle>,
    /// The services that ended with an error.
    pub failed: Vec<ServiceHandle>,
    /// The services that did not stop in time and were aborted. Code that does not await cannot be
    /// aborted and continues to run.
    pub aborted: Vec<ServiceHandle>,
}

impl ShutdownReport {
    /// Whether every service stopped as requested.
    pub fn is_clean(&self) -> bool {
        self.failed.is_empty() && self.aborted.is_empty()
    }

    /// The report as an error that names every service that failed or was aborted.
    ///
    /// # Errors
    /// [`SchedulerError::TaskShutdown`].
    pub fn into_result(self) -> Result<(), SchedulerError> {
        if self.is_clean() {
            return Ok(());
        }
        let failed = self.failed.iter().map(|service| match service.last_error() {
            Some(error) => format!("{}: {}", service.name(), error.reason()),
            None => service.name().to_owned(),
        });
        let aborted = self.aborted.iter().map(|service| format!("{} did not stop", service.name()));
        let named = failed.chain(aborted).collect::<Vec<_>>();
        Err(SchedulerError::TaskShutdown(named.join("; ")))
    }
}
