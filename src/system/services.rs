//! The services of a system beside the engine's.
//!
//! Owns which services there are, where they run and in which order they stop. They run on a thread of
//! their own, so that a slow service does not delay commits.

mod list;

use std::convert::Infallible;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Runtime};

use super::TaskSystem;
use super::subscribers::Subscriptions;
use crate::clock::now;
use crate::engine::Engine;
use crate::error::{Code, Error};
use crate::events::Announcer;
use crate::models::Event;
use crate::monitor::{Health, Service};
use crate::orchestrator::{EventBus, Scheduler, SchedulerError, ServiceFailure, ShutdownReport};
use crate::webhooks::Webhooks;

/// No service uses an event channel, so the group has none.
type Group = Scheduler<Infallible>;

pub(super) struct Services {
    /// Services that create tasks. They stop before the engine refuses tasks.
    producers: Group,
    /// Services that observe. They stop after the last event.
    watchers: Group,
    runtime: Mutex<Option<Runtime>>,
}

impl Services {
    /// Registers every service of the [list] without starting it.
    pub(super) fn new(
        engine: &Engine,
        announcer: &Arc<Announcer>,
        subscriptions: Subscriptions,
        webhooks: &Webhooks,
    ) -> Result<Arc<Self>, Error> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("service")
            .enable_all()
            .build()
            .map_err(|error| {
                Error::new(Code::Internal, format!("cannot start threads: {error}"))
            })?;
        let group = || {
            let hook =
                announce_failure(engine.clone(), announcer.clone(), runtime.handle().clone());
            Scheduler::new(EventBus::default())
                .on_runtime(runtime.handle().clone())
                .on_failure(hook)
        };
        let (watchers, producers) = (group(), group());
        let internal = |error: SchedulerError| Error::new(Code::Internal, error.to_string());
        // Before the first `?`: only `Services` drops the runtime without blocking.
        let services = Self { producers, watchers, runtime: Mutex::new(Some(runtime)) };
        list::watchers(&services.watchers, engine, subscriptions).map_err(internal)?;
        list::producers(&services.producers, engine, webhooks).map_err(internal)?;
        Ok(Arc::new(services))
    }

    /// Starts all services. Logs those that fail; the others run.
    pub(super) async fn start(&self) {
        for group in [&self.watchers, &self.producers] {
            if let Err(error) = group.start().await {
                tracing::error!(%error, "some services did not start");
            }
        }
    }

    fn status(&self) -> impl Iterator<Item = Service> {
        let tasks = [&self.watchers, &self.producers].map(Group::tasks);
        tasks.into_iter().flatten().map(|task| Service::from(&task))
    }

    /// Stops the services that create tasks, so that the engine need not refuse their tasks. Does not wait.
    pub(super) fn refuse(&self) {
        self.producers.stop();
    }

    /// Stops the services that create tasks and waits for their end.
    pub(super) async fn stop_producers(&self) {
        log_unclean(self.producers.shutdown().await);
    }

    /// Stops the services that observe and waits for their end.
    pub(super) async fn stop_watchers(&self) {
        log_unclean(self.watchers.shutdown().await);
    }

    /// Aborts all services and ends their thread, without waiting.
    pub(super) fn stop(&self) {
        self.producers.abort();
        self.watchers.abort();
        if let Some(runtime) = self.runtime.lock().take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Services {
    /// Dropping a runtime blocks, which panics in an async context.
    fn drop(&mut self) {
        self.stop();
    }
}

fn log_unclean(report: ShutdownReport) {
    if let Err(error) = report.into_result() {
        tracing::error!(%error, "some services did not stop cleanly");
    }
}

/// A failure hook that announces the failure: through the store, so that webhooks receive it, or else to
/// this process only.
fn announce_failure(
    engine: Engine,
    announcer: Arc<Announcer>,
    runtime: tokio::runtime::Handle,
) -> impl Fn(&ServiceFailure) + Send + Sync + 'static {
    move |failure| {
        let event = Event { at: now().wall, fact: failure.fact() };
        let (engine, announcer) = (engine.clone(), announcer.clone());
        // Bounded: each failure is followed by a pause, and each commit has a time limit.
        runtime.spawn(async move {
            match engine.announce(event.fact.clone()).await {
                Ok(_) => {}
                // `node.stopped` is the last event.
                Err(error) if error.code == Code::Draining => {}
                Err(_) => announcer.announce(event),
            }
        });
    }
}

impl TaskSystem {
    /// The state of all services: the engine's first.
    pub fn services(&self) -> Vec<Service> {
        let engine = self.engine.services();
        let engine = engine.iter().map(Service::from);
        engine.chain(self.services.status()).collect()
    }

    /// The health of the system: ready, degraded, and the reasons.
    pub async fn health(&self) -> Health {
        self.monitor.health(self.services()).await
    }
}

#[cfg(test)]
mod tests;
