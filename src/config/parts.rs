//! What each room is given of the configuration.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::config::{Cache, Engine, Listen};
use crate::engine::{self, Defaults};
use crate::models::QueueLimits;
use crate::server;
use crate::store::{Keep, Retention};

/// How long tasks that ended badly are kept.
const KEEP_OTHERS: Duration = Duration::from_secs(14 * 24 * 3600);

impl Listen {
    /// What the server is given.
    pub fn options(&self) -> server::Options {
        server::Options {
            serve_threads: at_least_one(self.serve_threads),
            max_message_size: self.max_message_size,
            max_connections: self.max_connections,
            handshake_timeout: self.handshake_timeout,
            keepalive_interval: self.keepalive_interval,
            keepalive_timeout: self.keepalive_timeout,
            max_streams: self.max_streams,
        }
    }
}

impl Cache {
    /// How many outcomes, as the cache counts them.
    pub fn capacity(&self) -> NonZeroUsize {
        at_least_one(self.capacity)
    }
}

impl Engine {
    /// What the engine is given.
    pub fn options(&self) -> engine::Options {
        let queues = self.queues.iter().map(|(name, queue)| {
            let concurrency =
                queue.concurrency.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX));
            (
                name.clone(),
                QueueLimits { weight: queue.weight, concurrency, ..QueueLimits::default() },
            )
        });
        engine::Options {
            async_tasks: self.async_tasks,
            sync_threads: self.sync_threads,
            queue_length: self.queue_length as u64,
            cancel_grace: self.cancel_grace,
            stuck_after: self.stuck_after,
            quarantine_after: 2,
            retention: Retention {
                succeeded: Keep { within: self.retention, most: self.retention_count },
                others: Keep { within: KEEP_OTHERS, most: self.retention_count },
            },
            defaults: Defaults { timeout: self.task_timeout, retries: self.retries },
            queues: queues.collect(),
        }
    }
}

/// The settings' bounds leave no zero; a hand-made configuration may.
fn at_least_one(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
}
