//! The line of tasks whose relatives are still to be told what became of them.
//!
//! Most are told in the transaction that marks them, so the line is kept in memory, and only what is
//! left of it at the end of a transaction is written. It is as long as there are such tasks: eight
//! bytes each beside what the file holds of them.

use std::collections::VecDeque;

use rusqlite::Connection;

use super::super::error::Result;
use super::statements::Statements;
use crate::models::Sequence;

#[derive(Default)]
pub(super) struct PendingDependants {
    /// Positions grow.
    line: VecDeque<(i64, Sequence)>,
    /// The last position that is in the file, or was.
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

    /// Writes what is left of those that were marked in this transaction.
    pub(super) fn write(&mut self, sql: &mut Statements<'_>) -> Result<()> {
        let new = self.line.partition_point(|(position, _)| *position <= self.written);
        for (position, sequence) in self.line.range(new..) {
            sql.insert_mark.execute((*position, sequence.0.cast_signed()))?;
        }
        self.written = self.last;
        Ok(())
    }
}
