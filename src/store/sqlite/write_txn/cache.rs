//! Rows in memory: what a transaction has read or changed, and what the file holds of them.

use std::sync::Arc;

use ahash::HashMap;
use rusqlite::Connection;

use super::super::codec::{micros, read_values, state_number, write_row, write_task, write_values};
use super::super::decode;
use super::super::error::{Result, SqliteError};
use super::counters::{Counters, QueueNumber};
use super::statements::Statements;
use crate::models::{ArgValue, Sequence, Task};
use crate::store::rules::{IndexEntry, KeyState, QuarantineState, Row};

/// Rows whose encoding is larger than this do not stay.
const KEPT_BYTES: usize = 2 << 10;

/// Where the file has the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowLocation {
    New,
    Live,
    Ended,
}

pub(super) struct Cached {
    pub(super) row: Row,
    pub(super) queue: QueueNumber,
    pub(super) location: RowLocation,
    pub(super) changed: bool,
    /// What the file holds, as far as it is compared.
    written: Written,
}

#[derive(Default)]
struct Written {
    entry: IndexEntry,
    task: Option<Arc<Task>>,
    resolved_args: Option<Arc<Vec<ArgValue>>>,
    checkpoint: Option<Arc<[u8]>>,
    bytes: usize,
}

impl Cached {
    pub(super) fn new(row: Row, queue: QueueNumber) -> Self {
        Self { row, queue, location: RowLocation::New, changed: true, written: Written::default() }
    }

    fn may_stay(&self) -> bool {
        let useful = self.row.holds_slot() || self.row.is_claimable();
        useful
            && self.written.bytes <= KEPT_BYTES
            && self.written.resolved_args.is_none()
            && self.written.checkpoint.is_none()
    }
}

pub(super) struct Cache {
    /// See [`Options::kept_rows`](super::super::Options::kept_rows).
    kept_rows: usize,
    rows: HashMap<Sequence, Box<Cached>>,
    /// Rows that the transaction changed and has not written yet.
    changed: Vec<Sequence>,
    /// Rows that the transaction read or changed.
    touched: Vec<Sequence>,
    buffer: Vec<u8>,
}

impl Cache {
    pub(super) fn new(kept_rows: usize) -> Self {
        Self {
            kept_rows,
            rows: HashMap::default(),
            changed: Vec::new(),
            touched: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// Drops everything, also what is not written.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.kept_rows);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn get(&self, sequence: Sequence) -> Option<&Cached> {
        self.rows.get(&sequence).map(|cached| &**cached)
    }

    /// The row, to be changed.
    pub(super) fn get_mut(&mut self, sequence: Sequence) -> Option<&mut Cached> {
        let cached = self.rows.get_mut(&sequence)?;
        if !cached.changed {
            cached.changed = true;
            self.changed.push(sequence);
            self.touched.push(sequence);
        }
        Some(cached)
    }

    pub(super) fn insert(&mut self, cached: Cached) {
        let sequence = cached.row.sequence;
        if cached.changed {
            self.changed.push(sequence);
        }
        self.touched.push(sequence);
        self.rows.insert(sequence, Box::new(cached));
    }

    pub(super) fn remove(&mut self, sequence: Sequence) -> Option<Box<Cached>> {
        self.rows.remove(&sequence)
    }

    /// Writes every changed row.
    pub(super) fn write(
        &mut self,
        sql: &mut Statements<'_>,
        counters: &mut Counters,
        connection: &Connection,
    ) -> Result<()> {
        // In order, so that neighbours are written together.
        self.changed.sort_unstable();
        for sequence in self.changed.drain(..) {
            // It may have been deleted meanwhile.
            if let Some(cached) = self.rows.get_mut(&sequence) {
                cached.changed = false;
                self.buffer.clear();
                cached.write(&mut self.buffer, sql, counters, connection)?;
            }
        }
        Ok(())
    }

    /// Ends the transaction: keeps the rows that will be needed soon.
    pub(super) fn evict(&mut self) {
        let full = self.rows.len() > self.kept_rows;
        for sequence in self.touched.drain(..) {
            if let Some(cached) = self.rows.get(&sequence)
                && (full || !cached.may_stay())
            {
                self.rows.remove(&sequence);
            }
        }
    }
}

impl Cached {
    fn write(
        &mut self,
        out: &mut Vec<u8>,
        sql: &mut Statements<'_>,
        counters: &mut Counters,
        connection: &Connection,
    ) -> Result<()> {
        let Self { row, .. } = &*self;
        let seq = row.sequence.0.cast_signed();
        let same_task = self.written.task.as_ref().is_some_and(|task| Arc::ptr_eq(task, &row.task));
        if !same_task {
            self.queue = counters.number_for(&row.task.options.queue, connection, sql)?;
            self.write_task(seq, out, sql)?;
        }
        let task_bytes = out.len();
        write_row(&self.row, out);
        let body = &out[task_bytes..];
        let entry = IndexEntry::of(&self.row);
        if self.row.ended.is_some() {
            self.write_ended(seq, body, &entry, sql)?;
        } else {
            self.write_live(seq, body, &entry, same_task, sql)?;
        }
        self.write_sides(seq, sql)?;
        self.written.entry = entry;
        self.written.bytes = if same_task { self.written.bytes } else { out.len() };
        Ok(())
    }

