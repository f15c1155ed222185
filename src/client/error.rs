//! What a call of the client can come to when it does not come to an answer.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::Error as Unread;
use tonic::{ConnectError, Status};
use tonic_types::StatusExt as _;

use crate::error::{Code, Error, Violation};
use crate::models::{State, TaskId};
use crate::pb;

/// The domain of the details that a task server puts into its refusals.
const DOMAIN: &str = "taskscheduler";

/// Why there is no answer, or no result.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server did not take the request, or this client saw that it would not.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The task ended, and not well.
    #[error("{0}")]
    Failed(Box<TaskFailed>),
    /// No answer in the time that was given. A task that was sent goes on.
    #[error("no answer within {waited:?}")]
    Timeout {
        /// The task that was waited for; ask for its result later.
        id: Option<TaskId>,
        /// The time that was given.
        waited: Duration,
    },
    /// The server could not be reached, the connection broke, or something between answered in the
    /// server's stead.
    #[error("the call did not get through: {}", .0.message())]
    Transport(#[source] Status),
    /// The server answered, and not as the contract says; it may be a newer one.
    #[error("the answer to {call} is not understood: {what}")]
    BadAnswer {
        /// The RPC.
        call: &'static str,
        /// What is missing or unknown.
        what: &'static str,
    },
}

impl ClientError {
    /// Why the server refused, if it did.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// How the task failed, if it did.
    pub fn failure(&self) -> Option<&TaskFailed> {
        match self {
            Self::Failed(failed) => Some(failed),
            _ => None,
        }
    }

    /// Whether the server refused for this reason, or the task failed for it.
    pub fn is(&self, code: Code) -> bool {
        let reason = match self {
            Self::Refused(refusal) => &refusal.reason,
            Self::Failed(failed) => &failed.reason,
            _ => return false,
        };
        *reason == Reason::Known(code)
    }

    /// Whether the request certainly never left this process.
    pub(super) fn was_never_sent(&self) -> bool {
        let Self::Transport(status) = self else { return false };
        let mut source = status.source();
        while let Some(error) = source {
            if error.is::<ConnectError>() {
                return true;
            }
            source = error.source();
        }
        false
    }

    /// The same, about this task.
    pub(super) fn about(mut self, task: &TaskId) -> Self {
        if let Self::Timeout { id, .. } = &mut self {
            *id = Some(task.clone());
        }
        self
    }
}

impl From<Error> for ClientError {
    fn from(error: Error) -> Self {
        let Error { code, message, violations, retry_after } = error;
        let reason = Reason::Known(code);
        Self::Refused(Box::new(Refusal { reason, message, violations, retry_after }))
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let Some(info) = details.error_info().filter(|info| info.domain == DOMAIN) else {
            return Self::Transport(status);
        };
        let violations = details.bad_request().map(|bad| bad.field_violations.as_slice());
        let violation = |one: &tonic_types::FieldViolation| Violation {
            field: one.field.clone(),
            description: one.description.clone(),
        };
        Self::Refused(Box::new(Refusal {
            reason: Reason::from(info.reason.clone()),
            message: status.message().to_owned(),
            violations: violations.into_iter().flatten().map(violation).collect(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
        }))
    }
}

impl From<pb::Refusal> for ClientError {
    /// One task of many.
    fn from(refusal: pb::Refusal) -> Self {
        Self::Refused(Box::new(Refusal {
            reason: Reason::from(refusal.reason),
            message: refusal.message,
            violations: Vec::new(),
            retry_after: None,
        }))
    }
}

/// A request that the server did not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct Refusal {
    /// The stable reason.
    pub reason: Reason,
    /// For people.
    pub message: String,
    /// The fields at fault, for `INVALID_ARGUMENT`. Empty for one task of a batch: its message names
    /// the field.
    pub violations: Vec<Violation>,
    /// When it is worth asking again.
    pub retry_after: Option<Duration>,
}

/// A task that ended badly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the task {id} ended {state} with {reason} (attempts: {attempts}): {message}")]
#[non_exhaustive]
pub struct TaskFailed {
    /// The task.
    pub id: TaskId,
    /// `FAILED`, `CANCELLED` or `EXPIRED`.
    pub state: State,
    /// The stable reason.
    pub reason: Reason,
    /// For people: the body's error, or why it was cancelled.
    pub message: String,
    /// How many attempts were made.
    pub attempts: u32,
}

/// Why something was refused or failed, in a stable word.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// One that this client knows.
    Known(Code),
    /// One that a newer server has.
    Other(String),
}

impl Reason {
    /// The word: `METHOD_NOT_FOUND`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(code) => code.as_str(),
            Self::Other(word) => word,
        }
    }
}

impl From<String> for Reason {
    fn from(word: String) -> Self {
        let read: Result<Code, Unread> = Code::deserialize(word.as_str().into_deserializer());
        read.map_or(Self::Other(word), Self::Known)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_is_known_becomes_its_code_and_another_stays_a_word() {
        let check = |word: &str, expected: Reason| {
            assert_eq!(Reason::from(word.to_owned()), expected);
            assert_eq!(expected.as_str(), word);
        };
        check("METHOD_NOT_FOUND", Reason::Known(Code::MethodNotFound));
        check("QUARANTINED", Reason::Known(Code::Quarantined));
        check("MOON_TOO_FULL", Reason::Other("MOON_TOO_FULL".into()));
        check("", Reason::Other(String::new()));
    }

    #[test]
    fn a_status_of_somebody_else_is_no_refusal() {
        let stranger = ClientError::from(Status::unavailable("no healthy upstream"));
        assert!(matches!(&stranger, ClientError::Transport(_)), "{stranger:?}");
        assert!(!stranger.was_never_sent());
    }
}
