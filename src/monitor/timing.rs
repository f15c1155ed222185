//! Percentiles of durations, in bounded memory.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest duration that is resolved, in microseconds: 7 days, the longest timeout.
const LONGEST_MICROS: u64 = 7 * 24 * 3600 * 1_000_000;

/// One significant figure: 16 buckets for every doubling, so that a percentile is at most a sixteenth too
/// long. A histogram takes 4.6 KiB; with two figures it would take 34 KiB, for two histograms in each of a
/// thousand methods.
const FIGURES: u8 = 1;

/// A histogram of durations. Recording does not allocate.
#[derive(Clone, Debug)]
pub(super) struct Timing {
    histogram: Histogram<u64>,
    longest: Duration,
}

/// Percentiles of durations. Each is at most a sixteenth above the exact one and never above the maximum,
/// which is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// 50 of 100 durations are at most this long.
    pub p50: Duration,
    /// 90 of 100 durations are at most this long.
    pub p90: Duration,
    /// 99 of 100 durations are at most this long.
    pub p99: Duration,
    /// The longest duration.
    pub max: Duration,
    /// How many durations were recorded.
    pub count: u64,
}

impl Default for Timing {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_MICROS, FIGURES);
        let histogram = histogram.expect("the bounds are a range, and one is a number of figures");
        Self { histogram, longest: Duration::ZERO }
    }
}

impl Timing {
    /// Records a duration.
    pub(super) fn record(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.histogram.saturating_record(micros.min(LONGEST_MICROS));
        self.longest = self.longest.max(took);
    }

    /// The percentiles of all recorded durations.
    pub(super) fn percentiles(&self) -> Percentiles {
        let at = |quantile: f64| {
            let micros = self.histogram.value_at_quantile(quantile);
            Duration::from_micros(micros).min(self.longest)
        };
        Percentiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: self.longest,
            count: self.histogram.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn to_percentiles(micros: &[u64]) -> Percentiles {
        let mut timing = Timing::default();
        for micros in micros {
            timing.record(Duration::from_micros(*micros));
        }
        timing.percentiles()
    }

    #[test]
    fn without_durations_all_percentiles_are_zero() {
        assert_eq!(to_percentiles(&[]), Percentiles::default());
    }

    #[test]
    fn durations_above_a_week_are_counted_and_their_maximum_is_exact() {
        let month = 30 * 24 * 3600 * 1_000_000;
        let measured = to_percentiles(&[5, month]);
        assert_eq!((measured.count, measured.max), (2, Duration::from_micros(month)));
        let week = Duration::from_micros(LONGEST_MICROS);
        assert!(measured.p99 >= week && measured.p99 <= week + week / 16, "{:?}", measured.p99);
    }

    #[test]
    fn a_histogram_takes_the_documented_memory() {
        assert_eq!(Timing::default().histogram.distinct_values() * size_of::<u64>(), 4_736);
    }

    proptest! {
        #[test]
        fn percentiles_are_at_most_a_sixteenth_above_the_exact_ones(
            times in prop::collection::vec((0_u32..40, any::<u64>()), 1..2_000)
        ) {
            // Every order of magnitude up to a week is as likely as any other.
            let mut times: Vec<u64> = times
                .into_iter()
                .map(|(bits, micros)| (micros % (1 << bits)).min(LONGEST_MICROS))
                .collect();
            let measured = to_percentiles(&times);
            times.sort_unstable();
            let count = times.len();
            let exact = |percent: usize| {
                Duration::from_micros(times[(percent * count).div_ceil(100) - 1])
            };
            prop_assert_eq!(measured.count, count as u64);
            prop_assert_eq!(measured.max, exact(100));
            for (measured, percent) in [(measured.p50, 50), (measured.p90, 90), (measured.p99, 99)] {
                let exact = exact(percent);
                prop_assert!(
                    measured >= exact && measured <= exact + exact / 16,
                    "p{}: {:?} for {:?}", percent, measured, exact
                );
            }
        }
    }
}