    fn write_task(&mut self, seq: i64, out: &mut Vec<u8>, sql: &mut Statements<'_>) -> Result<()> {
        let task = &self.row.task;
        write_task(task, out);
        let (method, submitted) = (&*task.method, micros(task.submitted_at));
        let parent = task.parent.as_ref().map(|parent| parent.as_str());
        if self.location == RowLocation::New {
            let id = task.id.as_str();
            sql.insert_task.execute((seq, id, self.queue, method, submitted, parent, &out[..]))?;
        } else {
            sql.update_task.execute((seq, self.queue, method, submitted, parent, &out[..]))?;
        }
        self.written.task = Some(task.clone());
        Ok(())
    }

    fn write_live(
        &mut self,
        seq: i64,
        body: &[u8],
        entry: &IndexEntry,
        same_task: bool,
        sql: &mut Statements<'_>,
    ) -> Result<()> {
        let state = state_number(self.row.state);
        let line = entry.claimable.then_some(self.queue);
        if self.location == RowLocation::Ended {
            sql.delete_ended.execute([seq])?;
        }
        let was = &self.written.entry;
        let same_rest = self.location == RowLocation::Live
            && same_task
            && was.timer == entry.timer
            && was.key_state == entry.key_state
            && was.quarantine == entry.quarantine
            && was.child_of == entry.child_of;
        if same_rest && was.running && entry.running {
            sql.update_body.execute((seq, body))?;
        } else if same_rest {
            sql.update_state.execute((seq, state, line, body))?;
        } else {
            let options = &self.row.task.options;
            let statement = match self.location {
                RowLocation::Live => &mut sql.update_live,
                RowLocation::New | RowLocation::Ended => &mut sql.insert_live,
            };
            statement.execute((
                seq,
                self.queue,
                options.priority,
                options.concurrency_key(),
                state,
                line,
                (entry.key_state == KeyState::Blocked).then_some(self.queue),
                entry.timer.map(micros),
                matches!(entry.key_state, KeyState::Holds { .. }).then_some(self.queue),
                quarantine_number(entry.quarantine),
                entry.child_of.map(|parent| parent.0.cast_signed()),
                body,
            ))?;
        }
        self.location = RowLocation::Live;
        Ok(())
    }

    fn write_ended(
        &mut self,
        seq: i64,
        body: &[u8],
        entry: &IndexEntry,
        sql: &mut Statements<'_>,
    ) -> Result<()> {
        if self.location == RowLocation::Live {
            sql.delete_live.execute([seq])?;
        }
        let at = self.row.ended.as_ref().map(|ended| micros(ended.outcome.ended_at));
        let statement = match self.location {
            RowLocation::Ended => &mut sql.update_ended,
            RowLocation::New | RowLocation::Live => &mut sql.insert_ended,
        };
        statement.execute((
            seq,
            state_number(self.row.state),
            at,
            entry.prunable.is_some(),
            self.row.keep_until.map(micros),
            self.row.failed_for.map(|parent| parent.0.cast_signed()),
            body,
        ))?;
        self.location = RowLocation::Ended;
        Ok(())
    }

