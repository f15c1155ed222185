//! What the end of an attempt means for its task: a pure function.

use std::sync::Arc;
use std::time::Duration;

use super::core::Ran;
use super::retry::{self, Next};
use crate::error::Code;
use crate::models::{ArgValue, Failure, RetryPolicy, Task};
use crate::tasks::{TaskError, Then};

/// The longest message of a failure, in bytes. It is kept for every attempt that it ended, and an
/// answer has to have room for it.
const MAX_FAILURE_BYTES: usize = 8 << 10;

/// Why a body was told to stop, if it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
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
    told: &Told,
    ran: Ran,
    rng: &mut fastrand::Rng,
) -> Conclusion {
    let (mut failure, then) = match (told, ran) {
        // A body that returns well before the cancel takes hold has succeeded.
        (Told::Nothing | Told::Cancel(_), Ran::Returned(Ok(result))) => {
            return Conclusion::Succeed(result);
        }
        (Told::Nothing | Told::Cancel(_), Ran::Skipped) => return Conclusion::Skip,
        (Told::Cancel(reason), _) => return Conclusion::Cancel(reason.clone()),
        (Told::OutOfTime(timeout), _) => (timed_out(*timeout), Then::Retry),
        (Told::Nothing, Ran::Expanded(children)) => return Conclusion::Expand(children),
        (Told::Nothing, Ran::Returned(Err(error))) => (handler_failed(&error), error.then()),
        (Told::Nothing, Ran::Failed { failure, retryable }) => {
            (failure, if retryable { Then::Retry } else { Then::Fail })
        }
        // Nobody drops a body that was not told to stop, except a runtime that shuts down.
        (Told::Nothing, Ran::Aborted) => {
            let message = "the body was dropped before it returned".to_owned();
            (Failure { code: Code::Internal, message }, Then::Retry)
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

    fn concluded(told: &Told, ran: Ran) -> Conclusion {
        let policy = RetryPolicy { jitter: 0.0, ..RetryPolicy::with_retries(1) };
        conclude(&policy, 1, told, ran, &mut fastrand::Rng::with_seed(1))
    }

    fn well() -> Ran {
        Ran::Returned(Ok(Arc::new(ArgValue::Int32(6))))
    }

    #[test]
    fn a_body_that_returns_well_before_the_cancel_takes_hold_has_succeeded() {
        let told = Told::Cancel("tired".into());
        assert_eq!(concluded(&told, well()), Conclusion::Succeed(Arc::new(ArgValue::Int32(6))));
    }

    #[test]
    fn a_cancelled_body_that_fails_is_not_retried() {
        let told = Told::Cancel("tired".into());
        let ran = Ran::Returned(Err(TaskError::new("broken")));
        assert_eq!(concluded(&told, ran), Conclusion::Cancel("tired".into()));
        assert_eq!(concluded(&told, Ran::Aborted), Conclusion::Cancel("tired".into()));
    }

    #[test]
    fn a_result_that_comes_after_the_timeout_does_not_count() {
        let told = Told::OutOfTime(Duration::from_secs(5));
        let failure = Failure {
            code: Code::TimedOut,
            message: "the attempt took longer than its timeout of 5s".into(),
        };
        let delay = Duration::from_secs(1);
        assert_eq!(concluded(&told, well()), Conclusion::Retry { failure, delay });
    }

    #[test]
    fn an_error_that_asks_to_be_cancelled_is() {
        let ran = Ran::Returned(Err(TaskError::cancel("not wanted")));
        assert_eq!(concluded(&Told::Nothing, ran), Conclusion::Cancel("not wanted".into()));
    }

    #[test]
    fn a_message_that_goes_on_for_ever_is_cut() {
        let check = |ran: Ran| match concluded(&Told::Nothing, ran) {
            Conclusion::Retry { failure, .. } => assert_eq!(failure.message.len(), 8_190),
            other => panic!("{other:?}"),
        };
        let message = "€".repeat(1_000_000);
        check(Ran::Returned(Err(TaskError::new(message.clone()))));
        let failure = Failure { code: Code::Panicked, message };
        check(Ran::Failed { failure, retryable: true });
    }

    #[test]
    fn a_failure_that_says_so_is_not_retried() {
        let failure = Failure { code: Code::ResultTooLarge, message: "5 MB".into() };
        let ran = Ran::Failed { failure: failure.clone(), retryable: false };
        assert_eq!(concluded(&Told::Nothing, ran), Conclusion::Fail(failure));
    }
}
