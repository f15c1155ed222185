//! The engine: from a request to an outcome.
//!
//! `core` decides; everything else here carries out what it decided. Three services do that for as
//! long as the engine runs: `commits` writes to the store whatever has gathered, the `dispatcher`
//! fetches what may start, `upkeep` watches the time. Bodies run elsewhere: async ones on a runtime
//! of their own, sync ones on its threads, inline ones on whichever thread starts them.

mod announce;
mod attempt;
mod by_hand;
mod compose;
mod core;
mod depths;
mod explain;
mod gate;
mod host;
mod loops;
mod mailbox;
mod perform;
mod queues;
mod schedules;
mod submit;
mod watch;
mod weak;
mod webhooks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use ahash::{HashMap, HashMapExt};
use parking_lot::Mutex;
use tokio::sync::Notify;

pub use self::core::{Pauses, Workers};
pub use crate::store::QueueState;
pub use gate::Defaults;
pub use mailbox::deliver_here;
pub use schedules::Firing;
pub use watch::Watch;
pub use weak::WeakEngine;

use self::core::{Core, Limits, Settings};
use crate::cache::ResultsCache;
use crate::clock::now;
use crate::error::{Code, Error};
use crate::events::Announcer;
use crate::models::{
    Ended, Event, Fact, Fence, NodeFact, QueueLimits, QueueName, QueueSettings, Snapshot, TaskId,
};
use crate::orchestrator::ServiceHandle;
use crate::store::{
    Change, ClaimRequest, NOTIFY_SLICE, OpenOptions, Retention, RetentionLimit, Store,
};
use crate::tasks::{Host, TaskRegistry};
use announce::Announcements;
use host::ForBodies;
use mailbox::Caller;
use perform::Running;
use watch::Watches;

type Command = self::core::Command<Caller>;
type Tag = self::core::Tag<Caller>;

/// How long a drain waits for what it put back to be stored.
const FLUSH_WAIT: Duration = Duration::from_secs(2);

/// How an engine works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Async bodies that may run at once.
    pub async_tasks: usize,
    /// Threads for sync bodies.
    pub sync_threads: usize,
    /// The most tasks that may wait in a queue that does not say otherwise.
    pub queue_length: u64,
    /// How long a body has to stop after it was told to.
    pub cancel_grace: Duration,
    /// How long after that it is given up.
    pub stuck_after: Duration,
    /// How long ended tasks are kept.
    pub retention: Retention,
    /// What tasks get that nobody decides.
    pub defaults: Defaults,
    /// After how many ends of the process a task that ran at each of them is a suspect: suspects run
    /// one at a time, and are quarantined at the next such end. 0: never.
    pub quarantine_after: u32,
    /// Declared queues.
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

/// Takes tasks in, runs them and remembers what became of them. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

struct Shared {
    core: Mutex<Core<Caller>>,
    store: Arc<dyn Store>,
    cache: Arc<ResultsCache>,
    registry: Arc<TaskRegistry>,
    defaults: Defaults,
    /// What bodies see of this.
    host: Arc<dyn Host>,
    watches: Watches,
    announcements: Announcements,
    schedules_changed: Notify,
    posted: Notify,
    /// What `commits` takes next.
    writes: Mutex<Vec<(Change, Tag)>>,
    write_wake: Notify,
    /// Whether `commits` is at work.
    committing: AtomicBool,
    claims: Mutex<Vec<ClaimRequest>>,
    claim_wake: Notify,
    /// When `upkeep` wakes by itself: microseconds on the steady clock.
    tick_at: AtomicU64,
    tick_wake: Notify,
    /// Bodies under way.
    running: Mutex<HashMap<Fence, Running>>,
    draining: AtomicBool,
    quiet: Notify,
    bodies: Mutex<Option<tokio::runtime::Runtime>>,
    on_bodies: tokio::runtime::Handle,
    on_loops: tokio::runtime::Handle,
    services: loops::Services,
    loops: Mutex<Option<tokio::runtime::Runtime>>,
}

