//! What runs for as long as the system does.
//!
//! Owns which services that are beside the engine's own, where they run, and in which order they end.
//! They have a thread of their own: what keeps it does not hold up commits.

mod list;

use std::convert::Infallible;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Runtime};

use super::TaskSystem;
use super::subscribers::Listening;
use crate::clock::now;
use crate::engine::Engine;
use crate::error::{Code, Error};
use crate::events::Announcer;
use crate::models::Event;
use crate::monitor::Service;
use crate::orchestrator::{EventBus, Scheduler, SchedulerError, ServiceFailure, ShutdownReport};
use crate::webhooks::Webhooks;

/// Services get what they need when they are made, so they hear of nothing over channels.
type Group = Scheduler<Infallible>;

pub(super) struct Services {
    /// Those that make tasks. They stop before tasks are refused.
    makers: Group,
    /// Those that watch. They stop when nothing happens any more.
    watchers: Group,
    runtime: Mutex<Option<Runtime>>,
}

impl Services {
    /// Everything on the [list]. Nothing of it runs yet.
    pub(super) fn new(
        engine: &Engine,
        announcer: &Arc<Announcer>,
        listening: Listening,
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
            let told = report(engine.clone(), announcer.clone(), runtime.handle().clone());
            Scheduler::new(EventBus::default())
                .on_runtime(runtime.handle().clone())
                .on_failure(told)
        };
        let (watchers, makers) = (group(), group());
        let internal = |error: SchedulerError| Error::new(Code::Internal, error.to_string());
        // From here on whatever ends this ends the runtime as it may be ended here.
        let services = Self { makers, watchers, runtime: Mutex::new(Some(runtime)) };
        list::watchers(&services.watchers, engine, listening).map_err(internal)?;
        list::makers(&services.makers, engine, webhooks).map_err(internal)?;
        Ok(Arc::new(services))
    }

    /// Has everything begin. What cannot is reported; the rest runs.
    pub(super) async fn begin(&self) {
        for group in [&self.watchers, &self.makers] {
            if let Err(error) = group.start().await {
                tracing::error!(%error, "services do not run");
            }
        }
    }

    fn status(&self) -> impl Iterator<Item = Service> {
        let tasks = [&self.watchers, &self.makers].map(Group::tasks);
        tasks.into_iter().flatten().map(|task| Service::from(&task))
    }

    /// Nothing makes tasks any more: what a service was about to make is not refused but not made.
    pub(super) fn refuse(&self) {
        self.makers.stop();
    }

    /// Waits until nothing makes tasks.
    pub(super) async fn makers_end(&self) {
        complain(self.makers.shutdown().await);
    }

    /// Waits until nobody watches.
    pub(super) async fn watchers_end(&self) {
        complain(self.watchers.shutdown().await);
    }

    /// Ends whatever is left, and its thread. Waits for nothing.
    pub(super) fn stop(&self) {
        self.makers.abort();
        self.watchers.abort();
        if let Some(runtime) = self.runtime.lock().take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Services {
    /// A runtime must not be waited for where a system may be dropped.
    fn drop(&mut self) {
        self.stop();
    }
}

fn complain(report: ShutdownReport) {
    if let Err(error) = report.into_result() {
        tracing::error!(%error, "services did not stop as they were told");
    }
}

/// Announces failures: for webhooks, too, if the store takes it.
fn report(
    engine: Engine,
    announcer: Arc<Announcer>,
    runtime: tokio::runtime::Handle,
) -> impl Fn(&ServiceFailure) + Send + Sync + 'static {
    move |failure| {
        let event = Event { at: now().wall, fact: failure.fact() };
        let (engine, announcer) = (engine.clone(), announcer.clone());
        // Bounded by the pause that follows a failure and by the time that a commit is tried for.
        runtime.spawn(async move {
            match engine.announce(event.fact.clone()).await {
                Ok(_) => {}
                // Nothing is announced any more: the last that a server says is that it stopped.
                Err(error) if error.code == Code::Draining => {}
                Err(_) => announcer.announce(event),
            }
        });
    }
}

impl TaskSystem {
    /// The parts that run for as long as the system does: the engine's, and what runs beside it.
    pub fn services(&self) -> Vec<Service> {
        let engine = self.engine.services();
        let engine = engine.iter().map(Service::from);
        engine.chain(self.services.status()).collect()
    }
}

#[cfg(test)]
mod tests;
