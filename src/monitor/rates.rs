//! Rates: events a second over the last minute and the last five minutes.

use std::time::Duration;

/// The time that one bucket covers.
const SPAN: Duration = Duration::from_secs(10);
/// Five minutes, and the current bucket.
const BUCKETS: usize = 31;
/// The complete buckets in the last minute and in the last five.
const WINDOWS: [u64; 2] = [6, 30];

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Accepted,
    Started,
    Succeeded,
    Failed,
}

const MARKS: usize = 4;

/// Counts over the last five minutes, in buckets of ten seconds of the steady clock. Always 512 bytes.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    /// The number of the latest bucket since the start of the steady clock.
    latest: u64,
    buckets: [[u32; MARKS]; BUCKETS],
}

/// The counts of one or more rings within the two windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Recent([[u64; MARKS]; WINDOWS.len()]);

/// Rates per second, over the last minute and the last five minutes. The windows are complete buckets of ten
/// seconds and the current one: 60 to 70 s and 300 to 310 s, less right after a start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Tasks that were accepted.
    pub accepted: [f64; 2],
    /// Attempts that started.
    pub started: [f64; 2],
    /// Tasks that ended `SUCCEEDED`.
    pub succeeded: [f64; 2],
    /// Tasks that ended `FAILED`.
    pub failed: [f64; 2],
}

impl Rates {
    /// Adds the rates of another queue.
    pub(super) fn add(&mut self, other: &Self) {
        for (sums, rates) in [
            (&mut self.accepted, other.accepted),
            (&mut self.started, other.started),
            (&mut self.succeeded, other.succeeded),
            (&mut self.failed, other.failed),
        ] {
            for (sum, rate) in sums.iter_mut().zip(rates) {
                *sum += rate;
            }
        }
    }
}

fn bucket_at(now: Duration) -> u64 {
    now.as_secs() / SPAN.as_secs()
}

fn slot(bucket: u64) -> usize {
    usize::try_from(bucket % BUCKETS as u64).expect("fewer than there are buckets")
}

impl Default for Ring {
    fn default() -> Self {
        Self { latest: 0, buckets: [[0; MARKS]; BUCKETS] }
    }
}

impl Ring {
    /// Counts one event at `now` on the steady clock.
    pub(super) fn count(&mut self, mark: Mark, now: Duration) {
        let bucket = bucket_at(now);
        if bucket > self.latest {
            // The buckets in between had no events.
            let passed = (bucket - self.latest).min(BUCKETS as u64);
            for behind in 0..passed {
                self.buckets[slot(bucket - behind)] = [0; MARKS];
            }
            self.latest = bucket;
        }
        // A late event counts in the latest bucket: threads can read the clock in one order and get here
        // in the other.
        let counted = &mut self.buckets[slot(self.latest)][mark as usize];
        *counted = counted.saturating_add(1);
    }

    /// Adds the counts within each window to `recent`.
    pub(super) fn add_to(&self, recent: &mut Recent, now: Duration) {
        let current = bucket_at(now);
        for (whole, sums) in WINDOWS.into_iter().zip(&mut recent.0) {
            let first =
                current.saturating_sub(whole).max((self.latest + 1).saturating_sub(BUCKETS as u64));
            for bucket in first..=self.latest {
                for (sum, count) in sums.iter_mut().zip(self.buckets[slot(bucket)]) {
                    *sum += u64::from(count);
                }
            }
        }
    }
}

impl Recent {
    /// The rates at `now`, if counting began at `started`; both on the steady clock.
    pub(super) fn rates(&self, started: Duration, now: Duration) -> Rates {
        let mut rates = [[0.0; 2]; MARKS];
        for (at, (whole, sums)) in WINDOWS.into_iter().zip(self.0).enumerate() {
            let from =
                SPAN * u32::try_from(bucket_at(now).saturating_sub(whole)).unwrap_or(u32::MAX);
            // At least a second, so that the first events do not look like a high rate.
            let covered = now.saturating_sub(from.max(started)).max(Duration::from_secs(1));
            for (rate, sum) in rates.iter_mut().zip(sums) {
                rate[at] = sum as f64 / covered.as_secs_f64();
            }
        }
        let [accepted, started, succeeded, failed] = rates;
        Rates { accepted, started, succeeded, failed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn counts(ring: &Ring, now: u64) -> [u64; 2] {
        let mut recent = Recent::default();
        ring.add_to(&mut recent, seconds(now));
        recent.0.map(|sums| sums[Mark::Accepted as usize])
    }

    #[test]
    fn an_event_counts_in_the_one_and_five_minute_windows() {
        let mut ring = Ring::default();
        for at in [3, 9, 10, 61] {
            ring.count(Mark::Accepted, seconds(at));
        }
        for (now, expected) in [
            (61, [4, 4]),
            (69, [4, 4]),
            (70, [2, 4]),
            (80, [1, 4]),
            (129, [1, 4]),
            (130, [0, 4]),
            (309, [0, 4]),
            (310, [0, 2]),
            (370, [0, 0]),
            (1_000_000, [0, 0]),
        ] {
            assert_eq!(counts(&ring, now), expected, "at {now} s");
        }
    }

    #[test]
    fn old_counts_are_cleared_after_a_pause_of_any_length() {
        for pause in [10, 290, 300, 310, 320, 620, 1_000_000] {
            let mut ring = Ring::default();
            for at in 0..400 {
                ring.count(Mark::Accepted, seconds(at));
            }
            ring.count(Mark::Accepted, seconds(400 + pause));
            let now = 400 + pause;
            let still = (0..400).filter(|at| at / 10 + 30 >= now / 10).count() as u64;
            assert_eq!(counts(&ring, now)[1], 1 + still, "after {pause} s");
        }
    }

    #[test]
    fn a_late_event_is_counted_in_the_latest_bucket() {
        let mut ring = Ring::default();
        ring.count(Mark::Accepted, seconds(20));
        ring.count(Mark::Accepted, seconds(19));
        assert_eq!(counts(&ring, 20), [2, 2]);
    }

    #[test]
    fn a_rate_is_relative_to_the_time_since_the_start() {
        let started = seconds(1_000);
        let mut ring = Ring::default();
        for at in 1_000..1_400 {
            for _ in 0..5 {
                ring.count(Mark::Started, seconds(at));
            }
            ring.count(Mark::Failed, seconds(at));
        }
        for now in [1_000, 1_003, 1_047, 1_200, 1_399] {
            let mut until = Ring::default();
            for at in 1_000..now {
                for _ in 0..5 {
                    until.count(Mark::Started, seconds(at));
                }
                until.count(Mark::Failed, seconds(at));
            }
            let mut recent = Recent::default();
            until.add_to(&mut recent, seconds(now));
            let rates = recent.rates(started, seconds(now));
            let expected = if now == 1_000 { 0.0 } else { 1.0 };
            assert_eq!(rates.failed, [expected; 2], "at {now} s");
            assert_eq!(rates.started, [5.0 * expected; 2], "at {now} s");
            assert_eq!((rates.accepted, rates.succeeded), ([0.0; 2], [0.0; 2]));
        }
    }
}