impl Engine {
    /// Opens the store and begins to work.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE` when the store cannot be opened, `INTERNAL` when threads cannot be had.
    pub async fn start(
        options: Options,
        registry: Arc<TaskRegistry>,
        cache: Arc<ResultsCache>,
        store: Arc<dyn Store>,
        announcer: Arc<Announcer>,
    ) -> Result<Self, Error> {
        let started = now();
        let boot = OpenOptions {
            now: started.wall,
            quarantine_after: options.quarantine_after,
            notify_slice: NOTIFY_SLICE,
        };
        let mut opened = store.open(boot).await?;
        let announcements = Announcements::new(announcer);
        for event in std::mem::take(&mut opened.events) {
            announcements.tell_of(event);
        }
        let spare_threads = options.sync_threads;
        let settings = Settings {
            async_slots: options.async_tasks,
            sync_slots: options.sync_threads,
            spare_threads,
            queue_length: options.queue_length,
            cancel_grace: options.cancel_grace,
            stuck_after: options.stuck_after,
            early_start: !store.properties().shared,
            store_durable: store.properties().durable,
            retention: options.retention,
            queues: options
                .queues
                .into_iter()
                .map(|(queue, limits)| (queue, QueueSettings { limits, paused: false }))
                .collect(),
            limits: Limits::default(),
        };
        let seed = fastrand::u64(..);
        let core = Core::new(settings, registry.clone(), cache.clone(), &opened, seed, started);
        let here = NodeFact::Started { epoch: opened.epoch, version: env!("CARGO_PKG_VERSION") };
        let here = Event { at: started.wall, fact: Fact::Node(here) };
        let first = [Change::Announce(here)].into_iter().chain(core.declare()).collect();
        let declared = store.commit(first, started.wall).await?;
        tracing::info!(
            store = store.properties().name,
            durable = store.properties().durable,
            epoch = opened.epoch,
            rescued = opened.rescued,
            quarantined = opened.quarantined,
            "store opened"
        );
        let no_threads = |error: std::io::Error| {
            Error::new(Code::Internal, format!("cannot start threads: {error}"))
        };
        let bodies = tokio::runtime::Builder::new_multi_thread()
            .thread_name("body")
            .max_blocking_threads(options.sync_threads + spare_threads)
            .enable_all()
            .build()
            .map_err(no_threads)?;
        let loops = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("engine")
            .enable_all()
            .build()
            .map_err(no_threads)?;
        let services = loops::services(loops.handle().clone(), announcements.announcer().clone());
        let shared = Arc::new_cyclic(|shared| Shared {
            host: ForBodies::of(shared),
            watches: Watches::default(),
            announcements,
            schedules_changed: Notify::new(),
            posted: Notify::new(),
            core: Mutex::new(core),
            store,
            cache,
            registry,
            defaults: options.defaults,
            writes: Mutex::default(),
            write_wake: Notify::new(),
            committing: AtomicBool::new(false),
            claims: Mutex::default(),
            claim_wake: Notify::new(),
            tick_at: AtomicU64::new(0),
            tick_wake: Notify::new(),
            running: Mutex::new(HashMap::new()),
            draining: AtomicBool::new(false),
            quiet: Notify::new(),
            on_bodies: bodies.handle().clone(),
            on_loops: loops.handle().clone(),
            services,
            bodies: Mutex::new(Some(bodies)),
            loops: Mutex::new(Some(loops)),
        });
        loops::start(&shared).await?;
        shared.act(|core, now, out| core.start(declared, now, out));
        Ok(Self(shared))
    }

