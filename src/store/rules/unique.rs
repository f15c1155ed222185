//! Unique keys: conflicts of an insert with the holder of its key.

use super::{Row, Rows, Transition};
use crate::models::{OnConflict, Sequence, Task, TaskFact, Unique};
use crate::store::ChangeResult;

impl<R: Rows> Transition<'_, R> {
    /// The conflict of a new task with the holder of its unique key; `None`: the task may be
    /// inserted.
    pub(super) fn unique_conflict(
        &mut self,
        unique: &Unique,
        new: &Task,
    ) -> Result<Option<ChangeResult>, R::Error> {
        let Some(first) = self.unique_holder(unique)? else { return Ok(None) };
        let row = self.row(first)?;
        let waits = !row.started() && !row.state.has_ended();
        let unique_conflict = |row: &Row, replaced| {
            Ok(Some(ChangeResult::UniqueConflict { first: Box::new(row.snapshot()), replaced }))
        };
        match unique.on_conflict {
            OnConflict::ReturnFirst => unique_conflict(row, false),
            OnConflict::Refuse => Ok(Some(ChangeResult::UniqueRefused)),
            OnConflict::Replace if row.state.has_ended() => unique_conflict(row, false),
            // The latest arguments are to be used, and those of a running task cannot change.
            OnConflict::Replace if !waits => Ok(None),
            OnConflict::Replace => {
                let alike = row.task.method == new.method
                    && row.task.deps.is_empty()
                    && new.deps.is_empty();
                if !alike {
                    return Ok(Some(ChangeResult::UniqueRefused));
                }
                // The digest stays, so that a repetition of the first request still matches.
                let args = new.args.clone();
                self.rows.update(first, |row| {
                    row.task = Task { args, ..Task::clone(&row.task) }.into();
                })?;
                self.emit_for(first, TaskFact::Replaced)?;
                unique_conflict(self.row(first)?, true)
            }
        }
    }

    /// The task that blocks others with this key.
    pub(super) fn unique_holder(&mut self, unique: &Unique) -> Result<Option<Sequence>, R::Error> {
        let Some(holder) = self.rows.unique(&unique.key)? else { return Ok(None) };
        let now = self.now;
        let holds = self.rows.get(holder)?.is_some_and(|row| {
            !row.state.has_ended() || row.keep_until.is_some_and(|until| until > now)
        });
        Ok(holds.then_some(holder))
    }

    /// Releases a unique key without a window when its holder ends.
    pub(super) fn release_unique_key(&mut self, sequence: Sequence) -> Result<(), R::Error> {
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
}
