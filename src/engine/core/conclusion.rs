//! The conclusion of an attempt: a pure function of the retry policy, the stop reason, the way the
//! attempt ended, and chance.

use std::sync::Arc;
use std::time::Duration;

use super::{AttemptEnd, retry};
use crate::error::Code;
use crate::models::{ArgValue, Failure, RetryPolicy, Task};
use crate::tasks::{Disposition, TaskError};

/// The longest message of a failure, in bytes. The history of a task keeps one for every attempt,
/// and an answer must have room for it.
const MAX_FAILURE_BYTES: usize = 8 << 10;

/// Why the engine signalled a handler to stop, if it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// The engine did not signal it.
    Nothing,
    /// The attempt ran into its timeout, which is this long.
    OutOfTime(Duration),
    /// The task was cancelled, for this reason.
    Cancel(String),
}

/// What the end of an attempt means for its task.
#[derive(Debug, PartialEq)]
pub(crate) enum Conclusion {
    /// The task succeeds with this result.
    Succeed(Arc<ArgValue>),
    /// The task succeeds and is marked as skipped.
    Skip,
    /// The task fails for good.
    Fail(Failure),
    /// The task is cancelled, for this reason.
    Cancel(String),
    /// The task runs again after `delay`; the attempt counts against its retries.
    Retry { failure: Failure, delay: Duration },
    /// The task runs again after this long; the attempt does not count against its retries.
    Snooze(Duration),
    /// The task runs again after these children have ended.
    Expand(Vec<Arc<Task>>),
}

/// Concludes attempt `number` (from 1).
pub(crate) fn conclude(
    policy: &RetryPolicy,
    number: u32,
    reason: &StopReason,
    end: AttemptEnd,
    rng: &mut fastrand::Rng,
) -> Conclusion {
    let (mut failure, disposition) = match (reason, end) {
        // A handler that succeeds before the cancel takes effect has succeeded.
        (StopReason::Nothing | StopReason::Cancel(_), AttemptEnd::Returned(Ok(result))) => {
            return Conclusion::Succeed(result);
        }
        (StopReason::Nothing | StopReason::Cancel(_), AttemptEnd::Skipped) => {
            return Conclusion::Skip;
        }
        (StopReason::Cancel(reason), _) => return Conclusion::Cancel(reason.clone()),
        (StopReason::OutOfTime(timeout), _) => (timed_out(*timeout), Disposition::Retry),
        (StopReason::Nothing, AttemptEnd::Expanded(children)) => {
            return Conclusion::Expand(children);
        }
        (StopReason::Nothing, AttemptEnd::Returned(Err(error))) => {
            (handler_failed(&error), error.disposition())
        }
        (StopReason::Nothing, AttemptEnd::Failed { failure, retryable }) => {
            (failure, if retryable { Disposition::Retry } else { Disposition::Fail })
        }
        // Only a runtime that shuts down drops a handler that was not signalled to stop.
        (StopReason::Nothing, AttemptEnd::Aborted) => {
            let message = "the handler was dropped before it returned".to_owned();
            (Failure { code: Code::Internal, message }, Disposition::Retry)
        }
    };
    failure.message.truncate(failure.message.floor_char_boundary(MAX_FAILURE_BYTES));
    retry::after_failure(policy, number, disposition, failure, rng)
}

/// The failure of an attempt that ran into its timeout.
pub(crate) fn timed_out(timeout: Duration) -> Failure {
    Failure {
        code: Code::TimedOut,
        message: format!("the attempt took longer than its timeout of {timeout:?}"),
    }
}

fn handler_failed(error: &TaskError) -> Failure {
    Failure { code: Code::HandlerFailed, message: error.message().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concluded(reason: &StopReason, end: AttemptEnd) -> Conclusion {
        let policy = RetryPolicy { jitter: 0.0, ..RetryPolicy::with_retries(1) };
        conclude(&policy, 1, reason, end, &mut fastrand::Rng::with_seed(1))
    }

    fn success() -> AttemptEnd {
        AttemptEnd::Returned(Ok(Arc::new(ArgValue::Int32(6))))
    }

    #[test]
    fn a_handler_that_succeeds_before_the_cancel_takes_effect_has_succeeded() {
        let reason = StopReason::Cancel("not needed".into());
        assert_eq!(
            concluded(&reason, success()),
            Conclusion::Succeed(Arc::new(ArgValue::Int32(6)))
        );
    }

    #[test]
    fn a_cancelled_handler_that_fails_is_not_retried() {
        let reason = StopReason::Cancel("not needed".into());
        let end = AttemptEnd::Returned(Err(TaskError::new("broken")));
        assert_eq!(concluded(&reason, end), Conclusion::Cancel("not needed".into()));
        assert_eq!(
            concluded(&reason, AttemptEnd::Aborted),
            Conclusion::Cancel("not needed".into())
        );
    }

    #[test]
    fn a_result_after_the_timeout_does_not_count() {
        let reason = StopReason::OutOfTime(Duration::from_secs(5));
        let failure = Failure {
            code: Code::TimedOut,
            message: "the attempt took longer than its timeout of 5s".into(),
        };
        let delay = Duration::from_secs(1);
        assert_eq!(concluded(&reason, success()), Conclusion::Retry { failure, delay });
    }

    #[test]
    fn an_error_that_asks_for_cancellation_cancels_the_task() {
        let end = AttemptEnd::Returned(Err(TaskError::cancel("not needed")));
        assert_eq!(concluded(&StopReason::Nothing, end), Conclusion::Cancel("not needed".into()));
    }

    #[test]
    fn a_long_failure_message_is_truncated() {
        let check = |end: AttemptEnd| match concluded(&StopReason::Nothing, end) {
            Conclusion::Retry { failure, .. } => assert_eq!(failure.message.len(), 8_190),
            other => panic!("{other:?}"),
        };
        let message = "€".repeat(1_000_000);
        check(AttemptEnd::Returned(Err(TaskError::new(message.clone()))));
        let failure = Failure { code: Code::Panicked, message };
        check(AttemptEnd::Failed { failure, retryable: true });
    }

    #[test]
    fn a_failure_that_is_not_retryable_is_not_retried() {
        let failure = Failure { code: Code::ResultTooLarge, message: "5 MB".into() };
        let end = AttemptEnd::Failed { failure: failure.clone(), retryable: false };
        assert_eq!(concluded(&StopReason::Nothing, end), Conclusion::Fail(failure));
    }
}
