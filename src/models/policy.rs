//! A task's policies: retries with exponential backoff, durability, failed dependencies.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The most retries of a policy.
pub const MAX_RETRIES: u32 = 1_000;
/// The longest delay between attempts of a policy.
pub const MAX_BACKOFF: Duration = Duration::from_secs(24 * 3600);

/// How failed attempts are retried, with exponential backoff: after attempt n (from 1) the delay is
/// `min(base · multiplier^(n-1), max)`, less a random part of at most `jitter` of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// The number of attempts after the first, at most [`MAX_RETRIES`].
    pub retries: u32,
    /// The delay after the first attempt.
    pub base: Duration,
    /// The factor by which the delay grows with each attempt; at least 1.
    pub multiplier: f64,
    /// The longest delay, at most [`MAX_BACKOFF`].
    pub max: Duration,
    /// The part of the delay that is random, from 0 to 1.
    pub jitter: f64,
}

impl RetryPolicy {
    /// The standard backoff (1 s, doubling, at most 30 s, a fifth of it random) with this many retries.
    pub const fn with_retries(retries: u32) -> Self {
        Self {
            retries,
            base: Duration::from_secs(1),
            multiplier: 2.0,
            max: Duration::from_secs(30),
            jitter: 0.2,
        }
    }

    /// The delay after attempt `number` (from 1), without jitter:
    /// `min(base · multiplier^(number-1), max)`.
    pub fn delay(&self, number: u32) -> Duration {
        if self.base.is_zero() {
            // Zero times infinity would be NaN.
            return Duration::ZERO;
        }
        let before = number.saturating_sub(1);
        let growth = self.multiplier.powi(i32::try_from(before).unwrap_or(i32::MAX));
        let whole = (self.base.as_secs_f64() * growth).min(self.max.as_secs_f64());
        Duration::from_secs_f64(whole)
    }
}

/// Whether a task survives the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// The task is kept in the store.
    #[default]
    Durable,
    /// The task is kept in memory, and its outcome in the results cache only.
    Ephemeral,
}

/// What happens to a task when one of its dependencies fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDependencyFailure {
    /// The task fails with code `DEPENDENCY_FAILED`.
    #[default]
    Fail,
    /// The task runs anyway.
    Run,
}
