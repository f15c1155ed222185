//! Wishes to cancel.

use super::requests::Waiting;
use super::world::{Ticket, World};
use crate::engine::core::Answer;
use crate::models::{CancelVerdict, State, TaskId};
use crate::store::ChangeResult;

impl World {
    /// Somebody wishes some task cancelled.
    pub(super) fn wish_to_cancel(&mut self) {
        let id = self.rng.choice(self.ledger.ids().cloned().collect::<Vec<_>>());
        let Some(id) = id else { return };
        self.cancel(id);
    }

    pub(super) fn cancel(&mut self, id: TaskId) {
        let ticket = self.requests.ticket(&mut self.rng);
        self.requests.waiting.insert(ticket, Waiting::Cancel(id.clone()));
        self.act(|core, now, out| core.cancel(id, "tired".into(), ticket, now, out));
    }

    pub(super) fn said_or_cancel_answered(&mut self, ticket: Ticket, answer: Answer) {
        match (self.requests.waiting.remove(&ticket), answer) {
            (Some(Waiting::Queue), Answer::Result(ChangeResult::Done)) => {}
            (Some(Waiting::ByHand { id, forgets }), Answer::Result(result)) => {
                self.changed_by_hand(&id, forgets, &result);
            }
            (Some(waiting @ Waiting::During { .. }), Answer::Result(result)) => {
                self.heard(ticket, waiting, result);
            }
            (Some(Waiting::Cancel(id)), Answer::Cancel(result)) => match result {
                CancelVerdict::AlreadyEnded(state) => {
                    let stored = self.store.find(&id).map(|it| it.state);
                    let kept = || self.cache.get(&id).map(|it| it.outcome.state());
                    let changed = self.ledger.came_back.contains(&id);
                    let gone = self.ledger.was_forgotten(&id);
                    assert!(changed || gone || stored.or_else(kept) == Some(state), "{id}");
                }
                // People may have had it run again in the same commit.
                CancelVerdict::Cancelled => {
                    let state = self.known_state(&id);
                    let gone = self.ledger.was_forgotten(&id);
                    if !gone && state.is_none_or(|state| state == State::Cancelled) {
                        self.ledger.cancelled(&id);
                    }
                }
                CancelVerdict::Requested => {
                    // Of a durable one the store has said so, and it may have been forgotten since.
                    if self.store.find(&id).is_none() && !self.ledger.was_forgotten(&id) {
                        self.ledger.wished_away(&id);
                    }
                    self.ledger.promised_to_signal(&id);
                }
                CancelVerdict::NotFound => {}
            },
            (_, answer) => panic!("{ticket:?} does not wait for {answer:?}"),
        }
    }
}
