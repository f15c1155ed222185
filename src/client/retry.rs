//! Whether a call that came to nothing is made again, and when. Pure: chance is handed in.

use std::error::Error as _;
use std::time::Duration;

use tonic::Code as Grpc;
use tonic_types::StatusExt as _;

use crate::client::{ClientError, Reason};
use crate::error::Code;

/// After what a call may be made a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repeat {
    /// After a refusal that passes. Not where a refusal of one of many may leave traces of others.
    pub(super) when_refused: bool,
    /// When the first one may have arrived: where a second does nothing more, because it reads, sets,
    /// or carries the task's id.
    pub(super) when_in_doubt: bool,
}

impl Repeat {
    /// After both.
    pub(super) const HARMLESS: Self = Self { when_refused: true, when_in_doubt: true };
    /// Only if nothing was done.
    pub(super) const HARMFUL: Self = Self { when_refused: true, when_in_doubt: false };
    /// Tasks that are accepted together: of those that were refused together, some may be kept as
    /// cancelled, and a second call would join them.
    pub(super) const TOGETHER: Self = Self { when_refused: false, when_in_doubt: true };

    /// After what is fine for both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            when_refused: self.when_refused && other.when_refused,
            when_in_doubt: self.when_in_doubt && other.when_in_doubt,
        }
    }
}

/// How long to go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// The most tries of one call, the first included.
    pub(super) tries: u32,
    /// The wait before the second try; it doubles from one to the next.
    pub(super) first_wait: Duration,
    /// The longest wait, unless the server asks for a longer one.
    pub(super) longest_wait: Duration,
}

/// What a try came to, as far as trying again goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It never left.
    NotSent,
    /// The server did not take it, and that may change.
    NotTaken,
    /// Perhaps it was done, and its answer was lost.
    InDoubt,
    /// It will not be different the next time.
    Lasting,
}

impl Patience {
    /// How long to wait before the next try, or `None` to tell the caller. `tries` were made;
    /// `chance` is from 0 to 1.
    pub(super) fn wait(
        &self,
        error: &ClientError,
        repeat: Repeat,
        tries: u32,
        chance: f64,
    ) -> Option<Duration> {
        let again = match fault(error) {
            Fault::NotSent => true,
            Fault::NotTaken => repeat.when_refused,
            Fault::InDoubt => repeat.when_in_doubt,
            Fault::Lasting => false,
        };
        if !again || tries >= self.tries {
            return None;
        }
        let backoff = self.backoff(tries, chance);
        Some(asked_wait(error).map_or(backoff, |asked| asked.max(backoff)))
    }

    /// The wait after this many tries: doubling, between half of it and the whole.
    pub(super) fn backoff(&self, tries: u32, chance: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(tries.saturating_sub(1).min(31));
        let whole = self.first_wait.saturating_mul(doubled).min(self.longest_wait);
        whole.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 2.0)
    }
}

fn fault(error: &ClientError) -> Fault {
    match error {
        ClientError::Refused(refusal) => match refusal.reason {
            Reason::Known(Code::Draining | Code::StoreUnavailable) => Fault::NotTaken,
            Reason::Known(Code::OutcomeUnknown) => Fault::InDoubt,
            // The server says so itself.
            _ if refusal.retry_after.is_some() => Fault::NotTaken,
            _ => Fault::Lasting,
        },
        ClientError::Transport(_) if error.was_never_sent() => Fault::NotSent,
        // One with a source was made on this side, of a connection that broke.
        ClientError::Transport(status)
            if status.code() == Grpc::Unavailable || status.source().is_some() =>
        {
            Fault::InDoubt
        }
        _ => Fault::Lasting,
    }
}

/// What whoever answered asks to wait.
fn asked_wait(error: &ClientError) -> Option<Duration> {
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

    const GOES_ON: [Option<u128>; 4] = [Some(100), Some(200), Some(300), None];
    const GIVES_UP: [Option<u128>; 4] = [None; 4];

    #[test]
    fn what_is_tried_again() {
        let check = |error: ClientError, expected: [[Option<u128>; 4]; 3]| {
            let repeats = [Repeat::HARMLESS, Repeat::HARMFUL, Repeat::TOGETHER];
            assert_eq!(repeats.map(|repeat| waits(&error, repeat)), expected, "{error:?}");
        };
        check(refused(Code::Draining), [GOES_ON, GOES_ON, GIVES_UP]);
        check(refused(Code::StoreUnavailable), [GOES_ON, GOES_ON, GIVES_UP]);
        check(refused(Code::OutcomeUnknown), [GOES_ON, GIVES_UP, GOES_ON]);
        check(ClientError::from(Status::unavailable("a proxy")), [GOES_ON, GIVES_UP, GOES_ON]);

        let waited = Duration::from_secs(1);
        for lasting in [
            refused(Code::MethodNotFound),
            refused(Code::InvalidArgument),
            refused(Code::IdTaken),
            refused(Code::QueueFull),
            refused(Code::Internal),
            Status::unimplemented("old").into(),
            ClientError::Timeout { id: None, waited },
        ] {
            check(lasting, [GIVES_UP; 3]);
        }
    }

    #[test]
    fn what_is_fine_for_both_is_fine_for_neither_more() {
        let neither = Repeat { when_refused: false, when_in_doubt: false };
        assert_eq!(Repeat::HARMFUL.and(Repeat::TOGETHER), neither);
        assert_eq!(Repeat::HARMLESS.and(Repeat::TOGETHER), Repeat::TOGETHER);
        assert_eq!(Repeat::HARMFUL.and(Repeat::HARMLESS), Repeat::HARMFUL);
    }

    #[test]
    fn a_wait_that_the_server_asks_for_is_kept() {
        let full = |wait| {
            let wait = Duration::from_millis(wait);
            ClientError::from(Error::new(Code::QueueFull, "full").retry_after(wait))
        };
        assert_eq!(
            waits(&full(250), Repeat::HARMFUL),
            [Some(250), Some(250), Some(300), None],
            "at least that long"
        );
        assert_eq!(
            waits(&full(9_000), Repeat::HARMFUL),
            [Some(9_000), Some(9_000), Some(9_000), None]
        );
    }

    #[test]
    fn chance_takes_up_to_half_of_a_wait() {
        let wait = |chance| PATIENCE.backoff(2, chance).as_millis();
        assert_eq!([wait(0.0), wait(0.5), wait(1.0)], [200, 150, 100]);
        assert_eq!(PATIENCE.backoff(u32::MAX, 0.0), PATIENCE.longest_wait);
    }
}
