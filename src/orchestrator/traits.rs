//! The traits that services implement.

use async_trait::async_trait;

use super::SchedulerError;

/// What every service has.
#[async_trait]
pub trait Executable: Send + 'static {
    /// The service's name, for logs and operators.
    fn name(&self) -> &str;

    /// Called once, before the first turn.
    ///
    /// # Errors
    /// [`SchedulerError::TaskInitialization`]: the service does not start.
    async fn initialize(&mut self) -> Result<(), SchedulerError> {
        Ok(())
    }

    /// Called once, after the last turn, if `initialize` succeeded.
    ///
    /// # Errors
    /// [`SchedulerError::TaskShutdown`].
    async fn shutdown(&mut self) -> Result<(), SchedulerError> {
        Ok(())
    }
}

/// A service that works in turns.
#[async_trait]
pub trait BackgroundTask: Executable {
    /// Runs one turn. The scheduler calls it again when it returns, and drops it at its current await
    /// when the service stops.
    ///
    /// # Errors
    /// [`SchedulerError::TaskExecution`]: reported; the next turn follows after an exponential backoff.
    async fn execute(&mut self) -> Result<(), SchedulerError>;
}

/// A service that handles the events of one channel, starting with those published after its
/// registration.
#[async_trait]
pub trait EventTask<E, M = String>: Executable
where
    E: Send + 'static,
    M: Send + 'static,
{
    /// The channel. Read once, at registration.
    fn subscribed_event(&self) -> &E;

    /// Handles one event. Dropped at its current await when the service stops.
    ///
    /// # Errors
    /// [`SchedulerError::TaskExecution`]: reported. The event is not delivered again; the next one
    /// follows after an exponential backoff.
    async fn handle_event(&mut self, event: M) -> Result<(), SchedulerError>;

    /// Called when the service was too slow and `count` events were dropped.
    async fn missed(&mut self, count: u64) {
        tracing::warn!(service = self.name(), count, "service missed events");
    }
}
