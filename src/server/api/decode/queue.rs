//! Decodes requests about queues.

use crate::error::Error;
use crate::models::{QueueLimits, QueueName};
use crate::{pb, wire};

/// Decodes the name of a queue.
///
/// # Errors
/// `INVALID_ARGUMENT` when it is not a valid name.
pub(in crate::server::api) fn queue(name: &str) -> Result<QueueName, Error> {
    QueueName::parse(name, "queue")
}

/// Decodes the new limits of a queue; limits that are not set have their defaults.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(in crate::server::api) fn limits(
    message: Option<pb::QueueLimits>,
) -> Result<QueueLimits, Error> {
    message.map_or(Ok(QueueLimits::default()), |limits| wire::queue_limits(limits, "limits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_out_of_bounds_are_refused_by_field() {
        fn rate(count: u32, seconds: i64) -> Option<pb::RateLimit> {
            Some(pb::RateLimit { count, per: Some(prost_types::Duration { seconds, nanos: 0 }) })
        }
        let check = |change: fn(&mut pb::QueueLimits), expected: &str| {
            let mut message = pb::QueueLimits::default();
            change(&mut message);
            let refused = limits(Some(message)).expect_err(expected);
            assert_eq!(refused.violations[0].field, expected);
        };
        check(|it| it.weight = 1_001, "limits.weight");
        check(|it| it.rate = rate(0, 1), "limits.rate.count");
        check(|it| it.rate = Some(pb::RateLimit { count: 1, per: None }), "limits.rate.per");
        check(|it| it.rate_per_key = rate(1, 86_401), "limits.rate_per_key.per");
        check(|it| it.rate_per_key = rate(1, -1), "limits.rate_per_key.per");
        assert_eq!(limits(None), Ok(QueueLimits::default()));
    }

    #[test]
    fn a_queue_has_a_valid_name() {
        assert!(queue("").is_err() && queue("no such/queue").is_err() && queue("mail").is_ok());
    }
}
