//! What a task asked for about its own running: retries, durability, dependencies.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The most retries that can be asked for.
pub const MAX_RETRIES: u32 = 1_000;
/// The longest delay between attempts that can be asked for.
pub const MAX_BACKOFF: Duration = Duration::from_secs(24 * 3600);

/// How failed attempts are repeated: after attempt n (from 1) the delay is
/// `min(base · multiplier^(n-1), max)`, less a random part of `jitter` of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Attempts after the first, at most [`MAX_RETRIES`].
    pub retries: u32,
    /// The delay after the first attempt.
    pub base: Duration,
    /// What the delay grows by from one attempt to the next; at least 1.
    pub multiplier: f64,
    /// The longest delay, at most [`MAX_BACKOFF`].
    pub max: Duration,
    /// The part of the delay that is random, 0 to 1.
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

    /// The delay after attempt `number` (from 1), before chance makes it shorter:
    /// `min(base · multiplier^(number-1), max)`.
    pub fn delay(&self, number: u32) -> Duration {
        if self.base.is_zero() {
            // Not zero times infinity, which is no number.
            return Duration::ZERO;
        }
        let before = number.saturating_sub(1);
        let growth = self.multiplier.powi(i32::try_from(before).unwrap_or(i32::MAX));
        let whole = (self.base.as_secs_f64() * growth).min(self.max.as_secs_f64());
        Duration::from_secs_f64(whole)
    }
}

/// Whether a task outlives the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Kept in the store.
    #[default]
    Durable,
    /// Kept in memory; its outcome lives in the results cache alone.
    Ephemeral,
}

/// What becomes of a task when one of its dependencies ends badly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDependencyFailure {
    /// It ends `FAILED` with code `DEPENDENCY_FAILED`.
    #[default]
    Fail,
    /// It runs all the same.
    Run,
}
