//! The engine's services: `commits`, the `dispatcher` and `upkeep`.

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

/// The scheduler of the engine's services, which subscribe to no channel.
pub(super) type Services = Scheduler<Infallible>;

/// The most changes in one commit.
const COMMIT_BATCH: usize = 4_096;
/// How many times a commit is tried before its callers get an error, and the pause after a failure. The
/// pause grows by itself with each failure.
const COMMIT_TRIES: u32 = 5;
const COMMIT_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause between tries, in multiples of the first: 1 s.
const LONGEST_PAUSE: u32 = 50;

/// A scheduler that will run the engine's services on `runtime`.
pub(super) fn services(runtime: Handle, announcer: Arc<Announcer>) -> Services {
    // Constant: the core decides how long the engine waits after a failure of the store.
    let pace = Pace { first_pause: COMMIT_PAUSE, longest_pause: COMMIT_PAUSE, ..Pace::default() };
    Scheduler::new(EventBus::default()).pace(pace).on_runtime(runtime).on_failure(move |failure| {
        end_if_panicked(failure);
        // At failure 1, 2, 4, 8, …: a store that is gone fails many times a second. Not stored: the
        // store is what fails.
        if failure.failures.is_power_of_two() {
            announcer.announce(Event { at: now().wall, fact: failure.fact() });
        }
    })
}

/// A service that panics leaves the core half changed and its callers without answers, so the process
/// aborts.
fn end_if_panicked(failure: &ServiceFailure) {
    if failure.panicked {
        tracing::error!(
            name = &*failure.name,
            "a service of the engine panicked; the process ends"
        );
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

/// Commits the queued changes in order, as one batch.
///
/// A turn is dropped only when the engine stops, so an engine that runs loses no batch.
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
        // Waits within the turn: a turn that ends counts as a success, which would reset the failures.
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
                tracing::error!(%error, changes = tags.len(), "the store refused a commit");
                let writes = changes.iter().cloned().zip(tags).collect();
                let repeat =
                    shared.act(|core, now, out| core.commit_failed(writes, &error, now, out));
                shared.writes.lock().splice(0..0, repeat);
                Err(SchedulerError::TaskExecution(error.to_string()))
            }
        }
    }
}

/// Commits a batch; repeats a commit whose answer was lost until the store answers or the process ends.
/// A repeat is safe: it changes nothing more and has the same answer.
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
            // An unacknowledged change may be stored or not; the next process finds out.
            tracing::error!(%error, "the process ends");
            // Also to stderr: the log may not be flushed before the abort.
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
        tokio::time::sleep(pause_after(tries)).await;
        tries += 1;
    }
}

/// Grows from 20 ms to 1 s.
fn pause_after(tries: u32) -> Duration {
    COMMIT_PAUSE * tries.min(LONGEST_PAUSE)
}

/// Claims the tasks that the core wants to start.
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
        let requests = loop {
            let requests = std::mem::take(&mut *shared.claims.lock());
            if !requests.is_empty() {
                break requests;
            }
            shared.claim_wake.notified().await;
        };
        match claim(shared, &requests).await {
            Ok((claims, tries)) => {
                shared.act(|core, now, out| match tries {
                    1 => core.claimed(&requests, claims, now, out),
                    _ => core.claimed_after_retry(&requests, claims, now, out),
                });
                Ok(())
            }
            Err(error) => {
                shared.act(|core, now, _| core.claim_failed(&requests, now));
                Err(SchedulerError::TaskExecution(error.to_string()))
            }
        }
    }
}

/// Claims tasks; repeats a claim whose answer was lost until the store answers, because the store may hold
/// the tasks for this claim already. Returns also the number of tries.
async fn claim(shared: &Shared, requests: &[ClaimRequest]) -> Result<(Claims, u32), store::Error> {
    let mut tries = 1;
    let mut lost = false;
    loop {
        let error = match shared.store.claim(requests.to_vec(), now().wall).await {
            Ok(claims) => return Ok((claims, tries)),
            Err(error) => error,
        };
        lost |= matches!(error, store::Error::AnswerLost(_));
        if !lost {
            return Err(error);
        }
        tracing::warn!(%error, tries, "the answer to a claim was lost; repeating the claim");
        tokio::time::sleep(pause_after(tries)).await;
        tries += 1;
    }
}

/// Fires the core's timers: start times, timeouts, retention.
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
        // While the next time is unknown, every new timer wakes this service.
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
