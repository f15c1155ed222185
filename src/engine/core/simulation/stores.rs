//! Commits, claims and reads, with faults on the way to the store and back.

use std::sync::Arc;

use super::world::{Ticket, Work, World};
use crate::clock::Timestamp;
use crate::engine::core::Tag;
use crate::error::{Code, Error};
use crate::models::{QueueName, State, TaskId};
use crate::store::{Applied, Change, ChangeResult, ClaimRequest, Claims, Commit, Insert, Position};

/// How often a commit is tried that stores nothing.
const TRIES: u32 = 3;

/// A commit on its way: one at a time, as in production.
pub(super) struct Committing {
    changes: Arc<[Change]>,
    tags: Vec<Tag<Ticket>>,
    tries: u32,
    /// The store's result; a retry gets the same.
    result: Option<Commit>,
}

impl World {
    /// Does one step of a commit.
    pub(super) fn commit_step(&mut self) {
        let Some(mut committing) = self.committing.take() else {
            self.begin_commit();
            return;
        };
        let fault = if self.calm { u32::MAX } else { self.rng.u32(0..10) };
        match fault {
            _ if fault < self.full_disk && committing.result.is_none() => {
                committing.tries += 1;
                if committing.tries < TRIES {
                    self.committing = Some(committing);
                } else {
                    self.commit_failed(committing);
                }
            }
            9 => {
                // It is committed, but the answer is lost.
                self.store_commit(&mut committing);
                if self.rng.u32(0..3) == 0 {
                    let tags = &committing.tags;
                    let error = Error::new(Code::OutcomeUnknown, "no answer");
                    self.act(|core, now, out| core.commit_uncertain(tags, &error, now, out));
                }
                self.committing = Some(committing);
            }
            _ => {
                self.store_commit(&mut committing);
                let Committing { result, tags, .. } = committing;
                let commit = result.expect("just committed");
                self.act(|core, now, out| core.committed(tags, commit, now, out));
            }
        }
    }

    fn begin_commit(&mut self) {
        if self.writes.is_empty() {
            return;
        }
        let size = self.rng.usize(1..=self.writes.len());
        let (changes, tags): (Vec<Change>, Vec<Tag<Ticket>>) = self.writes.drain(..size).unzip();
        self.committing =
            Some(Committing { changes: changes.into(), tags, tries: 0, result: None });
    }

    fn store_commit(&mut self, committing: &mut Committing) {
        if committing.result.is_none() {
            let wall = self.now.wall;
            let changes = committing.changes.clone();
            let applied = changes.iter().map(|change| self.apply(change, wall)).collect();
            committing.result = Some(Commit { applied, due: self.store.due() });
        }
    }

    /// The store applies a change.
    pub(super) fn apply(&mut self, change: &Change, wall: Timestamp) -> Applied {
        let needed = match change {
            Change::Purge { id } => self.is_needed(id),
            _ => false,
        };
        let applied = self.store.apply(change, wall);
        self.trace(&(change, &applied));
        let about = match change {
            Change::Checkpoint { sequence, .. }
            | Change::Complete { sequence, .. }
            | Change::Retry { sequence, .. } => self.snapshot_at(*sequence),
            _ => None,
        };
        self.ledger.applied(change, &applied, about.as_ref());
        self.events.applied(&applied);
        match change {
            Change::Insert(Insert { task, .. })
            | Change::Spawn { child: Insert { task, .. }, .. } => {
                self.check_unique(task, &applied.result);
                if !matches!(applied.result, ChangeResult::Inserted(_)) {
                    self.requests.rejected(&task.id);
                }
            }
            Change::Expand { children, .. } => {
                for child in children {
                    if let Some(entered) = self.snapshot_at(child.sequence) {
                        self.check_unique(&child.task, &ChangeResult::Inserted(entered.state));
                    }
                }
            }
            Change::Requeue { sequence, .. } if applied.result == ChangeResult::Done => {
                self.limits.claim_was_lost(*sequence);
            }
            Change::Checkpoint { data: Some(_), .. } if applied.result == ChangeResult::Done => {
                self.limits.clear_crashes(&about.expect("it runs").task.id);
            }
            Change::Purge { id } if applied.result == ChangeResult::Done => {
                assert!(!needed, "{id} is needed and purged");
                self.limits.purge(id);
                self.events.purge(id);
            }
            _ => {}
        }
        for task in &applied.retried {
            self.limits.clear_crashes(&task.id);
        }
        for ended in &applied.ended {
            self.limits.clear_crashes(&ended.task.id);
        }
        applied
    }

    /// The commit stored nothing.
    fn commit_failed(&mut self, committing: Committing) {
        let Committing { changes, tags, .. } = committing;
        let writes = changes.iter().cloned().zip(tags).collect();
        let error = Error::new(Code::StoreUnavailable, "the disk is full");
        let again = self.act(|core, now, out| core.commit_failed(writes, &error, now, out));
        for write in again.into_iter().rev() {
            self.writes.push_front(write);
        }
    }

    /// The store commits what is on its way, and the process crashes before the answer.
    pub(super) fn commit_without_answer(&mut self) {
        if let Some(mut committing) = self.committing.take() {
            self.store_commit(&mut committing);
        }
    }

    pub(super) fn claim(&mut self, wanted: Vec<ClaimRequest>, maybe_claimed: bool) {
        let fault = if self.calm { 0 } else { self.rng.u32(0..12) };
        match fault {
            10 if !maybe_claimed => self.act(|core, now, _| core.claim_failed(&wanted, now)),
            11 => {
                self.store_claims(&wanted);
                self.work.push(Work::Claim { wanted, maybe_claimed: true });
            }
            _ => {
                let claims = self.store_claims(&wanted);
                self.work.push(Work::Claimed { wanted, claims, again: maybe_claimed });
            }
        }
    }

    fn store_claims(&mut self, wanted: &[ClaimRequest]) -> Claims {
        let claims = self.store.claim(wanted, self.now.wall);
        self.events.claimed(&claims.events);
        for claimed in claims.claimed.iter().flatten() {
            let first = self.ledger.claimed(claimed);
            let expires_at = claimed.task.options.expires_at;
            let late = expires_at.is_some_and(|at| at <= self.now.wall);
            let again = self.ledger.retried.contains(&claimed.task.id);
            assert!(!first || !late || again, "{claimed:?}");
            if self.fences.insert(claimed.fence) {
                self.check_claim(claimed, self.now.wall);
            }
        }
        claims
    }

    pub(super) fn read_queue(&mut self, queue: QueueName, after: Option<Position>, limit: usize) {
        if !self.calm && self.rng.u32(0..10) == 0 {
            self.act(|core, now, _| core.refill_failed(&queue, now));
            return;
        }
        let ready = self.store.window(&queue, after, limit);
        self.work.push(Work::Refilled(queue, after, ready));
    }

    pub(super) fn recheck(&mut self, ids: Vec<TaskId>) {
        let found = ids
            .into_iter()
            .map(|id| {
                let state = self.store.find(&id).map(|it| it.state);
                (id, state)
            })
            .collect();
        self.work.push(Work::Rechecked(found));
    }

    pub(super) fn rechecked(&mut self, found: Vec<(TaskId, Option<State>)>) {
        for (id, state) in found {
            self.act(|core, now, out| core.rechecked(&id, state, now, out));
        }
    }
}
