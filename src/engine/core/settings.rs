//! The settings of the core.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::models::{QueueName, QueueSettings};
use crate::store::{Change, Retention};

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How many async handlers may run at the same time.
    pub(crate) async_slots: usize,
    /// How many sync handlers may run at the same time.
    pub(crate) sync_slots: usize,
    /// How many threads may replace stuck ones.
    pub(crate) spare_threads: usize,
    /// How many tasks may wait in one queue that has no limit of its own.
    pub(crate) queue_length: u64,
    /// How long a handler may go on after it was signalled to stop.
    pub(crate) cancel_grace: Duration,
    /// How long after that the engine abandons it.
    pub(crate) stuck_after: Duration,
    /// Whether the handler of a durable task may start before its insert is stored.
    pub(crate) early_start: bool,
    /// Whether what is stored outlives the process.
    pub(crate) store_durable: bool,
    /// How long ended tasks are kept.
    pub(crate) retention: Retention,
    /// Queues with settings of their own.
    pub(crate) queues: BTreeMap<QueueName, QueueSettings>,
    pub(crate) limits: Limits,
}

impl Settings {
    /// A change that prunes one slice of the tasks past their retention.
    pub(super) fn prune(&self) -> Change {
        Change::Prune { retention: self.retention, limit: self.limits.prune_slice }
    }
}

/// Bounds on memory and on the size of one step. Tests set small ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How many claimable tasks of one queue are kept in memory.
    pub(crate) window: usize,
    /// How many tasks one pass of the dispatcher claims.
    pub(crate) claim_batch: usize,
    /// How many due tasks one commit promotes.
    pub(crate) promote_slice: usize,
    /// How many ended tasks one commit prunes.
    pub(crate) prune_slice: usize,
    /// How many dependants of ended tasks one commit notifies.
    pub(crate) notify_slice: usize,
    /// With how many queues in memory the core begins to forget empty ones.
    pub(crate) idle_queues: usize,
    /// How many queues may have settings of their own.
    pub(crate) configured_queues: usize,
    /// How many ephemeral tasks may be unfinished: they live in memory.
    pub(crate) ephemeral_tasks: usize,
    /// How many durable tasks may be on their way to the store: a slow store must not fill the
    /// memory.
    pub(crate) unstored_tasks: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window: 1_024,
            claim_batch: 256,
            promote_slice: 1_000,
            prune_slice: 1_000,
            notify_slice: 1_000,
            idle_queues: 256,
            configured_queues: 10_000,
            ephemeral_tasks: 100_000,
            unstored_tasks: 100_000,
        }
    }
}
