//! The engine: runs a task from its request to its outcome.
//!
//! `core` decides, as one synchronous state machine. The rest of this module performs what the core
//! decides. Three services run as long as the engine does: `commits` writes batches of changes to the
//! store, the `dispatcher` claims tasks, `upkeep` fires timers. Handlers run elsewhere: async handlers
//! on a runtime of their own, sync handlers on the blocking threads of that runtime, inline handlers
//! on the thread that starts them.

mod admin;
mod announce;
mod attempt;
mod compose;
mod core;
mod drain;
mod explain;
mod find;
mod gate;
mod host;
mod mailbox;
mod perform;
mod query;
mod queues;
mod reply;
mod schedules;
mod services;
mod start;
mod status;
mod submit;
mod watch;
mod weak;
mod webhooks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use ahash::HashMap;
use parking_lot::Mutex;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::Notify;

pub use self::core::{Pauses, Workers};
pub use crate::store::{Properties, QueueState};
pub use gate::Defaults;
pub use mailbox::deliver_here;
pub use schedules::PlannedFiring;
pub use watch::Watch;
pub use weak::WeakEngine;

use self::core::Core;
use crate::cache::ResultsCache;
use crate::models::{Fence, QueueLimits, QueueName};
use crate::orchestrator::ServiceHandle;
use crate::store::{Change, ClaimRequest, Retention, RetentionLimit, Store};
use crate::tasks::{Host, TaskRegistry};
use announce::Announcements;
use mailbox::Caller;
use perform::Running;
use services::Services;
use watch::Watches;

type Command = self::core::Command<Caller>;
type Tag = self::core::Tag<Caller>;

/// The settings of an engine.
#[derive(Clone, Debug)]
pub struct Options {
    /// The most async handlers that run at once.
    pub async_tasks: usize,
    /// The number of threads for sync handlers.
    pub sync_threads: usize,
    /// The most tasks that may wait in a queue that has no limit of its own.
    pub queue_length: u64,
    /// How long a handler may take to return after a cancel or a timeout; then it is dropped.
    pub cancel_grace: Duration,
    /// How long after `cancel_grace` the engine abandons a handler that it cannot drop.
    pub stuck_after: Duration,
    /// How long ended tasks are kept.
    pub retention: Retention,
    /// Options of tasks that neither the request nor the method sets.
    pub defaults: Defaults,
    /// After this many crashes of the process while a task ran, the task runs only while no other such
    /// task does; at the next crash it is quarantined. 0 turns this off.
    pub quarantine_after: u32,
    /// Limits of the declared queues.
    pub queues: BTreeMap<QueueName, QueueLimits>,
}

impl Default for Options {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            async_tasks: 1_024,
            sync_threads: 4 * cores,
            queue_length: u64::MAX,
            cancel_grace: Duration::from_secs(5),
            stuck_after: Duration::from_secs(10 * 60),
            retention: Retention {
                succeeded: RetentionLimit {
                    max_age: Duration::from_secs(24 * 3600),
                    max_count: 1_000_000,
                },
                others: RetentionLimit {
                    max_age: Duration::from_secs(14 * 24 * 3600),
                    max_count: 1_000_000,
                },
            },
            defaults: Defaults { timeout: Duration::from_secs(5 * 60), retries: 3 },
            quarantine_after: 2,
            queues: BTreeMap::new(),
        }
    }
}

/// Accepts tasks, runs them and keeps their outcomes. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

struct Shared {
    core: Mutex<Core<Caller>>,
    store: Arc<dyn Store>,
    cache: Arc<ResultsCache>,
    registry: Arc<TaskRegistry>,
    defaults: Defaults,
    /// This engine, as its handlers see it.
    host: Arc<dyn Host>,
    watches: Watches,
    announcements: Announcements,
    schedules_changed: Notify,
    outbox_written: Notify,
    /// The changes of the next commit.
    writes: Mutex<Vec<(Change, Tag)>>,
    write_wake: Notify,
    /// Whether `commits` has a batch in hand.
    committing: AtomicBool,
    claims: Mutex<Vec<ClaimRequest>>,
    claim_wake: Notify,
    /// The next time at which `upkeep` wakes by itself, in microseconds on the steady clock.
    tick_at: AtomicU64,
    tick_wake: Notify,
    /// Attempts whose handlers run.
    running: Mutex<HashMap<Fence, Running>>,
    draining: AtomicBool,
    quiet: Notify,
    handler_runtime: Mutex<Option<Runtime>>,
    handler_threads: Handle,
    services: Services,
    service_runtime: Mutex<Option<Runtime>>,
    service_thread: Handle,
}

impl Engine {
    /// The runtime on which async handlers run.
    pub fn handler_runtime(&self) -> Handle {
        self.0.handler_threads.clone()
    }

    /// Makes tasks claimable whose methods were registered while the engine runs. Call it after each
    /// registration.
    pub fn methods_changed(&self) {
        self.0.act(|core, now, out| core.methods_changed(now, out));
    }

    /// How many abandoned handlers have not returned.
    pub fn stuck_handlers(&self) -> usize {
        self.0.core.lock().workers().stuck
    }

    /// The engine's own services, for monitoring.
    pub fn services(&self) -> Vec<ServiceHandle> {
        self.0.services.tasks()
    }
}
