//! Inserts of tasks.

use super::{Parent, Row, Rows, Transition};
use crate::models::{Fact, Sequence, State, TaskFact};
use crate::store::{ChangeResult, Insert};

impl<R: Rows> Transition<'_, R> {
    /// Inserts a task; `child_of` is its parent, if it is a child.
    pub(super) fn insert(
        &mut self,
        insert: &Insert,
        child_of: Option<Sequence>,
    ) -> Result<ChangeResult, R::Error> {
        let task = &insert.task;
        if let Some(known) = self.rows.sequence_of(&task.id)? {
            let row = self.row(known)?;
            return Ok(match known == insert.sequence {
                true => ChangeResult::Inserted(row.state),
                false => ChangeResult::IdConflict(Box::new(row.snapshot())),
            });
        }
        if let Some(unique) = task.options.unique()
            && let Some(unique_conflict) = self.unique_conflict(unique, task)?
        {
            return Ok(unique_conflict);
        }
        let parents = match self.unfinished_parents(task, &insert.deps)? {
            Ok(parents) => parents,
            Err(unmet) => return Ok(unmet),
        };
        let mut row = Row::new(insert.sequence, task.clone());
        row.child_of = child_of;
        row.foreign = insert.foreign.clone();
        row.foreign.sort_unstable();
        row.foreign.dedup();
        row.unmet = u32::try_from(parents.len() + row.foreign.len()).unwrap_or(u32::MAX);
        for parent in &parents {
            self.rows.wait(Parent::Local(*parent), insert.sequence)?;
        }
        for parent in &row.foreign {
            self.rows.wait(Parent::Foreign(parent), insert.sequence)?;
        }
        row.parents = self.retain(&task.deps)?;
        if row.due.is_some_and(|due| due <= self.now) {
            row.due = None;
        }
        if let (Some(fence), 0) = (insert.claim, row.unmet) {
            row.fence = Some(fence);
            row.attempts = 1;
            row.due = None;
            // The engine checked the limits before it started the task at once: the task holds its
            // key like any other.
            row.holds_key = task.options.concurrency_key().is_some();
            row.transition_to(State::Running, self.now, None);
            row.started_at = Some(self.now);
        } else if row.unmet == 0 && row.due.is_none() {
            let key_claim = self.key_claim(&row)?;
            row.apply_key_claim(key_claim);
            row.transition_to(State::Queued, self.now, None);
            if row.is_claimable() {
                self.applied.ready.push(row.ready());
            }
        } else {
            row.transition_to(State::Pending, self.now, None);
        }
        if let Some(unique) = task.options.unique() {
            self.rows.set_unique(&unique.key, Some(insert.sequence))?;
        }
        let (state, started) = (row.state, row.fence);
        self.rows.insert(row)?;
        self.emit(Fact::Task(task.clone(), TaskFact::Accepted(state)))?;
        if let Some(fence) = started {
            self.emit(Fact::Task(task.clone(), TaskFact::Started { attempt: 1, fence }))?;
        }
        Ok(ChangeResult::Inserted(state))
    }
}
