//! What the server was told: flags over environment over file over defaults, as one [`Config`].
//!
//! Owns the settings' names, bounds and defaults (one table: `settings`), where each value came
//! from, and how all that is told to people. What a setting does belongs to whoever reads it.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::time::Duration;

use crate::logger;
use crate::models::QueueName;

mod env;
mod file;
mod flags;
mod nearest;
mod parts;
mod print;
mod problem;
mod resolve;
mod settings;
mod value;

pub use problem::{Problem, Refusal};
pub use resolve::{Loaded, load};
pub use value::{Address, BadAddress};

/// Every setting, resolved. The default is what a server without flags, environment and file has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Connections and calls.
    pub listen: Listen,
    /// The program's own log.
    pub log: logger::Options,
    /// The results cache.
    pub cache: Cache,
    /// Tasks and their bodies.
    pub engine: Engine,
}

/// How the server listens and what it allows a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// Where; port 0 takes any free one.
    pub addr: Address,
    /// Threads that answer calls.
    pub serve_threads: usize,
    /// The largest message taken or given, in bytes.
    pub max_message_size: usize,
    /// Connections open at once.
    pub max_connections: usize,
    /// Calls in flight on one connection.
    pub max_streams: u32,
    /// How long a new connection may take to begin speaking HTTP.
    pub handshake_timeout: Duration,
    /// The silence after which a connection is pinged.
    pub keepalive_interval: Duration,
    /// How long the answer to a ping may take.
    pub keepalive_timeout: Duration,
}

/// How much the results cache holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Cache {
    /// Outcomes.
    pub capacity: usize,
    /// Bytes, estimated.
    pub bytes: usize,
}

/// How tasks wait, run and are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Engine {
    /// Async bodies running at once.
    pub async_tasks: usize,
    /// Threads for sync bodies.
    pub sync_threads: usize,
    /// The bound on one attempt, for tasks that name none.
    pub task_timeout: Duration,
    /// Attempts after the first, for tasks that name none; `SubmitTask` has its own default, 0.
    pub retries: u32,
    /// How long a body may go on after it was told to stop.
    pub cancel_grace: Duration,
    /// How long past that a sync body is waited for before it is given up.
    pub stuck_after: Duration,
    /// How long running bodies may take to end when the server stops.
    pub drain_timeout: Duration,
    /// Unfinished tasks in one queue of the memory store.
    pub queue_length: usize,
    /// How long the memory store keeps ended tasks.
    pub retention: Duration,
    /// How many ended tasks the memory store keeps.
    pub retention_count: usize,
    /// Queues that differ from [`Queue::default`].
    pub queues: BTreeMap<QueueName, Queue>,
}

/// One `[queues.NAME]` of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its share of the turns, against the other queues that have work.
    pub weight: u32,
    /// Bodies of this queue running at once, if bounded.
    pub concurrency: Option<usize>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            addr: Address { host: "127.0.0.1".into(), port: 50051 },
            serve_threads: (cores() / 2).clamp(1, 8),
            max_message_size: 4 << 20,
            max_connections: 10_000,
            max_streams: 1_024,
            handshake_timeout: Duration::from_secs(10),
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(20),
        }
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self { capacity: 100_000, bytes: 64 << 20 }
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            async_tasks: 1_024,
            sync_threads: 4 * cores(),
            task_timeout: Duration::from_secs(5 * 60),
            retries: 3,
            cancel_grace: Duration::from_secs(5),
            stuck_after: Duration::from_secs(10 * 60),
            drain_timeout: Duration::from_secs(30),
            queue_length: 100_000,
            retention: Duration::from_secs(24 * 3600),
            retention_count: 100_000,
            queues: BTreeMap::new(),
        }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self { weight: 1, concurrency: None }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}
