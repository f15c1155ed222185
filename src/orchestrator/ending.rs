//! How whoever started a life ends it.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// How whoever started a life ends it: first with a word, then without.
#[derive(Debug, Default)]
pub(super) struct Ending {
    told: AtomicBool,
    wake: Notify,
    given_up: AtomicBool,
    reported: AtomicBool,
}

impl Ending {
    /// Tells it to stop.
    pub(super) fn tell(&self) {
        self.told.store(true, Ordering::Release);
        self.wake.notify_waiters();
    }

    /// Whether it was told to stop. Costs a service nothing between two turns.
    pub(super) fn is_told(&self) -> bool {
        self.told.load(Ordering::Acquire)
    }

    /// Waits until it is told to stop.
    pub(super) async fn told(&self) {
        let wake = self.wake.notified();
        // Whoever tells after this wakes it, even if it does not wait yet.
        if !self.is_told() {
            wake.await;
        }
    }

    /// It did not stop in time.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
    }

    /// Whether it did not stop in time.
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }

    /// Whoever stopped it was told how it ended.
    pub(super) fn report(&self) {
        self.reported.store(true, Ordering::Release);
    }

    /// Whether whoever stopped it was told how it ended.
    pub(super) fn is_reported(&self) -> bool {
        self.reported.load(Ordering::Acquire)
    }
}
