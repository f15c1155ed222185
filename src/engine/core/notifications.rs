//! Events and wake-ups for observers outside the core. The core publishes an event once, after the
//! commit that holds it and before every other consequence of that commit.

use super::{Command, WakeTarget, WatchKey};
use crate::models::Event;

/// Which observers there are. What has no observer is not sent.
#[derive(Debug)]
pub(crate) struct Notifications {
    events: bool,
    watchers: usize,
}

impl Default for Notifications {
    /// Events are on until the performer says otherwise: those of the first commit must not be lost.
    fn default() -> Self {
        Self { events: true, watchers: 0 }
    }
}

impl Notifications {
    /// Sets whether events have observers.
    pub(crate) fn observe_events(&mut self, observed: bool) {
        self.events = observed;
    }

    /// A subscriber begins to watch a task.
    pub(crate) fn watcher_added(&mut self) {
        self.watchers += 1;
    }

    /// A subscriber stops watching a task.
    pub(crate) fn watcher_removed(&mut self) {
        self.watchers -= 1;
    }

    /// Publishes the events of a committed change or claim. Call it before applying any other
    /// consequence.
    pub(super) fn publish<W>(
        &self,
        events: Vec<Event>,
        outbox_written: bool,
        out: &mut Vec<Command<W>>,
    ) {
        if self.events && !events.is_empty() {
            out.push(Command::Announce(events));
        }
        if outbox_written {
            out.push(Command::Wake(WakeTarget::Outbox));
        }
    }

    /// Wakes the watchers of a task whose state or output changed.
    pub(super) fn wake_watchers<W>(
        &self,
        key: impl FnOnce() -> WatchKey,
        out: &mut Vec<Command<W>>,
    ) {
        if self.watchers > 0 {
            out.push(Command::NotifyWatchers(key()));
        }
    }
}
