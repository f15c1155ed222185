//! The configuration: flags over environment over file over defaults, resolved to one [`Config`].
//!
//! Owns the names, limits and defaults of all settings (the tables in `settings`), the source of each
//! value, and `--help`, `--print-config` and error messages. The modules that use a setting own its
//! meaning.

use std::collections::BTreeMap;
use std::num::{NonZero, NonZeroUsize};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use crate::engine::{self, Defaults};
use crate::logger;
use crate::models::{QueueLimits, QueueName};
use crate::server;
use crate::store::{Retention, RetentionLimit};

mod env;
mod file;
mod flags;
mod kind;
mod nearest;
mod print;
mod problem;
mod rate;
mod resolve;
mod settings;
mod store;
mod value;

pub use problem::{Problem, Refusal, Source};
pub use resolve::{Loaded, load};
pub use store::{Backend, Store};
pub use value::{Address, BadAddress};

/// All settings, resolved. The default is the configuration without flags, environment and file.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Connections and calls.
    pub listen: Listen,
    /// The program's log.
    pub log: logger::Options,
    /// The store for durable tasks.
    pub store: Store,
    /// The results cache.
    pub cache: Cache,
    /// Tasks, handlers and queues.
    pub engine: Engine,
    /// The file of declared schedules.
    pub schedules: Option<PathBuf>,
}

/// The address and the limits of connections.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// The address to listen on; port 0 picks a free port.
    pub addr: Address,
    /// The number of threads that serve calls.
    pub serve_threads: usize,
    /// The maximum size of a request or response message, in bytes.
    pub max_message_size: usize,
    /// The maximum number of open connections.
    pub max_connections: usize,
    /// The maximum number of concurrent calls on one connection.
    pub max_streams: u32,
    /// The time limit for a new connection to start HTTP.
    pub handshake_timeout: Duration,
    /// The idle time after which the server pings a connection.
    pub keepalive_interval: Duration,
    /// The time limit for the reply to a ping.
    pub keepalive_timeout: Duration,
}

/// The limits of the results cache.
#[derive(Clone, Debug, PartialEq)]
pub struct Cache {
    /// The maximum number of outcomes.
    pub capacity: usize,
    /// The maximum memory, in bytes (estimated).
    pub bytes: usize,
}

/// How tasks wait, run and are retained.
#[derive(Clone, Debug, PartialEq)]
pub struct Engine {
    /// The maximum number of async handlers running at once.
    pub async_tasks: usize,
    /// The number of threads for sync handlers.
    pub sync_threads: usize,
    /// The default time limit of one attempt.
    pub task_timeout: Duration,
    /// The default number of retries; `SubmitTask` has its own default, 0.
    pub retries: u32,
    /// The time for a handler to stop after its timeout or cancellation.
    pub cancel_grace: Duration,
    /// The time after a timeout or cancellation until a handler that does not stop is abandoned.
    pub stuck_after: Duration,
    /// The time for running handlers to finish during graceful shutdown.
    pub drain_timeout: Duration,
    /// The number of crashes that a running task survives before the next one quarantines it; 0: no limit.
    pub quarantine_after: u32,
    /// The maximum number of tasks that wait in one queue; `u64::MAX`: no limit.
    pub queue_length: u64,
    /// How long ended tasks are kept.
    pub retention: Retention,
    /// The limits of declared queues.
    pub queues: BTreeMap<QueueName, QueueLimits>,
}

impl Config {
    /// The defaults for a store. The memory store gets smaller limits.
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

impl Listen {
    /// The server's options.
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
    /// The maximum number of outcomes, at least 1.
    pub fn capacity(&self) -> NonZeroUsize {
        at_least_one(self.capacity)
    }
}

impl Engine {
    /// The engine's options.
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

/// The settings' limits exclude zero, but a `Config` made in code may contain it.
fn at_least_one(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
}

/// Cached, because the system call is slow and every help text needs the defaults.
fn cores() -> usize {
    static CORES: LazyLock<usize> =
        LazyLock::new(|| std::thread::available_parallelism().map_or(1, NonZero::get));
    *CORES
}
