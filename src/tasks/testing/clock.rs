//! A clock that a test moves.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{Now, Timestamp};

/// 2026-01-01T00:00:00Z.
const START_MICROS: u64 = 1_767_225_600_000_000;

/// Where the steady clock starts: late enough for attempts that started before the test.
const UPTIME: Duration = Duration::from_secs(366 * 24 * 3600);

/// The wall clock and the steady clock of a test. Clones share one clock. It starts at
/// 2026-01-01T00:00:00Z and moves only by [`advance`](Self::advance).
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<watch::Sender<Now>>);

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl ManualClock {
    /// A new clock, which shares nothing with others.
    pub fn new() -> Self {
        let wall = Timestamp::EPOCH.plus(Duration::from_micros(START_MICROS));
        Self(Arc::new(watch::Sender::new(Now { wall, steady: UPTIME })))
    }

    /// The current time.
    pub fn now(&self) -> Now {
        *self.0.borrow()
    }

    /// Moves both clocks forward. Cancels the context of an attempt whose timeout is over then.
    pub fn advance(&self, duration: Duration) {
        self.0.send_modify(|now| {
            now.wall = now.wall.plus(duration);
            now.steady = now.steady.saturating_add(duration);
        });
    }

    /// Notifies of every move.
    pub(super) fn moves(&self) -> watch::Receiver<Now> {
        self.0.subscribe()
    }
}
