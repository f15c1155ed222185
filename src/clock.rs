//! Time as a value. Deciders are handed a [`Now`]; only performers read the clock.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A point in civil time: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(u64);

/// The last instant of the year 9999, the latest that protobuf's `Timestamp` can say.
const LATEST_MICROS: u64 = 253_402_300_799_999_999;

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// `None` after the year 9999.
    pub fn from_micros(micros: u64) -> Option<Self> {
        (micros <= LATEST_MICROS).then_some(Self(micros))
    }

    /// Microseconds since the epoch.
    pub fn as_micros(self) -> u64 {
        self.0
    }

    /// This time and a bit; saturates at the end of the year 9999.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(LATEST_MICROS);
        Self(self.0.saturating_add(micros).min(LATEST_MICROS))
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl From<SystemTime> for Timestamp {
    /// Times before 1970 become the epoch, times after the year 9999 its end.
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

/// The present, on both clocks.
///
/// What a person named (run at, expiry, backoff that outlives a restart) is compared with `wall`;
/// what bounds something that runs here (timeouts, grace) with `steady`, which never jumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Civil time; can jump when the machine's clock is set.
    pub wall: Timestamp,
    /// Time since this process first looked at a clock; never goes back.
    pub steady: Duration,
}

/// How long civil time is counted on from the steady clock before it is read anew.
const READ_ANEW_AFTER: Duration = Duration::from_millis(100);

/// Reads both clocks. A machine's clock that is set is noticed within 100 ms: reading one
/// clock instead of two matters to calls of microseconds.
pub fn now() -> Now {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    /// What civil time is ahead of the steady clock, and until when that is taken for granted;
    /// microseconds. Read and written apart: either is right with an older other.
    static AHEAD: AtomicU64 = AtomicU64::new(0);
    static GOOD_UNTIL: AtomicU64 = AtomicU64::new(0);
    let steady = START.elapsed();
    let micros = u64::try_from(steady.as_micros()).unwrap_or(u64::MAX);
    if micros < GOOD_UNTIL.load(Ordering::Acquire) {
        let wall =
            Timestamp(AHEAD.load(Ordering::Acquire).saturating_add(micros).min(LATEST_MICROS));
        return Now { wall, steady };
    }
    let wall = Timestamp::from(SystemTime::now());
    AHEAD.store(wall.0.saturating_sub(micros), Ordering::Release);
    let until = steady.saturating_add(READ_ANEW_AFTER).as_micros();
    GOOD_UNTIL.store(u64::try_from(until).unwrap_or(u64::MAX), Ordering::Release);
    Now { wall, steady }
}
