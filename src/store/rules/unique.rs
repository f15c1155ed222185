//! Unique keys: conflicts of an insert with the holder of its key.

use super::{Row, Rows, Transition};
use crate::models::{OnConflict, Sequence, Task, TaskFact, Unique};
use crate::store::ChangeResult;

impl<R: Rows> Transition<'_, R> {
    /// What becomes of a newcomer whose unique key is somebody else's; `None`: it may come in.
    pub(super) fn unique_conflict(
        &mut self,
        unique: &Unique,
        newcomer: &Task,
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
            // Its latest arguments are to be used: those of whoever runs cannot be changed.
            OnConflict::Replace if !waits => Ok(None),
            OnConflict::Replace => {
                let alike = row.task.method == newcomer.method
                    && row.task.deps.is_empty()
                    && newcomer.deps.is_empty();
                if !alike {
                    return Ok(Some(ChangeResult::UniqueRefused));
                }
                // Whoever asked for the first and asks again is still to find it: its digest stays.
                let args = newcomer.args.clone();
                self.rows.update(first, |row| {
                    row.task = Task { args, ..Task::clone(&row.task) }.into();
                })?;
                self.emit_for(first, TaskFact::Replaced)?;
                unique_conflict(self.row(first)?, true)
            }
        }
    }

    /// Who keeps others with that key out.
    pub(super) fn unique_holder(&mut self, unique: &Unique) -> Result<Option<Sequence>, R::Error> {
        let Some(holder) = self.rows.unique(&unique.key)? else { return Ok(None) };
        let now = self.now;
        let holds = self.rows.get(holder)?.is_some_and(|row| {
            !row.state.has_ended() || row.keep_until.is_some_and(|until| until > now)
        });
        Ok(holds.then_some(holder))
    }

    /// A unique key without a window is free at the end of its holder.
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
