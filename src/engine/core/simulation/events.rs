//! Events: each event of the store is published once and in order, and the events of each task are a
//! legal life.
//!
//! Answers to claims are late, so the order of starts is not checked.

use std::collections::{BTreeMap, VecDeque};

use super::world::World;
use crate::models::{Durability, Event, Fact, State, Task, TaskFact, TaskId};
use crate::store::{Applied, OpenReport};

#[derive(Default)]
pub(super) struct Events {
    /// Committed events that are not published yet.
    committed: VecDeque<Event>,
    /// Attempts that claims started, whose events are not published yet.
    started: Vec<Fact>,
    durable: Lives,
    ephemeral: Lives,
}

/// The state of each task by its events: whether it runs, or `None` if it has ended.
#[derive(Default)]
struct Lives(BTreeMap<TaskId, Option<bool>>);

impl Lives {
    fn advance(&mut self, task: &Task, fact: &TaskFact) {
        use TaskFact::{
            Accepted, CancelRequested, Ended, Expanded, Progressed, Queued, Replaced, Requeued,
            Rescued, Resolved, Retried, Retrying, Snoozed, Started,
        };
        let id = &task.id;
        let before = self.0.get(id).copied();
        let (legal, now) = match fact {
            Accepted(state) => (!matches!(before, Some(Some(_))), Some(*state == State::Running)),
            // A task that is inserted as running has this event, too.
            Started { attempt: 1, .. } => (matches!(before, Some(Some(_))), Some(true)),
            Started { .. } => (before == Some(Some(false)), Some(true)),
            Progressed { .. } | CancelRequested { .. } => (before == Some(Some(true)), Some(true)),
            Retrying { .. } | Snoozed { .. } | Requeued | Rescued { .. } | Expanded { .. } => {
                (before == Some(Some(true)), Some(false))
            }
            Queued | Replaced => (before == Some(Some(false)), Some(false)),
            Ended(_) => (matches!(before, Some(Some(_))), None),
            Retried => (before == Some(None), Some(false)),
            Resolved(_) => (before == Some(None), None),
        };
        assert!(legal, "{id}: {fact:?} after {before:?}");
        self.0.insert(id.clone(), now);
    }

    fn check_end(&self) {
        for (id, now) in &self.0 {
            assert_eq!(*now, None, "the end of {id} has no event");
        }
    }
}

impl Events {
    /// The durable store applied a change.
    pub(super) fn applied(&mut self, applied: &Applied) {
        let mut ends = Vec::new();
        for event in &applied.events {
            if let Fact::Task(task, fact) = &event.fact {
                self.durable.advance(task, fact);
                if let TaskFact::Ended(ended) = fact {
                    ends.push(ended.clone());
                }
            }
        }
        assert_eq!(ends, applied.ended, "one event for each end");
        self.committed.extend(applied.events.iter().cloned());
    }

    /// The durable store claimed tasks.
    pub(super) fn claimed(&mut self, events: &[Event]) {
        for event in events {
            let Fact::Task(task, fact @ TaskFact::Started { .. }) = &event.fact else {
                panic!("a claim emitted {event:?}");
            };
            self.durable.advance(task, fact);
            self.started.push(event.fact.clone());
        }
    }

    /// An operator purged a task.
    pub(super) fn purge(&mut self, id: &TaskId) {
        self.durable.0.remove(id);
    }

    /// Another process opened the store: events of the last one that were not published are lost.
    pub(super) fn reopened(&mut self, opened: &OpenReport) {
        self.committed.clear();
        self.started.clear();
        self.ephemeral = Lives::default();
        for event in &opened.events {
            if let Fact::Task(task, fact) = &event.fact {
                self.durable.advance(task, fact);
            }
        }
    }

    /// A task without a row starts.
    pub(super) fn started_inline(&mut self, task: &Task) {
        self.ephemeral.advance(task, &TaskFact::Accepted(State::Running));
    }

    /// A task without a row has ended.
    pub(super) fn ended_inline(&mut self, task: &Task) {
        assert_eq!(self.ephemeral.0.insert(task.id.clone(), None), Some(Some(true)), "{}", task.id);
    }

    fn published(&mut self, event: &Event) {
        if let Fact::Task(task, fact) = &event.fact
            && task.options.durability == Durability::Ephemeral
        {
            self.ephemeral.advance(task, fact);
            return;
        }
        if let Fact::Custom(custom) = &event.fact
            && custom.task.options.durability == Durability::Ephemeral
        {
            let now = self.ephemeral.0.get(&custom.task.id);
            assert_eq!(now, Some(&Some(true)), "{event:?}");
            return;
        }
        if self.committed.front() == Some(event) {
            self.committed.pop_front();
            return;
        }
        match self.started.iter().position(|fact| *fact == event.fact) {
            Some(at) => drop(self.started.swap_remove(at)),
            None => panic!("{event:?} is not the next event: {:#?}", self.committed.front()),
        }
    }

    pub(super) fn check_end(&self) {
        assert!(self.committed.is_empty(), "not published: {:#?}", self.committed);
        assert!(self.started.is_empty(), "not published: {:#?}", self.started);
        self.durable.check_end();
        self.ephemeral.check_end();
    }
}

impl World {
    pub(super) fn announced(&mut self, events: &[Event]) {
        for event in events {
            self.trace(&event);
            self.events.published(event);
        }
    }
}
