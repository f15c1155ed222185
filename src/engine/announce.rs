//! Events on their way from the core to whoever listens.
//!
//! Each thread that tells the core something tells of what came of it, too. They are told in the order in
//! which the core decided: what is announced is taken over while the core is held, and told by one
//! thread at a time once it is not. A thread goes on only when what it took over was told, so whoever
//! is answered after an event can rely on its having been announced. (The core hears of commits and
//! claims in the order in which the store made them: both loops run on one thread.)

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Mutex, ReentrantMutex};

use crate::clock::Now;
use crate::events::Announcer;
use crate::models::{Ended, Event, Fact, Fence, State, Task, TaskFact};

pub(super) struct Announcements {
    announcer: Arc<Announcer>,
    /// In the order in which they are to be told. Bounded by what threads that wait to tell bring.
    waiting: Mutex<VecDeque<Vec<Event>>>,
    /// Whether the thread that holds this is telling: whoever listens may tell the engine something.
    telling: ReentrantMutex<Cell<bool>>,
}

impl Announcements {
    pub(super) fn new(announcer: Arc<Announcer>) -> Self {
        Self {
            announcer,
            waiting: Mutex::default(),
            telling: ReentrantMutex::new(Cell::new(false)),
        }
    }

    /// Who tells.
    pub(super) fn announcer(&self) -> &Arc<Announcer> {
        &self.announcer
    }

    /// Whether anybody listens.
    pub(super) fn listened_to(&self) -> bool {
        self.announcer.has_subscribers()
    }

    /// Takes events over from the core, which is held meanwhile.
    pub(super) fn take_over(&self, events: Vec<Event>) {
        self.waiting.lock().push_back(events);
    }

    /// Tells of everything that was taken over. The core must not be held.
    pub(super) fn tell(&self) {
        let telling = self.telling.lock();
        // What a listener brought about is told when it is done with what it was told.
        if telling.replace(true) {
            return;
        }
        let _told = Told(&telling);
        loop {
            let Some(events) = self.waiting.lock().pop_front() else { return };
            for event in events {
                self.announcer.announce(event);
            }
        }
    }

    /// Tells of one thing that happened outside of the core.
    pub(super) fn tell_of(&self, event: Event) {
        self.announcer.announce(event);
    }

    /// A task that has no row begins. Nobody else tells of it, so its order is that of this thread.
    pub(super) fn began_inline(&self, task: &Arc<Task>, fence: Fence, now: Now) {
        if self.listened_to() {
            for fact in
                [TaskFact::Accepted(State::Running), TaskFact::Started { attempt: 1, fence }]
            {
                self.tell_of(Event { at: now.wall, fact: Fact::Task(task.clone(), fact) });
            }
        }
    }

    /// And has ended.
    pub(super) fn ended_inline(&self, ended: &Arc<Ended>) {
        if self.listened_to() {
            let fact = Fact::Task(ended.task.clone(), TaskFact::Ended(ended.clone()));
            self.tell_of(Event { at: ended.outcome.ended_at, fact });
        }
    }
}

/// Also when a listener panics.
struct Told<'a>(&'a Cell<bool>);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
