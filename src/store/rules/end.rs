//! Outcomes, and how long rows are kept after them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Rows, Transition};
use crate::models::{Ended, Ending, Fact, Outcome, Sequence, State, TaskFact, TaskId};

impl<R: Rows> Transition<'_, R> {
    /// Gives a task its outcome. Its relatives are told by the next [`release`](Self::release).
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
                row.enter(outcome.state(), now, error);
                row.unmet = 0;
                row.due = None;
                row.cancel_requested = None;
                row.resolved_args = None;
                row.checkpoint = None;
                row.blocked_by = None;
                row.suspect = false;
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
                    std::mem::take(&mut row.holds_suspicion),
                )
            })?;
        let task = &ended.task;
        for parent in &parents {
            self.rows.stop_waiting(*parent, sequence)?;
        }
        for parent in &foreign {
            self.rows.stop_waiting_abroad(parent, sequence)?;
        }
        self.let_go(parents)?;
        if held_key && let Some(key) = task.options.concurrency_key() {
            self.free_key(&task.options.queue, key)?;
        }
        if held_suspicion {
            self.free_suspicion()?;
        }
        self.give_unique_key_back(sequence)?;
        let badly = ended.outcome.state() != State::Succeeded;
        if self.rows.is_awaited(sequence)? || badly && self.rows.next_child(sequence)?.is_some() {
            self.mark(sequence)?;
        } else {
            self.keep(sequence)?;
        }
        self.applied.ended.push(ended.clone());
        self.happened(Fact::Task(ended.task.clone(), TaskFact::Ended(ended.clone())))?;
        self.run_ended(&ended)
    }

    /// A unique key without a window is free at the end of its holder.
    fn give_unique_key_back(&mut self, sequence: Sequence) -> Result<(), R::Error> {
        let row = self.row(sequence)?;
        let (task, until) = (row.task.clone(), row.keep_until);
        if let Some(unique) = task.options.unique()
            && until.is_none_or(|until| until <= self.now)
            && self.rows.unique(&unique.key)? == Some(sequence)
        {
            self.rows.set_unique(&unique.key, None)?;
        }
        Ok(())
    }

    /// Its relatives are to be told what became of it.
    pub(super) fn mark(&mut self, sequence: Sequence) -> Result<(), R::Error> {
        if !self.rows.update(sequence, |row| std::mem::replace(&mut row.marked, true))? {
            self.rows.mark(sequence)?;
        }
        Ok(())
    }

    /// Keeps tasks that somebody unfinished will read. Answers those that are here.
    pub(super) fn hold(&mut self, ids: &[TaskId]) -> Result<Vec<Sequence>, R::Error> {
        let mut held = BTreeSet::new();
        for id in ids {
            held.extend(self.rows.sequence_of(id)?);
        }
        for sequence in &held {
            self.rows.update(*sequence, |row| row.needed_by += 1)?;
        }
        Ok(held.into_iter().collect())
    }

    /// Whoever held these has ended.
    pub(super) fn let_go(&mut self, held: Vec<Sequence>) -> Result<(), R::Error> {
        for sequence in held {
            if self.rows.get(sequence)?.is_some() {
                self.rows.update(sequence, |row| row.needed_by -= 1)?;
                self.keep(sequence)?;
            }
        }
        Ok(())
    }

    /// Where rows do not stay after their end, forgets one that nobody needs any more, also not for
    /// its unique key.
    pub(super) fn keep(&mut self, sequence: Sequence) -> Result<(), R::Error> {
        if self.rows.keeps_ended() {
            return Ok(());
        }
        let row = self.row(sequence)?;
        let spent = row.is_spent() && !row.marked && row.due.is_none();
        if spent && !self.rows.is_awaited(sequence)? {
            self.forget_row(sequence)?;
        }
        Ok(())
    }

    /// Drops a row and its unique key.
    pub(super) fn forget_row(&mut self, sequence: Sequence) -> Result<(), R::Error> {
        let task = self.row(sequence)?.task.clone();
        if let Some(unique) = task.options.unique()
            && self.rows.unique(&unique.key)? == Some(sequence)
        {
            self.rows.set_unique(&unique.key, None)?;
        }
        self.rows.forget(sequence)
    }
}
