//! What services are made of.

use async_trait::async_trait;

use super::SchedulerError;

/// What every service has.
#[async_trait]
pub trait Executable: Send + 'static {
    /// Its name, for logs and for people.
    fn name(&self) -> &str;

    /// Called once, before anything else.
    ///
    /// # Errors
    /// [`SchedulerError::TaskInitialization`]: it is not started.
    async fn initialize(&mut self) -> Result<(), SchedulerError> {
        Ok(())
    }

    /// Called once, after everything else, if it was initialized.
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
    /// One turn; called again when it returns. Dropped where it awaits when the service is to stop.
    ///
    /// # Errors
    /// [`SchedulerError::TaskExecution`]: reported, and the next turn comes after a pause that grows.
    async fn execute(&mut self) -> Result<(), SchedulerError>;
}

/// A service that is told of events of one kind: all that are published from when it is registered on.
#[async_trait]
pub trait EventTask<E, M = String>: Executable
where
    E: Send + 'static,
    M: Send + 'static,
{
    /// Which ones. Asked once, when it is registered.
    fn subscribed_event(&self) -> &E;

    /// One of them happened. Dropped where it awaits when the service is to stop.
    ///
    /// # Errors
    /// [`SchedulerError::TaskExecution`]: reported. The event is not handed over again, and the next
    /// one comes after a pause that grows.
    async fn handle_event(&mut self, event: M) -> Result<(), SchedulerError>;

    /// It was too slow, and so many are lost.
    async fn missed(&mut self, count: u64) {
        tracing::warn!(service = self.name(), count, "a service missed events");
    }
}
