//! What each room is given of the configuration.

use std::num::NonZeroUsize;

use crate::config::{Cache, Engine, Listen};
use crate::engine::{self, Defaults};
use crate::server;

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
        engine::Options {
            async_tasks: self.async_tasks,
            sync_threads: self.sync_threads,
            queue_length: self.queue_length,
            cancel_grace: self.cancel_grace,
            stuck_after: self.stuck_after,
            retention: self.retention,
            quarantine_after: self.quarantine_after,
            defaults: Defaults { timeout: self.task_timeout, retries: self.retries },
            queues: self.queues.clone(),
        }
    }
}

/// The settings' bounds leave no zero; a hand-made configuration may.
fn at_least_one(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
}
