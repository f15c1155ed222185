//! Quarantine of tasks that may crash the process: one candidate runs at a time.

use super::{Rows, Transition};
use crate::models::Sequence;

impl<R: Rows> Transition<'_, R> {
    pub(super) fn leave_quarantine(&mut self, sequence: Sequence) -> Result<(), R::Error> {
        let held = self.rows.update(sequence, |row| std::mem::take(&mut row.quarantine_slot))?;
        if held { self.give_quarantine_slot() } else { Ok(()) }
    }

    /// Gives the quarantine slot to the next candidate, if it is free.
    pub(super) fn give_quarantine_slot(&mut self) -> Result<(), R::Error> {
        if self.rows.quarantine_slot_taken()? {
            return Ok(());
        }
        let Some(next) = self.rows.next_quarantined()? else { return Ok(()) };
        let ready = self.rows.update(next, |row| {
            row.blocked_by = None;
            row.quarantine_slot = true;
            row.ready()
        })?;
        self.applied.ready.push(ready);
        Ok(())
    }
}
