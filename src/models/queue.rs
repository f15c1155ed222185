//! Queue limits and settings.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The greatest weight of a queue.
pub const MAX_WEIGHT: u32 = 1_000;
/// The longest period of a rate limit.
pub const MAX_RATE_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// A rate limit: `count` starts in each period `per`. An idle queue may start `count` at once, then one every
/// `per / count` (the generic cell rate algorithm).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// The number of starts, at least 1.
    pub count: u32,
    /// The period, above 0 and at most [`MAX_RATE_PERIOD`].
    pub per: Duration,
}

impl Rate {
    /// The time between two starts of a busy queue. Rounded up to microseconds, in which times are stored:
    /// rounded down, it would allow one start too many.
    pub fn interval(&self) -> Duration {
        let micros = (self.per / self.count.max(1)).as_nanos().div_ceil(1_000);
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// Checks the bounds; `field` is the request's field.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with the path of the bad field below `field`.
    pub fn check(&self, field: &str) -> Result<(), Error> {
        if self.count == 0 {
            return Err(Error::invalid(format!("{field}.count"), "0; expected at least 1"));
        }
        if self.per.is_zero() || self.per > MAX_RATE_PERIOD {
            let why = format!("{:?}; expected more than 0 and at most 24 hours", self.per);
            return Err(Error::invalid(format!("{field}.per"), why));
        }
        Ok(())
    }
}

/// The limits of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueLimits {
    /// The queue's share of starts among busy queues: 1 to [`MAX_WEIGHT`].
    pub weight: u32,
    /// How many of its tasks may run at once; `None`: no limit.
    pub concurrency: Option<u32>,
    /// How many of its tasks may wait; `None`: the server's limit.
    pub max_length: Option<u64>,
    /// The rate limit on starts.
    pub rate: Option<Rate>,
    /// How many tasks with the same concurrency key may run at once; at least 1.
    pub concurrency_per_key: u32,
    /// The rate limit on starts of tasks with the same concurrency key.
    pub rate_per_key: Option<Rate>,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            weight: 1,
            concurrency: None,
            max_length: None,
            rate: None,
            concurrency_per_key: 1,
            rate_per_key: None,
        }
    }
}

impl QueueLimits {
    /// Checks the bounds; `field` is the request's field.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with the path of the bad field below `field`.
    pub fn check(&self, field: &str) -> Result<(), Error> {
        if !(1..=MAX_WEIGHT).contains(&self.weight) {
            let why = format!("{}; expected 1 to {MAX_WEIGHT}", self.weight);
            return Err(Error::invalid(format!("{field}.weight"), why));
        }
        if self.concurrency == Some(0) {
            let why = "0 would never run anything; pause the queue instead";
            return Err(Error::invalid(format!("{field}.concurrency"), why));
        }
        if self.concurrency_per_key == 0 {
            let field = format!("{field}.concurrency_per_key");
            return Err(Error::invalid(field, "0; expected at least 1"));
        }
        if let Some(rate) = &self.rate {
            rate.check(&format!("{field}.rate"))?;
        }
        match &self.rate_per_key {
            Some(rate) => rate.check(&format!("{field}.rate_per_key")),
            None => Ok(()),
        }
    }
}

/// The settings of a queue that operators can change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSettings {
    /// The queue's limits.
    pub limits: QueueLimits,
    /// Whether the queue is paused: none of its tasks start.
    pub paused: bool,
}
