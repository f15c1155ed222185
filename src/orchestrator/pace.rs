//! Time limits and backoff of services.

use std::time::Duration;

use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The minimum pause, whatever is configured: a service that fails at once must not spin.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const INITIALIZE_WITHIN: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(5);
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(10);
/// Replaces a deadline that the clock cannot represent.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3_600);

/// Time limits and exponential backoff of services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The pause after the first failure, at least 1 ms; each further failure doubles it. Default 1 s.
    pub first_pause: Duration,
    /// The maximum pause. Default 30 s.
    pub longest_pause: Duration,
    /// The time limit of `initialize`. Default 30 s.
    pub initialize_within: Duration,
    /// The time limit for one service to stop: its current turn and its `shutdown`. Default 5 s.
    pub stop_within: Duration,
    /// The time limit for all services to stop. Default 10 s.
    pub shutdown_within: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_pause: FIRST_PAUSE,
            longest_pause: LONGEST_PAUSE,
            initialize_within: INITIALIZE_WITHIN,
            stop_within: STOP_WITHIN,
            shutdown_within: SHUTDOWN_WITHIN,
        }
    }
}

impl Pace {
    /// The pause after this many failures in a row.
    pub(super) fn pause(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.first_pause.saturating_mul(doubled).min(self.longest_pause).max(SHORTEST_PAUSE)
    }
}

/// The instant after this time, which may be [`Duration::MAX`].
pub(super) fn deadline(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now + NEVER)
}

#[test]
fn the_pause_doubles_up_to_the_maximum() {
    let pause = |failures| Pace::default().pause(failures).as_secs();
    let pauses = [1, 2, 3, 4, 5, 6, 7, 33, u32::MAX].map(pause);
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30, 30]);
}

#[test]
fn a_service_that_fails_at_once_does_not_spin_even_without_a_configured_pause() {
    let none = Duration::ZERO;
    for (first_pause, longest_pause) in [(none, none), (none, FIRST_PAUSE), (FIRST_PAUSE, none)] {
        let pace = Pace { first_pause, longest_pause, ..Pace::default() };
        assert_eq!([1, 2, u32::MAX].map(|failures| pace.pause(failures)), [SHORTEST_PAUSE; 3]);
    }
}
