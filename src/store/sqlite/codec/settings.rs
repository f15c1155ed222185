//! Settings of queues.

use std::time::Duration;

use prost::Message;

use super::Malformed;
use crate::models::{QueueLimits, QueueSettings, Rate};

#[derive(Clone, PartialEq, Message)]
struct StoredSettings {
    #[prost(bool, tag = "1")]
    paused: bool,
    #[prost(uint32, tag = "2")]
    weight: u32,
    #[prost(uint32, optional, tag = "3")]
    concurrency: Option<u32>,
    #[prost(uint64, optional, tag = "4")]
    max_length: Option<u64>,
    #[prost(message, optional, tag = "5")]
    rate: Option<StoredRate>,
    #[prost(uint32, tag = "6")]
    concurrency_per_key: u32,
    #[prost(message, optional, tag = "7")]
    rate_per_key: Option<StoredRate>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct StoredRate {
    #[prost(uint32, tag = "1")]
    count: u32,
    #[prost(uint64, tag = "2")]
    per_nanos: u64,
}

impl From<Rate> for StoredRate {
    fn from(rate: Rate) -> Self {
        let per_nanos = u64::try_from(rate.per.as_nanos()).unwrap_or(u64::MAX);
        Self { count: rate.count, per_nanos }
    }
}

impl From<StoredRate> for Rate {
    fn from(rate: StoredRate) -> Self {
        Self { count: rate.count, per: Duration::from_nanos(rate.per_nanos) }
    }
}

pub(in super::super) fn write_settings(settings: &QueueSettings) -> Vec<u8> {
    let QueueSettings { limits, paused } = *settings;
    StoredSettings {
        paused,
        weight: limits.weight,
        concurrency: limits.concurrency,
        max_length: limits.max_length,
        rate: limits.rate.map(Into::into),
        concurrency_per_key: limits.concurrency_per_key,
        rate_per_key: limits.rate_per_key.map(Into::into),
    }
    .encode_to_vec()
}

pub(in super::super) fn read_settings(bytes: &[u8]) -> Result<QueueSettings, Malformed> {
    let stored = StoredSettings::decode(bytes)?;
    Ok(QueueSettings {
        limits: QueueLimits {
            weight: stored.weight,
            concurrency: stored.concurrency,
            max_length: stored.max_length,
            rate: stored.rate.map(Into::into),
            concurrency_per_key: stored.concurrency_per_key,
            rate_per_key: stored.rate_per_key.map(Into::into),
        },
        paused: stored.paused,
    })
}
