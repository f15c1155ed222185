//! What a queue allows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The greatest weight of a queue.
pub const MAX_WEIGHT: u32 = 1_000;
/// The longest time that a rate can be counted over.
pub const MAX_RATE_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// So many in such a time. After a rest `count` may start at once, then one every `per / count`
/// (the generic cell rate algorithm).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// At least 1.
    pub count: u32,
    /// More than nothing, at most [`MAX_RATE_PERIOD`].
    pub per: Duration,
}

impl Rate {
    /// The time between two starts when there is no rest, rounded up to the microseconds that times
    /// are stored in: rounded down, it would let one start too many.
    pub fn interval(&self) -> Duration {
        let micros = (self.per / self.count.max(1)).as_nanos().div_ceil(1_000);
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// # Errors
    /// `INVALID_ARGUMENT`, naming the field below `field`.
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

/// What a queue was declared with, or told later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueLimits {
    /// Its share of turns among queues that have work: 1 to [`MAX_WEIGHT`].
    pub weight: u32,
    /// How many of its tasks may run at once; `None`: any number.
    pub concurrency: Option<u32>,
    /// How many may wait; `None`: as many as the server allows.
    pub max_length: Option<u64>,
    /// How many may start in a time.
    pub rate: Option<Rate>,
    /// How many with the same concurrency key may run at once, from 1.
    pub concurrency_per_key: u32,
    /// How many with the same concurrency key may start in a time.
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
    /// # Errors
    /// `INVALID_ARGUMENT`, naming the field below `field`.
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

/// How a queue stands, as far as people decide it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSettings {
    /// What it allows.
    pub limits: QueueLimits,
    /// Nothing of it starts.
    pub paused: bool,
}
