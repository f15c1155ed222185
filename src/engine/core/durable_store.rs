//! What the core knows of the durable store: when its next task is due, and whether it works.

use std::time::Duration;

use super::timers::{Timer, Timers};
use crate::clock::{Now, Timestamp};

/// How long the core does not use a store that has failed.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct DurableStore {
    /// When its next task is due.
    due: Option<Timestamp>,
    /// A promotion of due tasks is on its way.
    promoting: bool,
    paused: bool,
}

impl DurableStore {
    pub(super) fn new(due: Option<Timestamp>) -> Self {
        Self { due, promoting: false, paused: false }
    }

    pub(super) fn set_due(&mut self, due: Option<Timestamp>) {
        self.due = due;
    }

    /// When due tasks are to be promoted next; `None` while a promotion is on its way.
    pub(super) fn next_promotion(&self) -> Option<Timestamp> {
        if self.promoting { None } else { self.due }
    }

    /// Returns whether a promotion is to be written now; it is on its way then.
    pub(super) fn promote(&mut self, now: Timestamp) -> bool {
        let due = self.next_promotion().is_some_and(|due| due <= now);
        self.promoting |= due;
        due
    }

    /// The promotion is stored, or has failed.
    pub(super) fn promoted(&mut self) {
        self.promoting = false;
    }

    /// Whether the store has just failed.
    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// The store failed: the core does not use it for a moment.
    pub(super) fn pause(&mut self, now: Now, timers: &mut Timers) {
        self.paused = true;
        timers.set(now.steady + PAUSE, Timer::StoreRetry);
    }

    /// The pause is over.
    pub(super) fn resume(&mut self) {
        self.paused = false;
    }
}
