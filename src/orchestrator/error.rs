//! Why a service, or whoever runs it, did not do what it should.

use tokio::sync::broadcast::error::{RecvError, SendError};

use super::{MAX_TASKS, TaskId};
use crate::events::bus;

/// Why a service, or whoever runs it, did not do what it should. The text is for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// There is no such channel, or there cannot be.
    #[error("Invalid channel: {0}")]
    InvalidChannel(String),
    /// Nobody is subscribed who could be told.
    #[error("Event send error: {0}")]
    EventSend(String),
    /// Events were missed, or none can come any more.
    #[error("Event receive error: {0}")]
    EventReceive(String),
    /// No task has that id here.
    #[error("Task not found: {0}")]
    TaskNotFound(TaskId),
    /// It was started before.
    #[error("Scheduler already started")]
    AlreadyStarted,
    /// It was shut down: nothing is started any more.
    #[error("Scheduler is shut down")]
    ShutDown,
    /// A scheduler has no more than [`MAX_TASKS`].
    #[error("Too many tasks: at most {MAX_TASKS}")]
    TooManyTasks,
}

impl SchedulerError {
    /// What happened, without what it happened to.
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
        Self::EventSend("nobody is subscribed".to_owned())
    }
}

impl From<RecvError> for SchedulerError {
    fn from(error: RecvError) -> Self {
        Self::EventReceive(error.to_string())
    }
}
