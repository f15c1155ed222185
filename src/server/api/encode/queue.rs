//! How queues stand.

use crate::models::{QueueLimits, Rate};
use crate::pb;
use crate::store::QueueState;

/// To ListQueues.
pub(in crate::server::api) fn queues(queues: Vec<QueueState>) -> pb::ListQueuesResponse {
    pb::ListQueuesResponse { queues: queues.into_iter().map(queue).collect() }
}

/// One queue, to ListQueues and to every change of it.
pub(in crate::server::api) fn queue(state: QueueState) -> pb::Queue {
    pb::Queue {
        name: state.queue.as_str().into(),
        paused: state.settings.paused,
        limits: Some(limits(&state.settings.limits)),
        waiting: state.waiting(),
        // A suspended attempt has given back its slot, and the queue's limit counts slots.
        running: state.running - state.suspended,
    }
}

fn limits(limits: &QueueLimits) -> pb::QueueLimits {
    pb::QueueLimits {
        weight: limits.weight,
        concurrency: limits.concurrency.unwrap_or(0),
        max_length: limits.max_length,
        rate: limits.rate.map(rate),
        concurrency_per_key: limits.concurrency_per_key,
        rate_per_key: limits.rate_per_key.map(rate),
    }
}

fn rate(rate: Rate) -> pb::RateLimit {
    let per = rate.per.try_into().expect("a rate is counted over a day at most");
    pb::RateLimit { count: rate.count, per: Some(per) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::models::{QueueName, QueueSettings};
    use crate::server::api::decode;

    #[test]
    fn limits_that_are_told_can_be_set_as_they_are() {
        let whole = QueueLimits {
            weight: 3,
            concurrency: Some(4),
            max_length: Some(5),
            rate: Some(Rate { count: 6, per: Duration::from_millis(1_500) }),
            concurrency_per_key: 7,
            rate_per_key: Some(Rate { count: 8, per: Duration::from_secs(9) }),
        };
        for given in [QueueLimits::default(), whole] {
            let state = QueueState {
                settings: QueueSettings { limits: given, paused: true },
                delayed: 1,
                running: 3,
                suspended: 1,
                ..QueueState::empty(QueueName::default())
            };
            let told = queue(state);
            assert_eq!((told.paused, told.waiting, told.running), (true, 1, 2));
            assert_eq!(decode::limits(told.limits), Ok(given));
        }
    }
}
