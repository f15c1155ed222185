//! How long things may take, and how long a service rests after a failure.

use std::time::Duration;

use tokio::time::Instant;

/// The pause after the first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// No pause is shorter, whatever is asked for: what fails at once must not spin.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a service may take to begin.
const INITIALIZE_WITHIN: Duration = Duration::from_secs(30);
/// How long one service may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How long all of them together may take to stop.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(10);
/// When what would come after the end of time comes.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3_600);

/// How long things may take, and how long a service rests after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The pause after the first failure, at least a millisecond; each further one doubles it.
    pub first_pause: Duration,
    /// No pause is longer.
    pub longest_pause: Duration,
    /// How long a service may take to begin.
    pub initialize_within: Duration,
    /// How long one service may take to stop: its turn and its `shutdown` together.
    pub stop_within: Duration,
    /// How long all of them together may take to stop.
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
    /// The pause after so many failures in a row.
    pub(super) fn pause(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.first_pause.saturating_mul(doubled).min(self.longest_pause).max(SHORTEST_PAUSE)
    }
}

/// The end of a time that begins now. It may be as long as can be said.
pub(super) fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now + NEVER)
}

#[test]
fn a_pause_doubles_up_to_the_cap() {
    let pause = |failures| Pace::default().pause(failures).as_secs();
    let pauses = [1, 2, 3, 4, 5, 6, 7, 33, u32::MAX].map(pause);
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30, 30]);
}

#[test]
fn what_fails_at_once_does_not_spin_even_if_no_pause_is_asked_for() {
    let none = Duration::ZERO;
    for (first_pause, longest_pause) in [(none, none), (none, FIRST_PAUSE), (FIRST_PAUSE, none)] {
        let pace = Pace { first_pause, longest_pause, ..Pace::default() };
        assert_eq!([1, 2, u32::MAX].map(|failures| pace.pause(failures)), [SHORTEST_PAUSE; 3]);
    }
}
