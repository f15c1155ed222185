//! Whether and when a failed call is repeated. Pure functions: the caller passes randomness in.

use std::error::Error as _;
use std::time::Duration;

use tonic::Code as Grpc;
use tonic_types::StatusExt as _;

use crate::client::{ClientError, Reason};
use crate::error::Code;

/// When a call may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repeat {
    /// After a temporary refusal. Not for tasks that are refused together, where others may be stored.
    pub(super) when_refused: bool,
    /// When the first call may have arrived: for idempotent calls, which read, set, or have a task id.
    pub(super) when_in_doubt: bool,
}

impl Repeat {
    /// Idempotent calls.
    pub(super) const IDEMPOTENT: Self = Self { when_refused: true, when_in_doubt: true };
    /// Calls that must not be executed twice.
    pub(super) const ONCE: Self = Self { when_refused: true, when_in_doubt: false };
    /// Calls with several tasks that are accepted together: after a refusal some may be stored as
    /// cancelled, and a second call would join those.
    pub(super) const TOGETHER: Self = Self { when_refused: false, when_in_doubt: true };

    /// Repeatable only when both are.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            when_refused: self.when_refused && other.when_refused,
            when_in_doubt: self.when_in_doubt && other.when_in_doubt,
        }
    }
}

/// How often and how fast to repeat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// The most attempts of one call, including the first.
    pub(super) tries: u32,
    /// The wait before the second attempt; it doubles with each attempt.
    pub(super) first_wait: Duration,
    /// The longest wait, unless the server requests a longer one.
    pub(super) longest_wait: Duration,
}

/// How a call failed, with regard to repeating it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The request was not sent.
    NotSent,
    /// The server refused it temporarily.
    Refused,
    /// The call may have been executed, and its answer lost.
    InDoubt,
    /// A second call would fail, too.
    Permanent,
}

impl Patience {
    /// The wait before the next attempt, after `tries` attempts; `None`: return the error. `random` is 0
    /// to 1.
    pub(super) fn wait(
        &self,
        error: &ClientError,
        repeat: Repeat,
        tries: u32,
        random: f64,
    ) -> Option<Duration> {
        let repeatable = match fault(error) {
            Fault::NotSent => true,
            Fault::Refused => repeat.when_refused,
            Fault::InDoubt => repeat.when_in_doubt,
            Fault::Permanent => false,
        };
        if !repeatable || tries >= self.tries {
            return None;
        }
        let backoff = self.backoff(tries, random);
        Some(requested_wait(error).map_or(backoff, |wait| wait.max(backoff)))
    }

    /// Exponential backoff after this many attempts, reduced by a random part of up to half.
    pub(super) fn backoff(&self, tries: u32, random: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(tries.saturating_sub(1).min(31));
        let whole = self.first_wait.saturating_mul(doubled).min(self.longest_wait);
        whole.mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0)
    }
}

fn fault(error: &ClientError) -> Fault {
    match error {
        ClientError::Refused(refusal) => match refusal.reason {
            Reason::Known(Code::Draining | Code::StoreUnavailable) => Fault::Refused,
            Reason::Known(Code::OutcomeUnknown) => Fault::InDoubt,
            // A RetryInfo says that a retry can succeed.
            _ if refusal.retry_after.is_some() => Fault::Refused,
            _ => Fault::Permanent,
        },
        ClientError::Transport(_) if error.was_never_sent() => Fault::NotSent,
        // A status with a source was created by the client, for a connection that broke.
        ClientError::Transport(status)
            if status.code() == Grpc::Unavailable || status.source().is_some() =>
        {
            Fault::InDoubt
        }
        _ => Fault::Permanent,
    }
}

/// The wait that the server or a proxy requests.
fn requested_wait(error: &ClientError) -> Option<Duration> {
    match error {
        ClientError::Refused(refusal) => refusal.retry_after,
        ClientError::Transport(status) => status.get_details_retry_info()?.retry_delay,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;
    use crate::error::Error;

    const PATIENCE: Patience = Patience {
        tries: 4,
        first_wait: Duration::from_millis(100),
        longest_wait: Duration::from_millis(300),
    };

    fn refused(code: Code) -> ClientError {
        Error::new(code, "why").into()
    }

    fn waits(error: &ClientError, repeat: Repeat) -> [Option<u128>; 4] {
        [1, 2, 3, 4]
            .map(|tries| PATIENCE.wait(error, repeat, tries, 0.0).map(|wait| wait.as_millis()))
    }

    const REPEATED: [Option<u128>; 4] = [Some(100), Some(200), Some(300), None];
    const RETURNED: [Option<u128>; 4] = [None; 4];

    #[test]
    fn which_calls_are_repeated() {
        let check = |error: ClientError, expected: [[Option<u128>; 4]; 3]| {
            let repeats = [Repeat::IDEMPOTENT, Repeat::ONCE, Repeat::TOGETHER];
            assert_eq!(repeats.map(|repeat| waits(&error, repeat)), expected, "{error:?}");
        };
        check(refused(Code::Draining), [REPEATED, REPEATED, RETURNED]);
        check(refused(Code::StoreUnavailable), [REPEATED, REPEATED, RETURNED]);
        check(refused(Code::OutcomeUnknown), [REPEATED, RETURNED, REPEATED]);
        check(ClientError::from(Status::unavailable("a proxy")), [REPEATED, RETURNED, REPEATED]);

        let waited = Duration::from_secs(1);
        for permanent in [
            refused(Code::MethodNotFound),
            refused(Code::InvalidArgument),
            refused(Code::IdTaken),
            refused(Code::QueueFull),
            refused(Code::Internal),
            Status::unimplemented("old").into(),
            ClientError::Timeout { id: None, waited },
        ] {
            check(permanent, [RETURNED; 3]);
        }
    }

    #[test]
    fn two_calls_together_are_repeatable_when_both_are() {
        let neither = Repeat { when_refused: false, when_in_doubt: false };
        assert_eq!(Repeat::ONCE.and(Repeat::TOGETHER), neither);
        assert_eq!(Repeat::IDEMPOTENT.and(Repeat::TOGETHER), Repeat::TOGETHER);
        assert_eq!(Repeat::ONCE.and(Repeat::IDEMPOTENT), Repeat::ONCE);
    }

    #[test]
    fn a_wait_that_the_server_requests_is_respected() {
        let full = |wait| {
            let wait = Duration::from_millis(wait);
            ClientError::from(Error::new(Code::QueueFull, "full").retry_after(wait))
        };
        assert_eq!(
            waits(&full(250), Repeat::ONCE),
            [Some(250), Some(250), Some(300), None],
            "at least that long"
        );
        assert_eq!(
            waits(&full(9_000), Repeat::ONCE),
            [Some(9_000), Some(9_000), Some(9_000), None]
        );
    }

    #[test]
    fn up_to_half_of_a_wait_is_random() {
        let wait = |random| PATIENCE.backoff(2, random).as_millis();
        assert_eq!([wait(0.0), wait(0.5), wait(1.0)], [200, 150, 100]);
        assert_eq!(PATIENCE.backoff(u32::MAX, 0.0), PATIENCE.longest_wait);
    }
}
