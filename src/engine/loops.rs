//! The services that run for as long as the engine does: commits, the dispatcher and upkeep.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;

use super::{Shared, Tag};
use crate::clock::now;
use crate::error::{Code, Error};
use crate::events::Announcer;
use crate::models::Event;
use crate::orchestrator::{
    BackgroundTask, EventBus, Executable, Pace, Scheduler, SchedulerError, ServiceFailure,
};
use crate::store::{self, Change, ClaimRequest, Claims, Commit};

/// What runs the engine's own services. They hear of nothing over channels.
pub(super) type Services = Scheduler<Infallible>;

/// The most changes in one commit.
const COMMIT_BATCH: usize = 4_096;
/// How often a commit is tried before its callers are told that it failed, and the pause between.
const COMMIT_TRIES: u32 = 5;
const COMMIT_PAUSE: Duration = Duration::from_millis(20);
/// The most that the pause grows to, in pauses.
const LONGEST_PAUSE: u32 = 50;

/// What will run the engine's services, on its own runtime.
pub(super) fn services(runtime: Handle, announcer: Arc<Announcer>) -> Services {
    // The core knows for how long a store that fails is left alone.
    let pace = Pace { first_pause: COMMIT_PAUSE, longest_pause: COMMIT_PAUSE, ..Pace::default() };
    Scheduler::new(EventBus::default()).pace(pace).on_runtime(runtime).on_failure(move |failure| {
        end_if_panicked(failure);
        // Less and less often: a store that stays away fails many times a second. Past the store: it
        // is what failed.
        if failure.failures.is_power_of_two() {
            announcer.announce(Event { at: now().wall, fact: failure.fact() });
        }
    })
}

/// A service that panics leaves the core half changed and every caller waiting: better no process than
/// one that seems to serve.
fn end_if_panicked(failure: &ServiceFailure) {
    if failure.panicked {
        tracing::error!(name = &*failure.name, "a loop of the engine panicked; the process ends");
        std::process::abort();
    }
}

pub(super) async fn start(shared: &Arc<Shared>) -> Result<(), Error> {
    let start = async {
        let services = &shared.services;
        services.register_background_task(Commits(shared.clone()))?;
        services.register_background_task(Dispatcher(shared.clone()))?;
        services.register_background_task(Upkeep(shared.clone()))?;
        services.start().await
    };
    start.await.map_err(|error: SchedulerError| Error::new(Code::Internal, error.to_string()))
}

/// Commits whatever has gathered, at once and in order.
///
/// A turn is dropped only with the engine, which stops when it has nothing left to write, or at once.
/// So what a turn has taken is not lost to an engine that goes on.
struct Commits(Arc<Shared>);

impl Executable for Commits {
    fn name(&self) -> &'static str {
        "commits"
    }
}

#[async_trait]
impl BackgroundTask for Commits {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        let shared = &self.0;
        // A turn lasts until there is something to write: one that only waited would pass for a good one.
        let batch = loop {
            let batch = {
                let mut writes = shared.writes.lock();
                shared.committing.store(!writes.is_empty(), Ordering::Release);
                let size = writes.len().min(COMMIT_BATCH);
                writes.drain(..size).collect::<Vec<_>>()
            };
            if !batch.is_empty() {
                break batch;
            }
            shared.quiet.notify_waiters();
            shared.write_wake.notified().await;
        };
        let (changes, tags): (Vec<Change>, Vec<Tag>) = batch.into_iter().unzip();
        let changes: Arc<[Change]> = changes.into();
        match commit(shared, &changes, &tags).await {
            Ok(commit) => {
                shared.act(|core, now, out| core.committed(tags, commit, now, out));
                Ok(())
            }
            Err(error) => {
                let error = Error::from(error);
                tracing::error!(%error, changes = tags.len(), "the store does not commit");
                let writes = changes.iter().cloned().zip(tags).collect();
                let again =
                    shared.act(|core, now, out| core.commit_failed(writes, &error, now, out));
                shared.writes.lock().splice(0..0, again);
                Err(SchedulerError::TaskExecution(error.to_string()))
            }
        }
    }
}

