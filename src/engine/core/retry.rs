//! Retries with exponential backoff and jitter: what follows a failed attempt.

use std::time::Duration;

use super::conclusion::Conclusion;
use crate::models::{Failure, RetryPolicy};
use crate::tasks::Disposition;

/// Concludes attempt `number` (from 1) that failed with this disposition.
pub(crate) fn after_failure(
    policy: &RetryPolicy,
    number: u32,
    disposition: Disposition,
    failure: Failure,
    rng: &mut fastrand::Rng,
) -> Conclusion {
    match disposition {
        Disposition::Snooze(delay) => Conclusion::Snooze(delay),
        Disposition::Cancel => Conclusion::Cancel(failure.message),
        Disposition::Fail => Conclusion::Fail(failure),
        Disposition::Retry | Disposition::RetryAfter(_) if number > policy.retries => {
            Conclusion::Fail(failure)
        }
        // A server's `Retry-After` wins over the policy.
        Disposition::RetryAfter(delay) => Conclusion::Retry { failure, delay },
        Disposition::Retry => Conclusion::Retry { failure, delay: backoff(policy, number, rng) },
    }
}

/// The delay after attempt `number`, less a random part of up to the policy's jitter.
fn backoff(policy: &RetryPolicy, number: u32, rng: &mut fastrand::Rng) -> Duration {
    policy.delay(number).mul_f64(1.0 - policy.jitter * rng.f64())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::Code;
    use crate::models::MAX_BACKOFF;

    fn failure() -> Failure {
        Failure { code: Code::HandlerFailed, message: "no route to host".to_owned() }
    }

    fn after(retries: u32, number: u32, disposition: Disposition) -> Conclusion {
        let policy = RetryPolicy::with_retries(retries);
        let mut rng = fastrand::Rng::with_seed(1);
        after_failure(&policy, number, disposition, failure(), &mut rng)
    }

    #[test]
    fn the_last_allowed_attempt_is_not_retried() {
        assert!(matches!(after(2, 2, Disposition::Retry), Conclusion::Retry { .. }));
        assert_eq!(after(2, 3, Disposition::Retry), Conclusion::Fail(failure()));
        let delay = Duration::from_secs(9);
        assert_eq!(after(2, 3, Disposition::RetryAfter(delay)), Conclusion::Fail(failure()));
    }

    #[test]
    fn the_retry_after_of_a_server_wins_over_the_policy() {
        let delay = Duration::from_secs(3600);
        let retry = Conclusion::Retry { failure: failure(), delay };
        assert_eq!(after(1, 1, Disposition::RetryAfter(delay)), retry);
    }

    #[test]
    fn a_snooze_needs_no_retry_left() {
        let delay = Duration::from_secs(2);
        assert_eq!(after(0, 7, Disposition::Snooze(delay)), Conclusion::Snooze(delay));
    }

    proptest! {
        #[test]
        fn a_delay_stays_between_what_the_policy_and_its_jitter_allow(
            number in 1..2_000_u32,
            base in 0..=MAX_BACKOFF.as_micros() as u64,
            max in 0..=MAX_BACKOFF.as_micros() as u64,
            multiplier in 1.0..=100.0_f64,
            jitter in 0.0..=1.0_f64,
            seed: u64,
        ) {
            let (base, max) = (Duration::from_micros(base), Duration::from_micros(max));
            let policy = RetryPolicy { retries: number, base, multiplier, max, jitter };
            let delay = backoff(&policy, number, &mut fastrand::Rng::with_seed(seed));
            // Computed step by step, unlike `RetryPolicy::delay`.
            let mut whole = base.as_secs_f64();
            for _ in 1..number {
                whole = (whole * multiplier).min(max.as_secs_f64());
            }
            whole = whole.min(max.as_secs_f64());
            let slack = 1e-6 * (1.0 + whole);
            prop_assert!(delay.as_secs_f64() <= whole + slack, "{delay:?} of {whole}");
            prop_assert!(delay.as_secs_f64() >= whole * (1.0 - jitter) - slack, "{delay:?}");
        }
    }

    #[test]
    fn a_zero_base_gives_no_delay_after_any_number_of_attempts() {
        let policy = RetryPolicy {
            base: Duration::ZERO,
            multiplier: 100.0,
            ..RetryPolicy::with_retries(1_000)
        };
        let mut rng = fastrand::Rng::with_seed(1);
        assert_eq!(backoff(&policy, 1_000, &mut rng), Duration::ZERO);
    }

    #[test]
    fn without_jitter_the_delay_doubles_up_to_its_maximum() {
        let policy = RetryPolicy { jitter: 0.0, ..RetryPolicy::with_retries(100) };
        let mut rng = fastrand::Rng::with_seed(1);
        let seconds: Vec<u64> =
            (1..=7).map(|number| backoff(&policy, number, &mut rng).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff(&policy, u32::MAX, &mut rng), policy.max);
    }
}
