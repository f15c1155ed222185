//! The keys of `[queues.NAME]`: their names, bounds, and places in the queue's limits. The names are
//! those of the fields that `SetQueueLimits` takes.

use std::ops::RangeInclusive;

use crate::config::kind::{accepts_count, count};
use crate::config::rate::{accepts_rate, parse_rate, show_rate};
use crate::config::settings::TASKS;
use crate::models::{MAX_WEIGHT, QueueLimits, Rate};

const WEIGHTS: RangeInclusive<u64> = 1..=MAX_WEIGHT as u64;
const CONCURRENCIES: RangeInclusive<u64> = 1..=1_000_000;

/// A key in `[queues.NAME]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum QueueKey {
    Weight,
    Concurrency,
    MaxLength,
    Rate,
    ConcurrencyPerKey,
    RatePerKey,
}

impl QueueKey {
    /// In the order in which they are shown.
    pub(super) const ALL: [Self; 6] = [
        Self::Weight,
        Self::Concurrency,
        Self::MaxLength,
        Self::Rate,
        Self::ConcurrencyPerKey,
        Self::RatePerKey,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::Concurrency => "concurrency",
            Self::MaxLength => "max_length",
            Self::Rate => "rate",
            Self::ConcurrencyPerKey => "concurrency_per_key",
            Self::RatePerKey => "rate_per_key",
        }
    }

    /// Puts the value that `text` stands for into `limits`; `None` when it is not accepted.
    pub(super) fn set(self, limits: &mut QueueLimits, text: &str) -> Option<()> {
        match self {
            Self::Weight => limits.weight = count(text, &WEIGHTS)?.try_into().ok()?,
            Self::Concurrency => {
                limits.concurrency = Some(count(text, &CONCURRENCIES)?.try_into().ok()?);
            }
            Self::MaxLength => limits.max_length = Some(count(text, &TASKS)?),
            Self::Rate => limits.rate = Some(parse_rate(text)?),
            Self::ConcurrencyPerKey => {
                limits.concurrency_per_key = count(text, &CONCURRENCIES)?.try_into().ok()?;
            }
            Self::RatePerKey => limits.rate_per_key = Some(parse_rate(text)?),
        }
        Some(())
    }

    /// The value in `limits` as TOML, if there is one.
    pub(super) fn show_toml(self, limits: &QueueLimits) -> Option<String> {
        match self {
            Self::Weight => Some(limits.weight.to_string()),
            Self::Concurrency => limits.concurrency.map(|most| most.to_string()),
            Self::MaxLength => limits.max_length.map(|most| most.to_string()),
            Self::Rate => limits.rate.map(quoted),
            Self::ConcurrencyPerKey => Some(limits.concurrency_per_key.to_string()),
            Self::RatePerKey => limits.rate_per_key.map(quoted),
        }
    }

    /// What is accepted, in words.
    pub(super) fn accepts(self) -> String {
        match self {
            Self::Weight => accepts_count(&WEIGHTS),
            Self::Concurrency | Self::ConcurrencyPerKey => accepts_count(&CONCURRENCIES),
            Self::MaxLength => accepts_count(&TASKS),
            Self::Rate | Self::RatePerKey => accepts_rate(),
        }
    }
}

fn quoted(rate: Rate) -> String {
    format!("\"{}\"", show_rate(rate))
}
