//! Interval rules: `anchor + n · interval`. Each time is computed from the anchor, so that rounding does
//! not accumulate.

use std::time::Duration;

use crate::clock::Timestamp;

/// The occurrences of an interval rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periodic {
    /// Microseconds, at least 1.
    interval: u64,
    /// Microseconds since the epoch, less than the interval.
    phase: u64,
}

impl Periodic {
    /// `None` if the interval is shorter than a microsecond.
    pub fn new(interval: Duration, anchor: Timestamp) -> Option<Self> {
        let interval = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX);
        let phase = anchor.as_micros().checked_rem(interval)?;
        Some(Self { interval, phase })
    }

    /// The first occurrence after a time; `None` after the year 9999.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let next = self.up_to(after).checked_mul(self.interval)?.checked_add(self.phase)?;
        Timestamp::from_micros(next)
    }

    /// The last occurrence up to `until`.
    pub fn latest(&self, until: Timestamp) -> Option<Timestamp> {
        let before = self.up_to(until).checked_sub(1)?;
        Timestamp::from_micros(before * self.interval + self.phase)
    }

    /// The number of occurrences after `after` up to `until`.
    pub fn count(&self, after: Timestamp, until: Timestamp) -> u64 {
        self.up_to(until).saturating_sub(self.up_to(after))
    }

    /// The number of occurrences from the epoch to this time, both included.
    fn up_to(&self, until: Timestamp) -> u64 {
        match until.as_micros().checked_sub(self.phase) {
            Some(elapsed) => elapsed / self.interval + 1,
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros).unwrap()
    }

    #[test]
    fn occurrences_are_the_anchor_and_whole_intervals_from_it() {
        let rule = Periodic::new(Duration::from_micros(10), at(23)).unwrap();
        let check = |after, next, latest: Option<u64>| {
            assert_eq!(rule.next_after(at(after)), Some(at(next)), "after {after}");
            assert_eq!(rule.latest(at(after)), latest.map(at), "until {after}");
        };
        check(0, 3, None);
        check(2, 3, None);
        check(3, 13, Some(3));
        check(12, 13, Some(3));
        check(13, 23, Some(13));
        check(22, 23, Some(13));
        check(23, 33, Some(23));
        check(1_000_000_000_000_000, 1_000_000_000_000_003, Some(999_999_999_999_993));
    }

    #[test]
    fn occurrences_between_two_times_are_counted_without_enumeration() {
        let rule = Periodic::new(Duration::from_secs(1), at(500_000)).unwrap();
        let (from, until) = (at(1_000_000_500_000), at(1_000_000_500_000 + 31_536_000_000_000));
        assert_eq!(rule.count(from, until), 31_536_000);
        assert_eq!(rule.count(until, from), 0, "backwards");
        assert_eq!(rule.count(from, from), 0);
        assert_eq!(rule.count(at(999_999), at(1_500_000)), 1);
    }

    #[test]
    fn there_are_no_occurrences_after_the_year_9999() {
        let end = at(253_402_300_799_999_999);
        let year = Duration::from_secs(366 * 24 * 3_600);
        assert_eq!(Periodic::new(year, end).unwrap().next_after(end), None);
        assert_eq!(Periodic::new(Duration::ZERO, end), None);
        let nearly = Timestamp::from_micros(end.as_micros() - 1).unwrap();
        assert_eq!(Periodic::new(year, end).unwrap().next_after(nearly), Some(end));
    }
}