    /// Writes what is large and changes rarely.
    fn write_sides(&mut self, seq: i64, sql: &mut Statements<'_>) -> Result<()> {
        let same = match (&self.written.checkpoint, &self.row.checkpoint) {
            (Some(was), Some(is)) => Arc::ptr_eq(was, is),
            (None, None) => true,
            _ => false,
        };
        if !same {
            match &self.row.checkpoint {
                Some(data) => sql.put_checkpoint.execute((seq, &**data))?,
                None => sql.delete_checkpoint.execute([seq])?,
            };
            self.written.checkpoint.clone_from(&self.row.checkpoint);
        }
        let same = match (&self.written.resolved_args, &self.row.resolved_args) {
            (Some(was), Some(is)) => Arc::ptr_eq(was, is),
            (None, None) => true,
            _ => false,
        };
        if !same {
            match &self.row.resolved_args {
                Some(args) => {
                    let mut data = Vec::new();
                    write_values(args.iter(), &mut data);
                    sql.put_decision.execute((seq, data))?
                }
                None => sql.delete_decision.execute([seq])?,
            };
            self.written.resolved_args.clone_from(&self.row.resolved_args);
        }
        Ok(())
    }

    /// Deletes all that belongs to the row from the file, except its id.
    pub(super) fn delete(&self, sql: &mut Statements<'_>) -> Result<()> {
        let seq = self.row.sequence.0.cast_signed();
        match self.location {
            RowLocation::New => {}
            RowLocation::Live => {
                sql.delete_live.execute([seq])?;
            }
            RowLocation::Ended => {
                sql.delete_ended.execute([seq])?;
            }
        }
        if self.location != RowLocation::New {
            sql.delete_task.execute([seq])?;
        }
        if self.written.checkpoint.is_some() {
            sql.delete_checkpoint.execute([seq])?;
        }
        if self.written.resolved_args.is_some() {
            sql.delete_decision.execute([seq])?;
        }
        if self.row.log_lines > 0 {
            sql.delete_logs.execute([seq])?;
        }
        Ok(())
    }

    /// Reads a row with all that belongs to it.
    pub(super) fn load(
        sequence: Sequence,
        sql: &mut Statements<'_>,
        counters: &Counters,
    ) -> Result<Option<Self>> {
        let seq = sequence.0.cast_signed();
        for (statement, location) in
            [(&mut sql.load_live, RowLocation::Live), (&mut sql.load_ended, RowLocation::Ended)]
        {
            let mut rows = statement.query([seq])?;
            let Some(stored) = rows.next()? else { continue };
            let queue: QueueNumber = stored.get(decode::QUEUE)?;
            let name = counters.name(queue).ok_or_else(|| {
                SqliteError::undecodable(sequence, format!("its queue {queue} has no name"))
            })?;
            let (row, side_tables) = decode::read(sequence, name.clone(), stored, 0)?;
            let (task, bytes) = (row.task.clone(), decode::bytes(stored, 0)?);
            drop(rows);
            let written = Written {
                entry: IndexEntry::default(),
                task: Some(task),
                bytes,
                ..Written::default()
            };
            let mut cached = Self { row, queue, location, changed: false, written };
            if side_tables.checkpoint {
                let data: Vec<u8> = sql.load_checkpoint.query_one([seq], |row| row.get(0))?;
                cached.row.checkpoint = Some(data.into());
            }
            if side_tables.resolved_args {
                let data: Vec<u8> = sql.load_decision.query_one([seq], |row| row.get(0))?;
                let args = read_values(&data)
                    .map_err(|error| SqliteError::undecodable(sequence, error))?;
                cached.row.resolved_args = Some(Arc::new(args));
            }
            cached.written.checkpoint.clone_from(&cached.row.checkpoint);
            cached.written.resolved_args.clone_from(&cached.row.resolved_args);
            cached.written.entry = IndexEntry::of(&cached.row);
            return Ok(Some(cached));
        }
        Ok(None)
    }
}

/// The quarantine state, as a column holds it.
pub(in super::super) fn quarantine_number(quarantine: QuarantineState) -> Option<i64> {
    match quarantine {
        QuarantineState::None => None,
        QuarantineState::Holds => Some(1),
        QuarantineState::Blocked => Some(2),
    }
}