/// Changes can be repeated: a store that has made them answers the same again. So a commit whose
/// answer was lost is asked for until the answer is there, or the process ends.
async fn commit(
    shared: &Arc<Shared>,
    changes: &Arc<[Change]>,
    tags: &[Tag],
) -> Result<Commit, store::Error> {
    let mut tries = 1;
    let mut lost = false;
    loop {
        let error = match shared.store.commit(changes.clone(), now().wall).await {
            Ok(commit) => return Ok(commit),
            Err(error) => error,
        };
        if let store::Error::Broken(_) = error {
            // What was not acknowledged may or may not be there: the next boot finds out.
            tracing::error!(%error, "the process ends");
            // The log may not get there in time.
            eprintln!("task-scheduler: {error}; the process ends");
            std::process::abort();
        }
        lost |= matches!(error, store::Error::AnswerLost(_));
        if tries == COMMIT_TRIES {
            if !lost {
                return Err(error);
            }
            let error = error.into();
            shared.act(|core, now, out| core.commit_uncertain(tags, &error, now, out));
        } else {
            tracing::warn!(%error, tries, "a commit failed; trying again");
        }
        tokio::time::sleep(COMMIT_PAUSE * tries.min(LONGEST_PAUSE)).await;
        tries += 1;
    }
}

/// Claims whatever the core would like to start.
struct Dispatcher(Arc<Shared>);

impl Executable for Dispatcher {
    fn name(&self) -> &'static str {
        "dispatcher"
    }
}

#[async_trait]
impl BackgroundTask for Dispatcher {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        let shared = &self.0;
        let wanted = loop {
            let wanted = std::mem::take(&mut *shared.claims.lock());
            if !wanted.is_empty() {
                break wanted;
            }
            shared.claim_wake.notified().await;
        };
        match claim(shared, &wanted).await {
            Ok((claims, tries)) => {
                shared.act(|core, now, out| match tries {
                    1 => core.claimed(&wanted, claims, now, out),
                    _ => core.claimed_after_retry(&wanted, claims, now, out),
                });
                Ok(())
            }
            Err(error) => {
                shared.act(|core, now, _| core.claim_failed(&wanted, now));
                Err(SchedulerError::TaskExecution(error.to_string()))
            }
        }
    }
}

/// A claim whose answer was lost is asked for until the answer is there: it may have been made, and
/// then nobody else can make it. Answers how often it was asked for, too.
async fn claim(shared: &Shared, wanted: &[ClaimRequest]) -> Result<(Claims, u32), store::Error> {
    let mut tries = 1;
    let mut lost = false;
    loop {
        let error = match shared.store.claim(wanted.to_vec(), now().wall).await {
            Ok(claims) => return Ok((claims, tries)),
            Err(error) => error,
        };
        lost |= matches!(error, store::Error::AnswerLost(_));
        if !lost {
            return Err(error);
        }
        tracing::warn!(%error, tries, "the answer to a claim was lost; asking again");
        tokio::time::sleep(COMMIT_PAUSE * tries.min(LONGEST_PAUSE)).await;
        tries += 1;
    }
}

/// Tells the core when something is due: a task's time, a body's deadline, what is old enough to be
/// forgotten.
struct Upkeep(Arc<Shared>);

impl Executable for Upkeep {
    fn name(&self) -> &'static str {
        "upkeep"
    }
}

#[async_trait]
impl BackgroundTask for Upkeep {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        let shared = &self.0;
        // Until the next time is known, everything that sets a time wakes this.
        shared.tick_at.store(u64::MAX, Ordering::Release);
        let next = shared.core.lock().next_tick(now());
        let at = next.map_or(u64::MAX, |next| u64::try_from(next.as_micros()).unwrap_or(u64::MAX));
        shared.tick_at.store(at, Ordering::Release);
        let wait = next.map_or(Duration::MAX, |next| next.saturating_sub(now().steady));
        tokio::select! {
            () = tokio::time::sleep(wait.min(Duration::from_secs(3600))) => {}
            () = shared.tick_wake.notified() => return Ok(()),
        }
        shared.act(|core, now, out| core.tick(now, out));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
