//! The errors of a client call.

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

/// The domain of the error details of a task server.
const DOMAIN: &str = "taskscheduler";

/// Why a call has no answer, or a task no result.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server refused the request, or this client found that it would.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The task did not succeed.
    #[error("{0}")]
    Failed(Box<TaskFailed>),
    /// No answer within the timeout. A task that was sent continues.
    #[error("no answer within {waited:?}")]
    Timeout {
        /// The task of the call; its result can be read later.
        id: Option<TaskId>,
        /// The timeout.
        waited: Duration,
    },
    /// The server could not be reached, the connection broke, or a proxy answered instead of the server.
    #[error("cannot reach the server: {}", .0.message())]
    Transport(#[source] Status),
    /// The answer does not follow the contract of this client; the server may be newer.
    #[error("cannot read the answer to {call}: {what}")]
    BadAnswer {
        /// The RPC.
        call: &'static str,
        /// The part that is missing or unknown.
        what: &'static str,
    },
}

impl ClientError {
    /// The refusal, if the server refused.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// The failure, if the task did not succeed.
    pub fn failure(&self) -> Option<&TaskFailed> {
        match self {
            Self::Failed(failed) => Some(failed),
            _ => None,
        }
    }

    /// Whether the server refused, or the task failed, with this code.
    pub fn is(&self, code: Code) -> bool {
        let reason = match self {
            Self::Refused(refusal) => &refusal.reason,
            Self::Failed(failed) => &failed.reason,
            _ => return false,
        };
        *reason == Reason::Known(code)
    }

    /// Whether the request was certainly not sent.
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

    /// The same error with the task that it is about.
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
    /// The refusal of one task of a batch.
    fn from(refusal: pb::Refusal) -> Self {
        Self::Refused(Box::new(Refusal {
            reason: Reason::from(refusal.reason),
            message: refusal.message,
            violations: Vec::new(),
            retry_after: None,
        }))
    }
}

/// A request that the server refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct Refusal {
    /// The stable reason.
    pub reason: Reason,
    /// The message, for people.
    pub message: String,
    /// The fields at fault, for `INVALID_ARGUMENT`. Empty for one task of a batch: its message names
    /// the field.
    pub violations: Vec<Violation>,
    /// When to repeat the call.
    pub retry_after: Option<Duration>,
}

/// A task that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("task {id} ended {state} with {reason} (attempts: {attempts}): {message}")]
#[non_exhaustive]
pub struct TaskFailed {
    /// The id of the task.
    pub id: TaskId,
    /// `FAILED`, `CANCELLED` or `EXPIRED`.
    pub state: State,
    /// The stable reason.
    pub reason: Reason,
    /// The handler's error, or the reason of the cancel; for people.
    pub message: String,
    /// The number of attempts.
    pub attempts: u32,
}

/// The stable code of a refusal or failure.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A code that this client knows.
    Known(Code),
    /// A code of a newer server.
    Other(String),
}

impl Reason {
    /// The code as text: `METHOD_NOT_FOUND`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(code) => code.as_str(),
            Self::Other(code) => code,
        }
    }
}

impl From<String> for Reason {
    fn from(code: String) -> Self {
        let read: Result<Code, Unread> = Code::deserialize(code.as_str().into_deserializer());
        read.map_or(Self::Other(code), Self::Known)
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
    fn a_known_reason_becomes_its_code_and_another_stays_text() {
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
    fn a_status_of_a_proxy_is_not_a_refusal() {
        let status = ClientError::from(Status::unavailable("no healthy upstream"));
        assert!(matches!(&status, ClientError::Transport(_)), "{status:?}");
        assert!(!status.was_never_sent());
    }
}
