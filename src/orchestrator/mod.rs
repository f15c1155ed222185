//! How everything that runs for long inside a server lives and dies.

use async_trait::async_trait;

/// Why a service did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    /// It could not begin.
    #[error("Task initialization error: {0}")]
    TaskInitialization(String),
    /// A turn of it failed.
    #[error("Task execution error: {0}")]
    TaskExecution(String),
    /// It could not end well.
    #[error("Task shutdown error: {0}")]
    TaskShutdown(String),
}

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

    /// Called once, after everything else.
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

/// A service that is told of events of one kind.
#[async_trait]
pub trait EventTask<E, M = String>: Executable
where
    E: Send + 'static,
    M: Send + 'static,
{
    /// Which ones.
    fn subscribed_event(&self) -> &E;

    /// One of them happened.
    ///
    /// # Errors
    /// [`SchedulerError::TaskExecution`]: reported.
    async fn handle_event(&mut self, event: M) -> Result<(), SchedulerError>;

    /// It was too slow, and so many are lost.
    async fn missed(&mut self, count: u64) {
        tracing::warn!(service = self.name(), count, "a service missed events");
    }
}
