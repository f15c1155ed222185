//! Publishes events in the order in which the core decides them.
//!
//! A thread that changes the core also publishes the events of that change. While it holds the core, it
//! queues them; after it releases the core, one thread at a time publishes what is queued. A thread
//! continues only after its own events are published, so a caller that gets an answer after an event
//! can rely on the event. (The core learns of commits and claims in the store's order, because
//! both services run on one thread.)

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Mutex, ReentrantMutex};

use crate::clock::Now;
use crate::events::Announcer;
use crate::models::{Ended, Event, Fact, Fence, State, Task, TaskFact};

pub(super) struct Announcements {
    announcer: Arc<Announcer>,
    /// In the order to publish. Holds one entry at most for each thread that waits to publish.
    queued: Mutex<VecDeque<Vec<Event>>>,
    /// True while the thread that holds the lock publishes. The lock is reentrant because an observer
    /// may call the engine.
    publishing: ReentrantMutex<Cell<bool>>,
}

impl Announcements {
    pub(super) fn new(announcer: Arc<Announcer>) -> Self {
        Self {
            announcer,
            queued: Mutex::default(),
            publishing: ReentrantMutex::new(Cell::new(false)),
        }
    }

    pub(super) fn announcer(&self) -> &Arc<Announcer> {
        &self.announcer
    }

    /// Whether there is any subscriber or observer.
    pub(super) fn has_listeners(&self) -> bool {
        self.announcer.has_subscribers()
    }

    /// Queues events of the core. Call it while the core is held.
    pub(super) fn queue(&self, events: Vec<Event>) {
        self.queued.lock().push_back(events);
    }

    /// Publishes everything that is queued. Call it while the core is not held.
    pub(super) fn publish(&self) {
        let publishing = self.publishing.lock();
        // An observer on this thread caused these events: the outer call publishes them.
        if publishing.replace(true) {
            return;
        }
        let _guard = ReentryGuard(&publishing);
        loop {
            let Some(events) = self.queued.lock().pop_front() else { return };
            for event in events {
                self.announcer.announce(event);
            }
        }
    }

    /// Publishes one event that does not come from the core.
    pub(super) fn publish_now(&self, event: Event) {
        self.announcer.announce(event);
    }

    /// Publishes the start of a task that has no row. Only this thread publishes its events, so they
    /// are in order.
    pub(super) fn inline_started(&self, task: &Arc<Task>, fence: Fence, now: Now) {
        if self.has_listeners() {
            for fact in
                [TaskFact::Accepted(State::Running), TaskFact::Started { attempt: 1, fence }]
            {
                self.publish_now(Event { at: now.wall, fact: Fact::Task(task.clone(), fact) });
            }
        }
    }

    /// Publishes the end of a task that has no row.
    pub(super) fn inline_ended(&self, ended: &Arc<Ended>) {
        if self.has_listeners() {
            let fact = Fact::Task(ended.task.clone(), TaskFact::Ended(ended.clone()));
            self.publish_now(Event { at: ended.outcome.ended_at, fact });
        }
    }
}

/// Clears the flag also when an observer panics.
struct ReentryGuard<'a>(&'a Cell<bool>);

impl Drop for ReentryGuard<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
