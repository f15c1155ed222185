//! Time as a value. Code that decides gets a [`Now`]; only code that performs I/O reads the clock.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A point in wall time: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(u64);

/// The last instant of the year 9999, the latest that protobuf's `Timestamp` can hold.
const LATEST_MICROS: u64 = 253_402_300_799_999_999;

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// The time at this many microseconds since the epoch; `None` after the year 9999.
    pub fn from_micros(micros: u64) -> Option<Self> {
        (micros <= LATEST_MICROS).then_some(Self(micros))
    }

    /// Microseconds since the epoch.
    pub fn as_micros(self) -> u64 {
        self.0
    }

    /// The time `duration` later; saturates at the end of the year 9999.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(LATEST_MICROS);
        Self(self.0.saturating_add(micros).min(LATEST_MICROS))
    }

    /// The duration since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl From<SystemTime> for Timestamp {
    /// Saturates at the epoch and at the end of the year 9999.
    fn from(time: SystemTime) -> Self {
        Self::EPOCH.plus(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_micros(timestamp.0)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339, in UTC, with microseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stamp = prost_types::Timestamp {
            seconds: (self.0 / 1_000_000).cast_signed(),
            nanos: i32::try_from(self.0 % 1_000_000 * 1_000).expect("less than a second"),
        };
        write!(f, "{stamp}")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The current time on both clocks.
///
/// Times that callers name or that outlive a restart (start times, expiries, backoffs) are compared with
/// `wall`; limits of this process (timeouts, grace periods) with `steady`, which never jumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall time; jumps when the machine's clock is set.
    pub wall: Timestamp,
    /// Time since this process first read the clock; never goes back.
    pub steady: Duration,
}

/// How long wall time is derived from the steady clock before the wall clock is read again.
const READ_WALL_EVERY: Duration = Duration::from_millis(100);

/// Reads both clocks. A change of the machine's clock shows within 100 ms: `wall` is mostly derived from the
/// steady clock, because reading two clocks is measurable in calls of microseconds.
pub fn now() -> Now {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    /// How far wall time is ahead of the steady clock, and until when that is used; microseconds. They are
    /// read and written separately: each is correct with an older value of the other.
    static AHEAD: AtomicU64 = AtomicU64::new(0);
    static USE_UNTIL: AtomicU64 = AtomicU64::new(0);
    let steady = START.elapsed();
    let micros = u64::try_from(steady.as_micros()).unwrap_or(u64::MAX);
    if micros < USE_UNTIL.load(Ordering::Acquire) {
        let wall =
            Timestamp(AHEAD.load(Ordering::Acquire).saturating_add(micros).min(LATEST_MICROS));
        return Now { wall, steady };
    }
    let wall = Timestamp::from(SystemTime::now());
    AHEAD.store(wall.0.saturating_sub(micros), Ordering::Release);
    let until = steady.saturating_add(READ_WALL_EVERY).as_micros();
    USE_UNTIL.store(u64::try_from(until).unwrap_or(u64::MAX), Ordering::Release);
    Now { wall, steady }
}
