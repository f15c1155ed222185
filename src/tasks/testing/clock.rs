//! A clock that moves when it is told to.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{Now, Timestamp};

/// 2026-01-01T00:00:00Z.
const START_MICROS: u64 = 1_767_225_600_000_000;

/// How long the steady clock has gone when the first test begins, so that attempts can have begun
/// before.
const UPTIME: Duration = Duration::from_secs(366 * 24 * 3600);

/// Both clocks of a test. Its clones are the same clock. Begins on 2026-01-01 and stands still until it
/// is moved.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<watch::Sender<Now>>);

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl ManualClock {
    /// A clock of its own.
    pub fn new() -> Self {
        let wall = Timestamp::EPOCH.plus(Duration::from_micros(START_MICROS));
        Self(Arc::new(watch::Sender::new(Now { wall, steady: UPTIME })))
    }

    /// What it shows.
    pub fn now(&self) -> Now {
        *self.0.borrow()
    }

    /// Moves it on. An attempt whose timeout is over by then is told to stop.
    pub fn advance(&self, duration: Duration) {
        self.0.send_modify(|now| {
            now.wall = now.wall.plus(duration);
            now.steady = now.steady.saturating_add(duration);
        });
    }

    /// Tells of every move.
    pub(super) fn moves(&self) -> watch::Receiver<Now> {
        self.0.subscribe()
    }
}
