//! What the tests of the core's parts share.

mod bounds;

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Limits, Settings};
use crate::store::{Retention, RetentionLimit};

/// Settings with small limits.
pub(super) fn settings() -> Settings {
    let day = Duration::from_secs(24 * 3600);
    Settings {
        async_slots: 1,
        sync_slots: 1,
        spare_threads: 0,
        queue_length: 1_000,
        cancel_grace: day,
        stuck_after: day,
        early_start: true,
        store_durable: true,
        retention: Retention {
            succeeded: RetentionLimit { max_age: day, max_count: 1 },
            others: RetentionLimit { max_age: day, max_count: 1 },
        },
        queues: BTreeMap::new(),
        limits: limits(),
    }
}

/// Small limits, which the simulation meets.
pub(super) fn limits() -> Limits {
    Limits {
        window: 8,
        claim_batch: 16,
        promote_slice: 3,
        prune_slice: 3,
        notify_slice: 2,
        idle_queues: 2,
        configured_queues: 5,
        ephemeral_tasks: 40,
        unstored_tasks: 30,
    }
}
