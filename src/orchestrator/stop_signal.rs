//! The signal that stops one service, and how far stopping it has come.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Stops one service: first by request, then by an abort.
#[derive(Debug, Default)]
pub(super) struct StopSignal {
    requested: AtomicBool,
    wake: Notify,
    aborted: AtomicBool,
    reported: AtomicBool,
}

impl StopSignal {
    /// Requests the service to stop.
    pub(super) fn request(&self) {
        self.requested.store(true, Ordering::Release);
        self.wake.notify_waiters();
    }

    /// Whether a stop is requested. One atomic load, cheap enough for every turn.
    pub(super) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Acquire)
    }

    /// Waits until a stop is requested.
    pub(super) async fn requested(&self) {
        let wake = self.wake.notified();
        // Created before the check: a request in between still wakes it.
        if !self.is_requested() {
            wake.await;
        }
    }

    /// Records that the service did not stop in time and is aborted.
    pub(super) fn mark_aborted(&self) {
        self.aborted.store(true, Ordering::Release);
    }

    /// Whether the service did not stop in time.
    pub(super) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire)
    }

    /// Records that a [`ShutdownReport`](super::ShutdownReport) names the service.
    pub(super) fn mark_reported(&self) {
        self.reported.store(true, Ordering::Release);
    }

    /// Whether a [`ShutdownReport`](super::ShutdownReport) names the service.
    pub(super) fn is_reported(&self) -> bool {
        self.reported.load(Ordering::Acquire)
    }
}
