//! Outcomes, and how long rows are kept after them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Parent, Rows, Transition};
use crate::models::{Ended, Ending, Fact, Outcome, Sequence, State, TaskFact, TaskId};

impl<R: Rows> Transition<'_, R> {
    /// Ends a task. The next [`notify_dependants`](Self::notify_dependants) notifies its dependants
    /// and children.
    pub(super) fn end(&mut self, sequence: Sequence, ending: Ending) -> Result<(), R::Error> {
        let now = self.now;
        let keeps_ended = self.rows.keeps_ended();
        let (ended, parents, foreign, held_key, held_suspicion) =
            self.rows.update(sequence, |row| {
                let outcome = Outcome {
                    ending,
                    attempts: row.attempts,
                    started_at: row.started_at,
                    ended_at: now,
                };
                let error = outcome.failure().map(|failure| failure.message);
                row.transition_to(outcome.state(), now, error);
                row.unmet = 0;
                row.due = None;
                row.cancel_requested = None;
                row.resolved_args = None;
                row.checkpoint = None;
                row.blocked_by = None;
                row.quarantine_candidate = false;
                row.keep_until = row
                    .task
                    .options
                    .unique()
                    .and_then(|unique| Some(row.task.submitted_at.plus(unique.window?)));
                if !keeps_ended {
                    row.due = row.keep_until.filter(|until| *until > now);
                }
                let ended = Arc::new(Ended { task: row.task.clone(), outcome });
                row.ended = Some(ended.clone());
                (
                    ended,
                    std::mem::take(&mut row.parents),
                    std::mem::take(&mut row.foreign),
                    std::mem::take(&mut row.holds_key),
                    std::mem::take(&mut row.quarantine_slot),
                )
            })?;
        let task = &ended.task;
        for parent in &parents {
            self.rows.stop_waiting(Parent::Local(*parent), sequence)?;
        }
        for parent in &foreign {
            self.rows.stop_waiting(Parent::Foreign(parent), sequence)?;
        }
        self.unretain(parents)?;
        if held_key && let Some(key) = task.options.concurrency_key() {
            self.fill_key(&task.options.queue, key)?;
        }
        if held_suspicion {
            self.give_quarantine_slot()?;
        }
        self.release_unique_key(sequence)?;
        let failed = ended.outcome.state() != State::Succeeded;
        if self.rows.is_awaited(sequence)? || failed && self.rows.next_child(sequence)?.is_some() {
            self.mark_dependants_pending(sequence)?;
        } else {
            self.drop_unneeded(sequence)?;
        }
        self.applied.ended.push(ended.clone());
        self.emit(Fact::Task(ended.task.clone(), TaskFact::Ended(ended.clone())))?;
        self.run_ended(&ended)
    }

    /// Marks a task whose dependants and children are to be notified.
    pub(super) fn mark_dependants_pending(&mut self, sequence: Sequence) -> Result<(), R::Error> {
        if !self
            .rows
            .update(sequence, |row| std::mem::replace(&mut row.dependants_pending, true))?
        {
            self.rows.push_pending_dependants(sequence)?;
        }
        Ok(())
    }

    /// Keeps tasks that an unfinished task will read. Returns those of this store.
    pub(super) fn retain(&mut self, ids: &[TaskId]) -> Result<Vec<Sequence>, R::Error> {
        let mut held = BTreeSet::new();
        for id in ids {
            held.extend(self.rows.sequence_of(id)?);
        }
        for sequence in &held {
            self.rows.update(*sequence, |row| row.needed_by += 1)?;
        }
        Ok(held.into_iter().collect())
    }

    /// Undoes [`retain`](Self::retain), for a task that ended.
    pub(super) fn unretain(&mut self, held: Vec<Sequence>) -> Result<(), R::Error> {
        for sequence in held {
            if self.rows.get(sequence)?.is_some() {
                self.rows.update(sequence, |row| row.needed_by -= 1)?;
                self.drop_unneeded(sequence)?;
            }
        }
        Ok(())
    }

    /// In a store that drops ended rows, drops one that no task needs any more and whose unique-key
    /// window is over.
    pub(super) fn drop_unneeded(&mut self, sequence: Sequence) -> Result<(), R::Error> {
        if self.rows.keeps_ended() {
            return Ok(());
        }
        let row = self.row(sequence)?;
        let prunable = row.is_unneeded() && !row.dependants_pending && row.due.is_none();
        if prunable && !self.rows.is_awaited(sequence)? {
            self.purge_row(sequence)?;
        }
        Ok(())
    }

    /// Deletes a row and releases its unique key.
    pub(super) fn purge_row(&mut self, sequence: Sequence) -> Result<(), R::Error> {
        let task = self.row(sequence)?.task.clone();
        if let Some(unique) = task.options.unique()
            && self.rows.unique(&unique.key)? == Some(sequence)
        {
            self.rows.set_unique(&unique.key, None)?;
        }
        self.rows.delete(sequence)
    }
}
