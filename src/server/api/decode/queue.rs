//! Queues and what they allow.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::error::Error;
use crate::models::{QueueLimits, QueueName, Rate};
use crate::pb;
use crate::server::api::decode::duration;

/// Which queue is meant.
///
/// # Errors
/// `INVALID_ARGUMENT` when it is no name of a queue.
pub(in crate::server::api) fn queue(name: &str) -> Result<QueueName, Error> {
    QueueName::parse(name, "queue")
}

/// What a queue is to allow. What is not set is as for a queue that nobody declared.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(in crate::server::api) fn limits(
    message: Option<pb::QueueLimits>,
) -> Result<QueueLimits, Error> {
    const FIELD: &str = "limits";
    let Some(message) = message else { return Ok(QueueLimits::default()) };
    let standard = QueueLimits::default();
    let or = |number: u32, standard| NonZeroU32::new(number).map_or(standard, NonZeroU32::get);
    let limits = QueueLimits {
        weight: or(message.weight, standard.weight),
        concurrency: NonZeroU32::new(message.concurrency).map(NonZeroU32::get),
        max_length: message.max_length,
        rate: rate(message.rate, "limits.rate.per")?,
        concurrency_per_key: or(message.concurrency_per_key, standard.concurrency_per_key),
        rate_per_key: rate(message.rate_per_key, "limits.rate_per_key.per")?,
    };
    limits.check(FIELD)?;
    Ok(limits)
}

fn rate(message: Option<pb::RateLimit>, per: &str) -> Result<Option<Rate>, Error> {
    let Some(message) = message else { return Ok(None) };
    let per = duration(message.per, per)?.unwrap_or(Duration::ZERO);
    Ok(Some(Rate { count: message.count, per }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(change: impl FnOnce(&mut pb::QueueLimits)) -> Option<pb::QueueLimits> {
        let mut message = pb::QueueLimits::default();
        change(&mut message);
        Some(message)
    }

    fn per(count: u32, seconds: i64) -> Option<pb::RateLimit> {
        Some(pb::RateLimit { count, per: Some(prost_types::Duration { seconds, nanos: 0 }) })
    }

    #[test]
    fn what_is_not_set_is_the_standard() {
        assert_eq!(limits(None), Ok(QueueLimits::default()));
        assert_eq!(limits(asked(|_| ())), Ok(QueueLimits::default()));
        let whole = asked(|limits| {
            *limits = pb::QueueLimits {
                weight: 1_000,
                concurrency: 4,
                max_length: Some(0),
                rate: per(10, 86_400),
                concurrency_per_key: 2,
                rate_per_key: per(u32::MAX, 1),
            };
        });
        let expected = QueueLimits {
            weight: 1_000,
            concurrency: Some(4),
            max_length: Some(0),
            rate: Some(Rate { count: 10, per: Duration::from_secs(86_400) }),
            concurrency_per_key: 2,
            rate_per_key: Some(Rate { count: u32::MAX, per: Duration::from_secs(1) }),
        };
        assert_eq!(limits(whole), Ok(expected));
    }

    #[test]
    fn limits_out_of_bounds_are_refused_by_name() {
        let check = |message: Option<pb::QueueLimits>, expected: &str| {
            assert_eq!(limits(message).expect_err("refused").message, expected);
        };
        check(asked(|o| o.weight = 1_001), "limits.weight: 1001; expected 1 to 1000");
        check(asked(|o| o.rate = per(0, 1)), "limits.rate.count: 0; expected at least 1");
        check(
            asked(|o| o.rate = Some(pb::RateLimit { count: 1, per: None })),
            "limits.rate.per: 0ns; expected more than 0 and at most 24 hours",
        );
        check(
            asked(|o| o.rate_per_key = per(1, 86_401)),
            "limits.rate_per_key.per: 86401s; expected more than 0 and at most 24 hours",
        );
        check(
            asked(|o| o.rate_per_key = per(1, -1)),
            "limits.rate_per_key.per: -1 s and 0 ns is no length of time; expected 0 s or more, with 0 to 999999999 ns",
        );
        assert!(queue("").is_err() && queue("no such/queue").is_err() && queue("mail").is_ok());
    }
}
