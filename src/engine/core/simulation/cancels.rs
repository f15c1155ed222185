//! Cancels, and answers to writes.

use super::requests::Waiting;
use super::world::{Ticket, World};
use crate::engine::core::Answer;
use crate::models::{CancelVerdict, State, TaskId};
use crate::store::ChangeResult;

impl World {
    /// A caller cancels a task.
    pub(super) fn cancel_something(&mut self) {
        let id = self.rng.choice(self.ledger.ids().cloned().collect::<Vec<_>>());
        let Some(id) = id else { return };
        self.cancel(id);
    }

    pub(super) fn cancel(&mut self, id: TaskId) {
        let ticket = self.requests.ticket(&mut self.rng);
        self.requests.waiting.insert(ticket, Waiting::Cancel(id.clone()));
        self.act(|core, now, out| core.cancel(id, "not needed".into(), ticket, now, out));
    }

    pub(super) fn write_answered(&mut self, ticket: Ticket, answer: Answer) {
        match (self.requests.waiting.remove(&ticket), answer) {
            (Some(Waiting::Queue), Answer::Result(ChangeResult::Done)) => {}
            (Some(Waiting::Admin { id, purges }), Answer::Result(result)) => {
                self.admin_answered(&id, purges, &result);
            }
            (Some(waiting @ Waiting::HostCall { .. }), Answer::Result(result)) => {
                self.host_call_answered(ticket, waiting, result);
            }
            (Some(Waiting::Cancel(id)), Answer::Cancel(result)) => match result {
                CancelVerdict::AlreadyEnded(state) => {
                    let stored = self.store.find(&id).map(|it| it.state);
                    let kept = || self.cache.get(&id).map(|it| it.outcome.state());
                    let changed = self.ledger.retried.contains(&id);
                    let gone = self.ledger.was_purged(&id);
                    assert!(changed || gone || stored.or_else(kept) == Some(state), "{id}");
                }
                // An operator may have retried it in the same commit.
                CancelVerdict::Cancelled => {
                    let state = self.known_state(&id);
                    let gone = self.ledger.was_purged(&id);
                    if !gone && state.is_none_or(|state| state == State::Cancelled) {
                        self.ledger.cancelled(&id);
                    }
                }
                CancelVerdict::Requested => {
                    // A durable task is recorded when the store applies the cancel.
                    if self.store.find(&id).is_none() && !self.ledger.was_purged(&id) {
                        self.ledger.cancelled_running(&id);
                    }
                    self.ledger.must_signal(&id);
                }
                CancelVerdict::NotFound => {}
            },
            (_, answer) => panic!("{ticket:?} does not wait for {answer:?}"),
        }
    }
}
