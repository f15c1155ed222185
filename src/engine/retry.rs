//! What follows from a failed attempt: a pure function of the policy, the error and chance.

use std::time::Duration;

use crate::models::RetryPolicy;
use crate::tasks::Disposition;

/// What to do after an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another attempt, after this long.
    Retry(Duration),
    /// The same attempt again, after this long.
    Snooze(Duration),
    /// No more.
    Fail,
    /// No more: the body asked to be cancelled.
    Cancel,
}

/// Decides what follows attempt `number` (from 1), whose body said `then`.
pub(crate) fn after(
    policy: &RetryPolicy,
    number: u32,
    then: Disposition,
    rng: &mut fastrand::Rng,
) -> Next {
    match then {
        Disposition::Snooze(wait) => Next::Snooze(wait),
        Disposition::Cancel => Next::Cancel,
        Disposition::Fail => Next::Fail,
        Disposition::Retry | Disposition::RetryAfter(_) if number > policy.retries => Next::Fail,
        // A server that says when to come back knows better than a formula.
        Disposition::RetryAfter(wait) => Next::Retry(wait),
        Disposition::Retry => Next::Retry(backoff(policy, number, rng)),
    }
}

/// The delay after attempt `number`, less a random part.
fn backoff(policy: &RetryPolicy, number: u32, rng: &mut fastrand::Rng) -> Duration {
    policy.delay(number).mul_f64(1.0 - policy.jitter * rng.f64())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::models::MAX_BACKOFF;

    #[test]
    fn the_last_allowed_attempt_is_not_retried() {
        let policy = RetryPolicy::with_retries(2);
        let mut rng = fastrand::Rng::with_seed(1);
        assert!(matches!(after(&policy, 2, Disposition::Retry, &mut rng), Next::Retry(_)));
        assert_eq!(after(&policy, 3, Disposition::Retry, &mut rng), Next::Fail);
        let wait = Duration::from_secs(9);
        assert_eq!(after(&policy, 3, Disposition::RetryAfter(wait), &mut rng), Next::Fail);
    }

    #[test]
    fn a_server_that_says_when_to_come_back_wins_over_the_policy() {
        let policy = RetryPolicy::with_retries(1);
        let wait = Duration::from_secs(3600);
        let next =
            after(&policy, 1, Disposition::RetryAfter(wait), &mut fastrand::Rng::with_seed(1));
        assert_eq!(next, Next::Retry(wait));
    }

    #[test]
    fn snoozing_needs_no_retry_left() {
        let policy = RetryPolicy::with_retries(0);
        let wait = Duration::from_secs(2);
        let next = after(&policy, 7, Disposition::Snooze(wait), &mut fastrand::Rng::with_seed(1));
        assert_eq!(next, Next::Snooze(wait));
    }

    proptest! {
        #[test]
        fn a_delay_is_never_longer_than_the_policy_says_nor_shorter_than_its_jitter_allows(
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
            // Counted step by step, unlike there.
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
    fn a_base_of_nothing_stays_nothing_however_often_it_is_multiplied() {
        let policy = RetryPolicy {
            base: Duration::ZERO,
            multiplier: 100.0,
            ..RetryPolicy::with_retries(1_000)
        };
        let mut rng = fastrand::Rng::with_seed(1);
        assert_eq!(backoff(&policy, 1_000, &mut rng), Duration::ZERO);
    }

    #[test]
    fn without_jitter_the_delay_doubles_up_to_its_cap() {
        let policy = RetryPolicy { jitter: 0.0, ..RetryPolicy::with_retries(100) };
        let mut rng = fastrand::Rng::with_seed(1);
        let seconds: Vec<u64> =
            (1..=7).map(|number| backoff(&policy, number, &mut rng).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff(&policy, u32::MAX, &mut rng), policy.max);
    }
}
