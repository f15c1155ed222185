//! Graceful shutdown: refuses new tasks, waits for running ones, requeues the rest, stores everything.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::reply::change_result;
use super::{Caller, Engine};
use crate::error::Error;

/// How long a drain waits for the store to commit the last changes.
const FLUSH_WAIT: Duration = Duration::from_secs(2);

impl Engine {
    /// Refuses new tasks from now on. Tasks that run go on.
    pub fn refuse(&self) {
        self.0.draining.store(true, Ordering::Release);
        self.0.act(|core, now, out| core.drain(now, out));
    }

    /// Shuts down gracefully: refuses new tasks, waits up to `patience` for running handlers, then
    /// requeues the tasks that still run. Returns whether every handler finished in time.
    ///
    /// The last commit marks this process as ended in order, and nothing is stored after it. If that
    /// commit takes longer than 2 seconds, the next process treats this one as crashed.
    pub async fn drain(&self, patience: Duration) -> bool {
        self.refuse();
        let finished = tokio::time::timeout(patience, self.quiet()).await.is_ok();
        self.0.act(|core, now, out| core.abandon_all(now, out));
        match tokio::time::timeout(FLUSH_WAIT, self.commit_stop()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the store refused the last change"),
            Err(_) => tracing::warn!(
                waited = ?FLUSH_WAIT,
                "the store did not commit the last changes in time"
            ),
        }
        finished
    }

    /// Waits until everything is stored, then stores that nothing follows. Concurrent drains share that
    /// last change.
    async fn commit_stop(&self) -> Result<(), Error> {
        self.flushed().await;
        let (sender, receiver) = Caller::new();
        self.0.act(|core, _, out| core.stop(sender, out));
        change_result(receiver).await.map(drop)
    }

    /// Waits until no handler runs.
    async fn quiet(&self) {
        loop {
            let wake = self.0.quiet.notified();
            if self.0.core.lock().is_quiet() {
                return;
            }
            wake.await;
        }
    }

    /// Waits until no claim and no write is pending.
    async fn flushed(&self) {
        loop {
            let wake = self.0.quiet.notified();
            // A task that is claimed now is requeued, which is a write.
            if !self.0.core.lock().dispatch.has_pending_claims() {
                // `commits` sets `committing` while it holds this lock.
                let writes = self.0.writes.lock();
                let busy = self.0.committing.load(Ordering::Acquire);
                if !busy && writes.is_empty() {
                    return;
                }
            }
            wake.await;
        }
    }

    /// Stops the services and the threads of handlers at once. Does not wait for handlers that still
    /// run.
    pub fn stop(&self) {
        self.0.services.abort();
        let runtimes = [self.0.service_runtime.lock().take(), self.0.handler_runtime.lock().take()];
        for runtime in runtimes.into_iter().flatten() {
            runtime.shutdown_background();
        }
    }
}
