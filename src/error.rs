//! What crosses module boundaries when something goes wrong: one stable [`Code`] and a message.
//!
//! Every module has an error enum of its own and says there which code each variant carries. The
//! doors turn codes into gRPC statuses and exit codes with one small table each.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why something was refused or failed. The names are part of the wire contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Code {
    // Refused: never entered the system.
    /// No such method, or no such version of it.
    MethodNotFound,
    /// The request cannot be understood or is out of bounds.
    InvalidArgument,
    /// No task with that id is known.
    TaskNotFound,
    /// No schedule has that name.
    ScheduleNotFound,
    /// No webhook has that name.
    WebhookNotFound,
    /// The id belongs to a task with other content.
    IdTaken,
    /// The unique key belongs to another task.
    UniqueTaken,
    /// The task has not ended, or has; what was asked needs it otherwise.
    WrongState,
    /// A dependency has no successful result.
    DependencyUnmet,
    /// The queue holds as much as it may.
    QueueFull,
    /// The server is shutting down.
    Draining,
    /// The store does not answer; nothing was accepted.
    StoreUnavailable,
    /// The body may have run, but its outcome could not be stored.
    OutcomeUnknown,
    /// The caller's deadline passed first.
    DeadlineExceeded,
    /// Only a caller on this machine may do that.
    PermissionDenied,
    /// A fault in the server.
    Internal,
    // Failed: ran, or would have run, and ended badly.
    /// The handler returned an error.
    // Rows written before the rename hold the old name.
    #[serde(alias = "BODY_FAILED")]
    HandlerFailed,
    /// The body panicked.
    Panicked,
    /// The attempt took longer than its timeout.
    TimedOut,
    /// The body ignored its timeout or cancel for so long that it was given up.
    Stuck,
    /// A dependency ended badly.
    DependencyFailed,
    /// Somebody asked for it to stop.
    Cancelled,
    /// Its time to live was over before it started.
    Expired,
    /// The body's result is larger than a result may be.
    ResultTooLarge,
    /// It ran at one end of the process too many, and may be why the process ended.
    Quarantined,
}

impl Code {
    /// The stable name, as clients see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MethodNotFound => "METHOD_NOT_FOUND",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::TaskNotFound => "TASK_NOT_FOUND",
            Self::ScheduleNotFound => "SCHEDULE_NOT_FOUND",
            Self::WebhookNotFound => "WEBHOOK_NOT_FOUND",
            Self::IdTaken => "ID_TAKEN",
            Self::UniqueTaken => "UNIQUE_TAKEN",
            Self::WrongState => "WRONG_STATE",
            Self::DependencyUnmet => "DEPENDENCY_UNMET",
            Self::QueueFull => "QUEUE_FULL",
            Self::Draining => "DRAINING",
            Self::StoreUnavailable => "STORE_UNAVAILABLE",
            Self::OutcomeUnknown => "OUTCOME_UNKNOWN",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::Internal => "INTERNAL",
            Self::HandlerFailed => "HANDLER_FAILED",
            Self::Panicked => "PANICKED",
            Self::TimedOut => "TIMED_OUT",
            Self::Stuck => "STUCK",
            Self::DependencyFailed => "DEPENDENCY_FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Expired => "EXPIRED",
            Self::ResultTooLarge => "RESULT_TOO_LARGE",
            Self::Quarantined => "QUARANTINED",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One part of a request that was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field in the request: `args[2].fields["x"]`.
    pub field: String,
    /// What was wrong with it and what would be accepted.
    pub description: String,
}

/// A refusal on its way to whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The stable reason.
    pub code: Code,
    /// For people: lower case, the bad value, what would be accepted.
    pub message: String,
    /// The fields at fault, for [`Code::InvalidArgument`].
    pub violations: Vec<Violation>,
    /// When it is worth asking again.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// A refusal without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), violations: Vec::new(), retry_after: None }
    }

    /// [`Code::InvalidArgument`], naming the field at fault.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        let violation = Violation { field: field.into(), description: description.into() };
        let message = format!("{}: {}", violation.field, violation.description);
        Self { violations: vec![violation], ..Self::new(Code::InvalidArgument, message) }
    }

    /// The same, worth asking again after `wait`.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}
