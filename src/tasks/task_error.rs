//! The error of a handler: a message, and whether to retry, fail, snooze or cancel.

use std::fmt;
use std::time::Duration;

/// What happens to a task whose handler returned an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Retry with the backoff of the task's retry policy.
    Retry,
    /// Retry after this delay, if the policy has a retry left.
    RetryAfter(Duration),
    /// Fail without a retry.
    Fail,
    /// Run again after this delay, without using a retry.
    Snooze(Duration),
    /// End as `CANCELLED`.
    Cancel,
}

/// The error of a handler. Its [`Disposition`] says whether the task is retried, fails, is snoozed or
/// cancelled.
///
/// Any `std::error::Error` converts into a `TaskError` with a retry, so `?` works in handlers.
#[derive(Clone, PartialEq, Eq)]
pub struct TaskError {
    message: String,
    disposition: Disposition,
}

impl TaskError {
    /// An error that is retried with the backoff of the task's policy.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), disposition: Disposition::Retry }
    }

    /// An error that is never retried.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { message: message.into(), disposition: Disposition::Fail }
    }

    /// An error that is retried after `wait` instead of the policy's backoff, if the policy has a retry
    /// left.
    pub fn retry_after(message: impl Into<String>, wait: Duration) -> Self {
        Self { message: message.into(), disposition: Disposition::RetryAfter(wait) }
    }

    /// Snoozes the task: it runs again after `wait`, without using a retry.
    pub fn snooze(wait: Duration) -> Self {
        Self { message: format!("snoozed for {wait:?}"), disposition: Disposition::Snooze(wait) }
    }

    /// Cancels the task: it ends as `CANCELLED`.
    pub fn cancel(message: impl Into<String>) -> Self {
        Self { message: message.into(), disposition: Disposition::Cancel }
    }

    /// The message, for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What happens to the task.
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

// `TaskError` does not implement `std::error::Error`, because that would conflict with this conversion.
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
