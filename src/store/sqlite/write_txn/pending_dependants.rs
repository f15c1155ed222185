//! The queue of tasks whose dependants are to be notified.
//!
//! Most are notified in the transaction that adds their parent, so the queue is in memory, and only
//! what is left at the end of a transaction is written. Each entry takes eight bytes beside what
//! the file holds.

use std::collections::VecDeque;

use rusqlite::Connection;

use super::super::error::Result;
use super::statements::Statements;
use crate::models::Sequence;

#[derive(Default)]
pub(super) struct PendingDependants {
    /// Positions grow.
    line: VecDeque<(i64, Sequence)>,
    /// The last position that is, or was, in the file.
    written: i64,
    last: i64,
}

impl PendingDependants {
    pub(super) fn load(connection: &Connection) -> Result<Self> {
        let mut pending_dependants = Self::default();
        let mut statement =
            connection.prepare("SELECT position, seq FROM marks ORDER BY position")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (position, seq): (i64, i64) = (row.get(0)?, row.get(1)?);
            pending_dependants.line.push_back((position, Sequence(seq.cast_unsigned())));
            (pending_dependants.written, pending_dependants.last) = (position, position);
        }
        Ok(pending_dependants)
    }

    pub(super) fn push(&mut self, sequence: Sequence) {
        self.last += 1;
        self.line.push_back((self.last, sequence));
    }

    pub(super) fn first(&self) -> Option<Sequence> {
        self.line.front().map(|(_, sequence)| *sequence)
    }

    pub(super) fn remove(&mut self, sequence: Sequence, sql: &mut Statements<'_>) -> Result<()> {
        let Some(at) = self.line.iter().position(|(_, pending)| *pending == sequence) else {
            return Ok(());
        };
        if let Some((position, _)) = self.line.remove(at)
            && position <= self.written
        {
            sql.delete_mark.execute([position])?;
        }
        Ok(())
    }

    /// Writes what is left of those added in this transaction.
    pub(super) fn write(&mut self, sql: &mut Statements<'_>) -> Result<()> {
        let new = self.line.partition_point(|(position, _)| *position <= self.written);
        for (position, sequence) in self.line.range(new..) {
            sql.insert_mark.execute((*position, sequence.0.cast_signed()))?;
        }
        self.written = self.last;
        Ok(())
    }
}
