//! What was announced: what the store says happened, once and in its order; and of each task a life
//! that there can be.
//!
//! Claims are heard of late, so of those only that each beginning is announced once.

use std::collections::{BTreeMap, VecDeque};

use super::world::World;
use crate::models::{Durability, Event, Fact, State, Task, TaskFact, TaskId};
use crate::store::{Applied, OpenReport};

#[derive(Default)]
pub(super) struct Events {
    /// What commits made happen, and nobody was told yet.
    made: VecDeque<Event>,
    /// The attempts that claims began, and nobody was told yet.
    begun: Vec<Fact>,
    durable: Lives,
    ephemeral: Lives,
}

/// Where each task stands by what was said of it: whether it runs, or `None` if it has ended.
#[derive(Default)]
struct Lives(BTreeMap<TaskId, Option<bool>>);

impl Lives {
    fn goes_on(&mut self, task: &Task, fact: &TaskFact) {
        use TaskFact::{
            Accepted, CancelRequested, Ended, Expanded, Progressed, Queued, Replaced, Requeued,
            Rescued, Resolved, Retried, Retrying, Snoozed, Started,
        };
        let id = &task.id;
        let stood = self.0.get(id).copied();
        let (legal, stands) = match fact {
            Accepted(state) => (!matches!(stood, Some(Some(_))), Some(*state == State::Running)),
            // One that comes in running says so twice.
            Started { attempt: 1, .. } => (matches!(stood, Some(Some(_))), Some(true)),
            Started { .. } => (stood == Some(Some(false)), Some(true)),
            Progressed { .. } | CancelRequested { .. } => (stood == Some(Some(true)), Some(true)),
            Retrying { .. } | Snoozed { .. } | Requeued | Rescued { .. } | Expanded { .. } => {
                (stood == Some(Some(true)), Some(false))
            }
            Queued | Replaced => (stood == Some(Some(false)), Some(false)),
            Ended(_) => (matches!(stood, Some(Some(_))), None),
            Retried => (stood == Some(None), Some(false)),
            Resolved(_) => (stood == Some(None), None),
        };
        assert!(legal, "{id}: {fact:?} after {stood:?}");
        self.0.insert(id.clone(), stands);
    }

    fn check_the_end(&self) {
        for (id, stands) in &self.0 {
            assert_eq!(*stands, None, "{id} was never said to have ended");
        }
    }
}

impl Events {
    /// The durable store has made a change.
    pub(super) fn applied(&mut self, applied: &Applied) {
        let mut ends = Vec::new();
        for event in &applied.events {
            if let Fact::Task(task, fact) = &event.fact {
                self.durable.goes_on(task, fact);
                if let TaskFact::Ended(ended) = fact {
                    ends.push(ended.clone());
                }
            }
        }
        assert_eq!(ends, applied.ended, "one event for each end");
        self.made.extend(applied.events.iter().cloned());
    }

    /// It has given tasks away.
    pub(super) fn claimed(&mut self, events: &[Event]) {
        for event in events {
            let Fact::Task(task, fact @ TaskFact::Started { .. }) = &event.fact else {
                panic!("a claim made {event:?} happen");
            };
            self.durable.goes_on(task, fact);
            self.begun.push(event.fact.clone());
        }
    }

    /// Somebody had a task forgotten.
    pub(super) fn forget(&mut self, id: &TaskId) {
        self.durable.0.remove(id);
    }

    /// Another process opened the store: nobody is told any more of what the last one did.
    pub(super) fn reopened(&mut self, opened: &OpenReport) {
        self.made.clear();
        self.begun.clear();
        self.ephemeral = Lives::default();
        for event in &opened.events {
            if let Fact::Task(task, fact) = &event.fact {
                self.durable.goes_on(task, fact);
            }
        }
    }

    /// A task that has no row begins.
    pub(super) fn began_inline(&mut self, task: &Task) {
        self.ephemeral.goes_on(task, &TaskFact::Accepted(State::Running));
    }

    /// And has ended.
    pub(super) fn ended_inline(&mut self, task: &Task) {
        assert_eq!(self.ephemeral.0.insert(task.id.clone(), None), Some(Some(true)), "{}", task.id);
    }

    fn heard(&mut self, event: &Event) {
        if let Fact::Task(task, fact) = &event.fact
            && task.options.durability == Durability::Ephemeral
        {
            self.ephemeral.goes_on(task, fact);
            return;
        }
        if let Fact::Custom(custom) = &event.fact
            && custom.task.options.durability == Durability::Ephemeral
        {
            let stands = self.ephemeral.0.get(&custom.task.id);
            assert_eq!(stands, Some(&Some(true)), "{event:?}");
            return;
        }
        if self.made.front() == Some(event) {
            self.made.pop_front();
            return;
        }
        match self.begun.iter().position(|fact| *fact == event.fact) {
            Some(at) => drop(self.begun.swap_remove(at)),
            None => panic!("{event:?} did not happen, or not now: {:#?}", self.made.front()),
        }
    }

    pub(super) fn check_the_end(&self) {
        assert!(self.made.is_empty(), "nobody was told: {:#?}", self.made);
        assert!(self.begun.is_empty(), "nobody was told: {:#?}", self.begun);
        self.durable.check_the_end();
        self.ephemeral.check_the_end();
    }
}

impl World {
    pub(super) fn announced(&mut self, events: &[Event]) {
        for event in events {
            self.trace(&event);
            self.events.heard(event);
        }
    }
}
