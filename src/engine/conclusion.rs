//! What the end of an attempt means for its task: a pure function.

use std::sync::Arc;
use std::time::Duration;

use super::core::AttemptEnd;
use super::retry::{self, Next};
use crate::error::Code;
use crate::models::{ArgValue, Failure, RetryPolicy, Task};
use crate::tasks::{Disposition, TaskError};

/// The longest message of a failure, in bytes. It is kept for every attempt that it ended, and an
/// answer has to have room for it.
const MAX_FAILURE_BYTES: usize = 8 << 10;

/// Why a body was told to stop, if it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// It was not.
    Nothing,
    /// Its time is over; this much it had.
    OutOfTime(Duration),
    /// Somebody asked; why.
    Cancel(String),
}

/// What becomes of the task.
#[derive(Debug, PartialEq)]
pub(crate) enum Conclusion {
    Succeed(Arc<ArgValue>),
    Skip,
    Fail(Failure),
    Cancel(String),
    Retry { failure: Failure, delay: Duration },
    Snooze(Duration),
    Expand(Vec<Arc<Task>>),
}

/// Concludes attempt `number` (from 1).
pub(crate) fn conclude(
    policy: &RetryPolicy,
    number: u32,
    reason: &StopReason,
    ran: AttemptEnd,
    rng: &mut fastrand::Rng,
) -> Conclusion {
    let (mut failure, then) = match (reason, ran) {
        // A body that returns well before the cancel takes hold has succeeded.
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
        // Nobody drops a body that was not told to stop, except a runtime that shuts down.
        (StopReason::Nothing, AttemptEnd::Aborted) => {
            let message = "the body was dropped before it returned".to_owned();
            (Failure { code: Code::Internal, message }, Disposition::Retry)
        }
    };
    failure.message.truncate(failure.message.floor_char_boundary(MAX_FAILURE_BYTES));
    match retry::after(policy, number, then, rng) {
        Next::Retry(delay) => Conclusion::Retry { failure, delay },
        Next::Snooze(delay) => Conclusion::Snooze(delay),
        Next::Cancel => Conclusion::Cancel(failure.message),
        Next::Fail => Conclusion::Fail(failure),
    }
}

/// The failure of an attempt that took too long.
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

    fn concluded(reason: &StopReason, ran: AttemptEnd) -> Conclusion {
        let policy = RetryPolicy { jitter: 0.0, ..RetryPolicy::with_retries(1) };
        conclude(&policy, 1, reason, ran, &mut fastrand::Rng::with_seed(1))
    }

    fn well() -> AttemptEnd {
        AttemptEnd::Returned(Ok(Arc::new(ArgValue::Int32(6))))
    }

    #[test]
    fn a_body_that_returns_well_before_the_cancel_takes_hold_has_succeeded() {
        let reason = StopReason::Cancel("tired".into());
        assert_eq!(concluded(&reason, well()), Conclusion::Succeed(Arc::new(ArgValue::Int32(6))));
    }

    #[test]
    fn a_cancelled_body_that_fails_is_not_retried() {
        let reason = StopReason::Cancel("tired".into());
        let ran = AttemptEnd::Returned(Err(TaskError::new("broken")));
        assert_eq!(concluded(&reason, ran), Conclusion::Cancel("tired".into()));
        assert_eq!(concluded(&reason, AttemptEnd::Aborted), Conclusion::Cancel("tired".into()));
    }

    #[test]
    fn a_result_that_comes_after_the_timeout_does_not_count() {
        let reason = StopReason::OutOfTime(Duration::from_secs(5));
        let failure = Failure {
            code: Code::TimedOut,
            message: "the attempt took longer than its timeout of 5s".into(),
        };
        let delay = Duration::from_secs(1);
        assert_eq!(concluded(&reason, well()), Conclusion::Retry { failure, delay });
    }

    #[test]
    fn an_error_that_asks_to_be_cancelled_is() {
        let ran = AttemptEnd::Returned(Err(TaskError::cancel("not wanted")));
        assert_eq!(concluded(&StopReason::Nothing, ran), Conclusion::Cancel("not wanted".into()));
    }

    #[test]
    fn a_message_that_goes_on_for_ever_is_cut() {
        let check = |ran: AttemptEnd| match concluded(&StopReason::Nothing, ran) {
            Conclusion::Retry { failure, .. } => assert_eq!(failure.message.len(), 8_190),
            other => panic!("{other:?}"),
        };
        let message = "€".repeat(1_000_000);
        check(AttemptEnd::Returned(Err(TaskError::new(message.clone()))));
        let failure = Failure { code: Code::Panicked, message };
        check(AttemptEnd::Failed { failure, retryable: true });
    }

    #[test]
    fn a_failure_that_says_so_is_not_retried() {
        let failure = Failure { code: Code::ResultTooLarge, message: "5 MB".into() };
        let ran = AttemptEnd::Failed { failure: failure.clone(), retryable: false };
        assert_eq!(concluded(&StopReason::Nothing, ran), Conclusion::Fail(failure));
    }
}
