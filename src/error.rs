//! The error that crosses module boundaries: a stable [`Code`] and a message.
//!
//! Every module has its own error enum, which maps each variant to a code. The API layer and the CLI map
//! codes to gRPC statuses and exit statuses with one table each.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The stable reason of an error. Callers decide by it what to do; the names are part of the wire contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Code {
    // A request was refused: it never entered the system.
    /// The server has no such method, or no such version of it. Check the name with `ListMethods`.
    MethodNotFound,
    /// The request is malformed or out of bounds. Correct the fields that the violations name.
    InvalidArgument,
    /// The server does not know the task's id: it was never accepted, or was purged or pruned. Do not retry.
    TaskNotFound,
    /// There is no schedule with this name. Check it with `ListSchedules`.
    ScheduleNotFound,
    /// There is no webhook with this name. Check it with `ListWebhooks`.
    WebhookNotFound,
    /// Idempotency conflict: the task id belongs to a task with another method, arguments or dependencies.
    /// Use another id.
    IdTaken,
    /// Another task holds the unique key, and the request says to refuse a conflict. Wait for that task, or
    /// use another key or policy.
    UniqueTaken,
    /// The operation does not fit the task's state: it needs a task that has ended, or one that has not. Read
    /// the task's state first.
    WrongState,
    /// A dependency has no successful result, and the request does not wait for dependencies. Submit it again
    /// after the dependency succeeded, or set `wait_for_dependencies`.
    DependencyUnmet,
    /// The queue, or the server, holds as many waiting tasks as it may. Retry with backoff.
    QueueFull,
    /// The server is shutting down. Retry, at another server or after the restart.
    Draining,
    /// The store does not answer, and nothing was accepted. Retry with backoff.
    StoreUnavailable,
    /// The handler may have run, but its outcome could not be stored. Read the task later, or retry with the
    /// same id.
    OutcomeUnknown,
    /// The caller's deadline passed before the outcome was known. The task may still run: read its state.
    DeadlineExceeded,
    /// Only callers on the server's own machine may call this method. Call it from there.
    PermissionDenied,
    /// A bug in the server. Report it with the server's log.
    Internal,
    // A task failed: it ran, or would have run.
    /// The handler returned an error. The message is the handler's.
    // Rows written before the rename hold the old name.
    #[serde(alias = "BODY_FAILED")]
    HandlerFailed,
    /// The handler panicked. Correct the handler; `RetryTask` runs the task again.
    Panicked,
    /// The attempt took longer than its timeout. Raise the timeout, or make the handler faster.
    TimedOut,
    /// The handler ignored its timeout or cancel for so long that the server abandoned it. It may still run and
    /// occupy a slot. Make it check for cancellation.
    Stuck,
    /// A dependency failed. Retry the dependency: its dependants are retried with it.
    DependencyFailed,
    /// A caller, an operator or the task's own handler cancelled the task.
    Cancelled,
    /// The task's time to live was over before its first attempt. Submit it again if it is still wanted.
    Expired,
    /// The handler's result is larger than a result may be. Store large data elsewhere and return a reference.
    ResultTooLarge,
    /// The task ran at too many crashes of the server and may be their cause. Find the cause before
    /// `RetryTask`.
    Quarantined,
}

impl Code {
    /// The stable name, as clients get it.
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

/// One bad field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field in the request: `args[2].fields["x"]`.
    pub field: String,
    /// What is wrong with it, and what is accepted.
    pub description: String,
}

/// An error for the caller of an operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The stable reason.
    pub code: Code,
    /// The message, for people: lower case, with the bad value and what is accepted.
    pub message: String,
    /// The bad fields, for [`Code::InvalidArgument`].
    pub violations: Vec<Violation>,
    /// How long the caller should wait before it retries, if a retry can help.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// An error without violations.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), violations: Vec::new(), retry_after: None }
    }

    /// [`Code::InvalidArgument`] for one bad field.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        let violation = Violation { field: field.into(), description: description.into() };
        let message = format!("{}: {}", violation.field, violation.description);
        Self { violations: vec![violation], ..Self::new(Code::InvalidArgument, message) }
    }

    /// The same error with a time after which a retry can help.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}
