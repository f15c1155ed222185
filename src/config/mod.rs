//! What the server was told: flags over environment over file over defaults, as one [`Config`].
//!
//! Owns the settings' names, bounds and defaults (one table: `settings`), where each value came
//! from, and how all that is told to people. What a setting does belongs to whoever reads it.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use crate::logger;
use crate::models::{QueueLimits, QueueName};
use crate::store::{Retention, RetentionLimit};

mod env;
mod file;
mod flags;
mod kind;
mod nearest;
mod parts;
mod print;
mod problem;
mod queue_key;
mod rate;
mod resolve;
mod settings;
mod store;
mod value;

pub use problem::{Problem, Refusal};
pub use resolve::{Loaded, load};
pub use store::{Backend, Store};
pub use value::{Address, BadAddress};

/// Every setting, resolved. The default is what a server without flags, environment and file has.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Connections and calls.
    pub listen: Listen,
    /// The program's own log.
    pub log: logger::Options,
    /// Where tasks are kept.
    pub store: Store,
    /// The results cache.
    pub cache: Cache,
    /// Tasks and their bodies.
    pub engine: Engine,
    /// The file that declares schedules.
    pub schedules: Option<PathBuf>,
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
    /// Ends of the process that a running task may be part of before it is quarantined at the next;
    /// 0: any number.
    pub quarantine_after: u32,
    /// Tasks that may wait in one queue; `u64::MAX`: any number.
    pub queue_length: u64,
    /// How long tasks that ended are kept.
    pub retention: Retention,
    /// Declared queues.
    pub queues: BTreeMap<QueueName, QueueLimits>,
}

impl Config {
    /// What a server has that is told nothing but where to keep tasks. Memory is no place for as
    /// many as a disk.
    pub fn with(backend: Backend) -> Self {
        Self {
            listen: Listen::default(),
            log: logger::Options::default(),
            store: Store { backend, ..Store::default() },
            cache: Cache::default(),
            engine: Engine::with(backend),
            schedules: None,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::with(Store::default().backend)
    }
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

impl Engine {
    fn with(backend: Backend) -> Self {
        let (queue_length, max_count) = match backend {
            Backend::Memory => (100_000, 100_000),
            Backend::Sqlite => (u64::MAX, 1_000_000),
        };
        Self {
            async_tasks: 1_024,
            sync_threads: 4 * cores(),
            task_timeout: Duration::from_secs(5 * 60),
            retries: 3,
            cancel_grace: Duration::from_secs(5),
            stuck_after: Duration::from_secs(10 * 60),
            drain_timeout: Duration::from_secs(30),
            quarantine_after: 2,
            queue_length,
            retention: Retention {
                succeeded: RetentionLimit { max_age: Duration::from_secs(24 * 3_600), max_count },
                others: RetentionLimit { max_age: Duration::from_secs(14 * 24 * 3_600), max_count },
            },
            queues: BTreeMap::new(),
        }
    }
}

/// Asked once: it takes the system a while to say, and every setting's help has the defaults.
fn cores() -> usize {
    static CORES: LazyLock<usize> =
        LazyLock::new(|| std::thread::available_parallelism().map_or(1, NonZero::get));
    *CORES
}