    /// Everything known about a task.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn find(&self, id: &TaskId) -> Result<Snapshot, Error> {
        let (ephemeral, fence) = self.0.core.lock().find(id);
        let mut snapshot = match ephemeral {
            Some(snapshot) => snapshot,
            None => {
                let stored = self.0.store.find(std::slice::from_ref(id)).await?.pop().flatten();
                match (stored, self.0.cache.get(id)) {
                    (Some(snapshot), _) => snapshot,
                    (None, Some(ended)) => Snapshot::of_ended(&ended),
                    (None, None) => return Err(not_found(id)),
                }
            }
        };
        if let Some(fence) = fence
            && let Some(running) = self.0.running.lock().get(&fence)
        {
            let progress = running.context.current_progress();
            snapshot.progress = (progress.fraction, progress.message);
        }
        Ok(snapshot)
    }

    /// What became of a task: `None` while it has not ended.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn result(&self, id: &TaskId) -> Result<Option<Arc<Ended>>, Error> {
        if let Some(ended) = self.0.cache.get(id) {
            return Ok(Some(ended));
        }
        let (ephemeral, live) = {
            let core = self.0.core.lock();
            (core.find(id).0.is_some(), core.active.contains(id))
        };
        if ephemeral {
            return Ok(None);
        }
        match self.0.store.find(std::slice::from_ref(id)).await?.pop().flatten() {
            Some(Snapshot { task, outcome: Some(outcome), .. }) => {
                Ok(Some(Arc::new(Ended { task, outcome })))
            }
            Some(_) => Ok(None),
            // It may have ended since the cache was asked.
            None => match self.0.cache.get(id) {
                Some(ended) => Ok(Some(ended)),
                None if live => Ok(None),
                None => Err(not_found(id)),
            },
        }
    }

    /// Where async bodies run.
    pub fn bodies(&self) -> tokio::runtime::Handle {
        self.0.on_bodies.clone()
    }

    /// Methods were registered while the engine ran.
    pub fn methods_changed(&self) {
        self.0.act(|core, now, out| core.methods_changed(now, out));
    }

    /// How many bodies were given up and have not returned.
    pub fn stuck_bodies(&self) -> usize {
        self.0.core.lock().workers().stuck
    }

    /// From now on nothing is taken in.
    pub fn refuse(&self) {
        self.0.draining.store(true, std::sync::atomic::Ordering::Release);
        self.0.act(|core, now, out| core.drain(now, out));
    }

    /// Takes nothing in any more, lets bodies finish within `patience`, and puts the rest back. Then
    /// this boot has ended as it was told to, and nothing more is stored; a drain that is given up
    /// before that is found as a crash by the next one. Answers whether everything finished.
    pub async fn drain(&self, patience: Duration) -> bool {
        self.refuse();
        let finished = tokio::time::timeout(patience, self.quiet()).await.is_ok();
        self.0.act(|core, now, out| core.abandon_all(now, out));
        match tokio::time::timeout(FLUSH_WAIT, self.end()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the store did not take the last change"),
            Err(_) => tracing::warn!("the store did not take the last changes in time"),
        }
        finished
    }

    /// Stores everything, and that this was all. Another drain may have been ahead: whichever asks is
    /// answered when that is stored.
    async fn end(&self) -> Result<(), Error> {
        self.flushed().await;
        let (sender, receiver) = Caller::new();
        self.0.act(|core, _, out| core.stop(sender, out));
        by_hand::said(receiver).await.map(drop)
    }

    async fn quiet(&self) {
        loop {
            let wake = self.0.quiet.notified();
            if self.0.core.lock().is_quiet() {
                return;
            }
            wake.await;
        }
    }

    async fn flushed(&self) {
        loop {
            let wake = self.0.quiet.notified();
            // What is claimed now goes back, which is a write.
            if !self.0.core.lock().dispatch.has_pending_claims() {
                // `commits` says that it is at work while it holds this, too.
                let writes = self.0.writes.lock();
                let busy = self.0.committing.load(std::sync::atomic::Ordering::Acquire);
                if !busy && writes.is_empty() {
                    return;
                }
            }
            wake.await;
        }
    }

    /// What runs for as long as the engine does.
    pub fn services(&self) -> Vec<ServiceHandle> {
        self.0.services.tasks()
    }

    /// Ends its services and the threads of bodies. Does not wait for bodies that are still there.
    pub fn stop(&self) {
        self.0.services.abort();
        for runtime in
            [self.0.loops.lock().take(), self.0.bodies.lock().take()].into_iter().flatten()
        {
            runtime.shutdown_background();
        }
    }
}

fn not_found(id: &TaskId) -> Error {
    Error::new(Code::TaskNotFound, format!("no task {id} is known"))
}
