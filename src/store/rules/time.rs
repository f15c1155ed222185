//! Effects of time: tasks become due, expire, or exceed the retention.

use super::{Rows, Transition};
use crate::models::{Ending, Sequence, State, TaskFact};
use crate::store::Retention;

impl<R: Rows> Transition<'_, R> {
    pub(super) fn promote(&mut self, limit: usize) -> Result<(), R::Error> {
        let mut left = limit;
        while left > 0
            && let Some(sequence) = self.rows.next_due_timer(self.now)?
        {
            left -= 1;
            self.fire_timer(sequence)?;
        }
        // One slice of notifications for all expired tasks.
        if !self.applied.ended.is_empty() {
            self.notify_dependants()?;
        }
        self.wake_due_keys(left)?;
        self.applied.more |= self.rows.next_due_timer(self.now)?.is_some()
            || self.rows.next_key(self.now)?.is_some();
        Ok(())
    }

    /// Handles a row whose timer is due.
    fn fire_timer(&mut self, sequence: Sequence) -> Result<(), R::Error> {
        let now = self.now;
        let row = self.row(sequence)?;
        if row.state.has_ended() {
            // The row was kept for its unique key only.
            self.rows.update(sequence, |row| row.due = None)?;
            return self.drop_unneeded(sequence);
        }
        let waits = matches!(row.state, State::Pending | State::Queued);
        if waits && row.expiry().is_some_and(|expiry| expiry <= now) {
            return self.end(sequence, Ending::Expired);
        }
        let free = self.rows.update(sequence, |row| {
            row.due = None;
            row.unmet == 0
        })?;
        if free { self.queue(sequence, None, TaskFact::Queued) } else { Ok(()) }
    }

    pub(super) fn prune(&mut self, retention: Retention, limit: usize) -> Result<(), R::Error> {
        let (old, more) = self.rows.prunable(retention, limit, self.now)?;
        for sequence in old {
            self.purge_row(sequence)?;
        }
        self.applied.more |= more;
        Ok(())
    }
}
