//! Why a service, or the scheduler that runs it, failed.

use tokio::sync::broadcast::error::{RecvError, SendError};

use super::{MAX_SERVICES, ServiceId, bus};

/// Why a service, or the scheduler that runs it, failed. Every text is for logs and operators.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchedulerError {
    /// A service could not be initialized.
    #[error("Task initialization error: {0}")]
    TaskInitialization(String),
    /// A turn of a service failed.
    #[error("Task execution error: {0}")]
    TaskExecution(String),
    /// The `shutdown` of a service failed, or the service did not stop in time.
    #[error("Task shutdown error: {0}")]
    TaskShutdown(String),
    /// The bus has no such channel, or cannot have it.
    #[error("Invalid channel: {0}")]
    InvalidChannel(String),
    /// The channel has no subscriber.
    #[error("Event send error: {0}")]
    EventSend(String),
    /// The subscriber missed events, or the channel is closed.
    #[error("Event receive error: {0}")]
    EventReceive(String),
    /// This scheduler has no service with that id.
    #[error("Task not found: {0}")]
    TaskNotFound(ServiceId),
    /// The scheduler was started before.
    #[error("Scheduler already started")]
    AlreadyStarted,
    /// The scheduler was shut down and starts nothing any more.
    #[error("Scheduler is shut down")]
    ShutDown,
    /// The scheduler has [`MAX_SERVICES`] services already.
    #[error("Too many tasks: at most {MAX_SERVICES}")]
    TooManyTasks,
}

impl SchedulerError {
    /// The text without its prefix.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::TaskInitialization(why)
            | Self::TaskExecution(why)
            | Self::TaskShutdown(why)
            | Self::InvalidChannel(why)
            | Self::EventSend(why)
            | Self::EventReceive(why) => why.clone(),
            other => other.to_string(),
        }
    }
}

impl From<bus::Error> for SchedulerError {
    fn from(error: bus::Error) -> Self {
        Self::InvalidChannel(error.to_string())
    }
}

impl<M> From<SendError<M>> for SchedulerError {
    fn from(_: SendError<M>) -> Self {
        Self::EventSend("the channel has no subscriber".to_owned())
    }
}

impl From<RecvError> for SchedulerError {
    fn from(error: RecvError) -> Self {
        Self::EventReceive(error.to_string())
    }
}
