//! The scan of a file's ids when it is opened.

use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;

use super::Shared;
use super::error::{Result, SqliteError};
use super::id_key;
use super::pending_ids::IdChange;
use crate::models::{Sequence, TaskId};

/// How many ids one read returns: a long read keeps the log from restarting.
const CHUNK: i64 = 16 << 10;

/// Reads the ids that may not be in the table of ids: those after the watermark, a bounded number.
pub(super) fn pending(connection: &Connection, shared: &Shared) -> Result<()> {
    let sql = "SELECT seq, id FROM tasks WHERE seq > (SELECT watermark FROM meta) ORDER BY seq";
    let mut statement = connection.prepare(sql)?;
    let mut is_there = connection.prepare("SELECT 1 FROM ids WHERE key = ?1 AND seq = ?2")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        let sequence = Sequence(seq.cast_unsigned());
        let id = TaskId::parse(row.get_ref(1)?.as_str()?, "id")
            .map_err(|error| SqliteError::undecodable(sequence, error))?;
        let key = shared.keys.of(&id);
        shared.known.add(key, sequence);
        if !id_key::grows(key) || !is_there.exists((key, seq))? {
            shared.pending.extend([((key, sequence), IdChange::Add)]);
        }
    }
    Ok(())
}

/// Adds the ids of the table to the filters, in the background.
#[derive(Debug, Default)]
pub(super) struct IdScan {
    over: AtomicBool,
}

impl IdScan {
    /// Stops the scan.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Release);
    }

    /// Scans all ids, then marks the filters as complete.
    pub(super) fn run(&self, connection: &Connection, shared: &Shared) {
        if let Err(error) = self.scan(connection, shared) {
            // Then every id may be stored: slower, and correct.
            tracing::warn!(%error, "cannot read all ids of the store");
        }
    }

    /// Ids of deleted tasks can be left in the table, because pending removals are in memory only.
    /// They belong to the oldest tasks, and are removed now.
    fn scan(&self, connection: &Connection, shared: &Shared) -> Result<()> {
        let lowest = "SELECT coalesce(min(seq), 0) FROM tasks";
        let lowest: i64 = connection.query_one(lowest, [], |row| row.get(0))?;
        let sql = "SELECT key, seq FROM ids WHERE (key, seq) > (?1, ?2) ORDER BY key, seq LIMIT ?3";
        let mut chunk = connection.prepare(sql)?;
        let mut last: (i64, i64) = (i64::MIN, -1);
        loop {
            let mut rows = chunk.query((last.0, last.1, CHUNK))?;
            let mut read = 0;
            while let Some(row) = rows.next()? {
                last = (row.get(0)?, row.get(1)?);
                let (key, seq) = last;
                let sequence = Sequence(seq.cast_unsigned());
                if seq < lowest {
                    shared.pending.extend([((key, sequence), IdChange::Drop)]);
                } else {
                    shared.known.add(key, sequence);
                }
                read += 1;
            }
            if self.over.load(Ordering::Acquire) {
                return Ok(());
            }
            if read < CHUNK {
                shared.known.complete();
                return Ok(());
            }
        }
    }
}
