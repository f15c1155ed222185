//! Starts an engine: opens the store, recovers the state, starts runtimes and services.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use ahash::{HashMap, HashMapExt};
use parking_lot::Mutex;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use super::announce::Announcements;
use super::core::{Core, Limits, Settings};
use super::host::EngineHost;
use super::services;
use super::watch::Watches;
use super::{Engine, Options, Shared};
use crate::cache::ResultsCache;
use crate::clock::now;
use crate::error::{Code, Error};
use crate::events::Announcer;
use crate::models::{Event, Fact, NodeFact, QueueSettings};
use crate::store::{Change, NOTIFY_SLICE, OpenOptions, Store};
use crate::tasks::TaskRegistry;

impl Engine {
    /// Opens the store, recovers the tasks of an earlier process and starts to run tasks.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE` when the store cannot be opened, `INTERNAL` when threads cannot be started.
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
            announcements.publish_now(event);
        }
        let properties = store.properties();
        let (sync_threads, defaults) = (options.sync_threads, options.defaults);
        let settings = settings(options, properties.shared, properties.durable);
        let spare_threads = settings.spare_threads;
        let seed = fastrand::u64(..);
        let core = Core::new(settings, registry.clone(), cache.clone(), &opened, seed, started);
        let node = NodeFact::Started { epoch: opened.epoch, version: env!("CARGO_PKG_VERSION") };
        let node = Event { at: started.wall, fact: Fact::Node(node) };
        let first = [Change::Announce(node)].into_iter().chain(core.declare()).collect();
        let declared = store.commit(first, started.wall).await?;
        tracing::info!(
            store = properties.name,
            durable = properties.durable,
            epoch = opened.epoch,
            rescued = opened.rescued,
            quarantined = opened.quarantined,
            "store opened"
        );
        let handler_runtime = runtime(
            Builder::new_multi_thread()
                .thread_name("handler")
                .max_blocking_threads(sync_threads + spare_threads),
        )?;
        let service_runtime =
            runtime(Builder::new_multi_thread().thread_name("engine").worker_threads(1))?;
        let (handlers, service_thread) =
            (handler_runtime.handle().clone(), service_runtime.handle().clone());
        let services =
            services::services(service_thread.clone(), announcements.announcer().clone());
        let shared = Arc::new_cyclic(|shared| Shared {
            host: EngineHost::of(shared),
            watches: Watches::default(),
            announcements,
            schedules_changed: Notify::new(),
            outbox_written: Notify::new(),
            core: Mutex::new(core),
            store,
            cache,
            registry,
            defaults,
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
            handler_threads: handlers,
            handler_runtime: Mutex::new(Some(handler_runtime)),
            services,
            service_thread,
            service_runtime: Mutex::new(Some(service_runtime)),
        });
        services::start(&shared).await?;
        shared.act(|core, now, out| core.start(declared, now, out));
        Ok(Self(shared))
    }
}

/// The core's settings for a store that is `shared` with other processes, and `durable`.
fn settings(options: Options, shared: bool, durable: bool) -> Settings {
    let queues = options.queues.into_iter();
    Settings {
        async_slots: options.async_tasks,
        sync_slots: options.sync_threads,
        spare_threads: options.sync_threads,
        queue_length: options.queue_length,
        cancel_grace: options.cancel_grace,
        stuck_after: options.stuck_after,
        early_start: !shared,
        store_durable: durable,
        retention: options.retention,
        queues: queues
            .map(|(queue, limits)| (queue, QueueSettings { limits, paused: false }))
            .collect(),
        limits: Limits::default(),
    }
}

fn runtime(builder: &mut Builder) -> Result<Runtime, Error> {
    let no_threads = |error| Error::new(Code::Internal, format!("cannot start threads: {error}"));
    builder.enable_all().build().map_err(no_threads)
}
