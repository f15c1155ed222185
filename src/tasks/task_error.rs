//! How a body says that it did not succeed, and what should happen next.

use std::fmt;
use std::time::Duration;

/// What should happen after a body returned an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Try again as the task's retry policy says.
    Retry,
    /// Try again after this long, if the policy has a retry left.
    RetryAfter(Duration),
    /// Do not try again.
    Fail,
    /// Try again after this long; no attempt is used up.
    Snooze(Duration),
    /// End `CANCELLED`.
    Cancel,
}

/// Why a body did not succeed, and what should happen [`Disposition`].
///
/// Any `std::error::Error` converts into one that is retried, so `?` works in bodies.
#[derive(Clone, PartialEq, Eq)]
pub struct TaskError {
    message: String,
    disposition: Disposition,
}

impl TaskError {
    /// Retried as the task's policy says.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), disposition: Disposition::Retry }
    }

    /// Never retried.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { message: message.into(), disposition: Disposition::Fail }
    }

    /// Retried after `wait` instead of the policy's delay, if the policy has a retry left.
    pub fn retry_after(message: impl Into<String>, wait: Duration) -> Self {
        Self { message: message.into(), disposition: Disposition::RetryAfter(wait) }
    }

    /// Run again after `wait`, without using up an attempt.
    pub fn snooze(wait: Duration) -> Self {
        Self { message: format!("snoozed for {wait:?}"), disposition: Disposition::Snooze(wait) }
    }

    /// The task ends `CANCELLED`.
    pub fn cancel(message: impl Into<String>) -> Self {
        Self { message: message.into(), disposition: Disposition::Cancel }
    }

    /// What went wrong, for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What should happen next.
    pub fn disposition(&self) -> Disposition {
        self.disposition
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} (then {:?})", self.message, self.disposition)
    }
}

// `TaskError` is no `std::error::Error` itself: that would clash with this conversion.
impl<E: std::error::Error> From<E> for TaskError {
    /// The error and its sources, joined by `: `.
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::new(message)
    }
}
