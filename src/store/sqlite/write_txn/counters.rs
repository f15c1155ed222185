//! Counters of rows, maintained in the transaction that changes the rows.
//!
//! They answer what would otherwise be scans, and save queries: most stores have no children,
//! timers or unique keys, and then those tables are never read.

use std::time::Duration;

use ahash::HashMap;
use rusqlite::Connection;

use super::super::codec::{micros, read_settings, state_number, write_settings};
use super::super::error::{Result, SqliteError};
use super::statements::Statements;
use crate::clock::Timestamp;
use crate::models::{QueueName, QueueSettings, State};
use crate::store::rules::IndexEntry;

/// A queue's number in the file.
pub(super) type QueueNumber = i64;

/// The states, and [`SUSPENDED`].
const KINDS: usize = 9;
/// Counts `RUNNING` tasks that hold no slot of their queue.
pub(in super::super) const SUSPENDED: usize = 8;

/// The settings and counters of one queue.
struct Queue {
    name: QueueName,
    settings: QueueSettings,
    counts: [i64; KINDS],
    /// The counters in the file.
    written: [i64; KINDS],
    changed: bool,
}

/// The row of `meta`, as the transaction will write it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Meta {
    pub(super) epoch: u64,
    pub(super) last_sequence: u64,
    pub(super) last_alive: Timestamp,
    /// The id of every task up to this sequence number is in the table of ids, if it is looked up
    /// there.
    pub(super) watermark: u64,
    pub(super) waits: i64,
    pub(super) foreign: i64,
    pub(super) timers: i64,
    pub(super) children: i64,
    pub(super) failed_for: i64,
    pub(super) uniques: i64,
    pub(super) prunable_succeeded: i64,
    pub(super) prunable_others: i64,
    pub(super) paces: i64,
    /// The last boot that ended by a graceful shutdown.
    pub(super) stopped: u64,
    /// The last outbox position used.
    pub(super) outbox_position: u64,
}

/// How old the stored time of the last write may become, if nothing else is written.
const ALIVE_EVERY: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Counters {
    pub(super) meta: Meta,
    /// The row in the file.
    written: Meta,
    queues: HashMap<QueueNumber, Queue>,
    numbers: HashMap<QueueName, QueueNumber>,
    changed: Vec<QueueNumber>,
}

impl Counters {
    /// Reads all counters: a few for each queue.
    pub(super) fn load(connection: &Connection) -> Result<Self> {
        let meta = load_meta(connection)?;
        let mut counters = Self { meta, written: meta, ..Self::default() };
        let mut queues = connection.prepare("SELECT number, name, settings FROM queues")?;
        let mut rows = queues.query([])?;
        while let Some(row) = rows.next()? {
            let (number, name): (i64, String) = (row.get(0)?, row.get(1)?);
            let name = QueueName::parse(&name, "queue").map_err(|_| {
                SqliteError::UndecodableTask(0, format!("queue {number} has an invalid name"))
            })?;
            let settings = match row.get_ref(2)?.as_blob_or_null()? {
                None => QueueSettings::default(),
                Some(bytes) => read_settings(bytes).map_err(|error| {
                    SqliteError::UndecodableTask(
                        0,
                        format!("the settings of queue {name}: {error}"),
                    )
                })?,
            };
            counters.add_queue(number, name, settings);
        }
        let mut counts = connection.prepare("SELECT queue, state, n FROM counts")?;
        let mut rows = counts.query([])?;
        while let Some(row) = rows.next()? {
            let (number, kind, n): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let kind = usize::try_from(kind).unwrap_or(KINDS);
            if let Some(queue) = counters.queues.get_mut(&number)
                && kind < KINDS
            {
                queue.counts[kind] = n;
                queue.written[kind] = n;
            }
        }
        Ok(counters)
    }

    fn add_queue(&mut self, number: QueueNumber, name: QueueName, settings: QueueSettings) {
        self.numbers.insert(name.clone(), number);
        let (counts, written) = ([0; KINDS], [0; KINDS]);
        self.queues.insert(number, Queue { name, settings, counts, written, changed: false });
    }

    /// The queue's number, if it has one.
    pub(super) fn number(&self, queue: &QueueName) -> Option<QueueNumber> {
        self.numbers.get(queue).copied()
    }

    /// The queue's number; a new queue gets one.
    pub(super) fn number_for(
        &mut self,
        queue: &QueueName,
        connection: &Connection,
        sql: &mut Statements<'_>,
    ) -> Result<QueueNumber> {
        if let Some(number) = self.number(queue) {
            return Ok(number);
        }
        sql.insert_queue.execute([queue.as_str()])?;
        let number = connection.last_insert_rowid();
        self.add_queue(number, queue.clone(), QueueSettings::default());
        Ok(number)
    }

    pub(super) fn name(&self, number: QueueNumber) -> Option<&QueueName> {
        self.queues.get(&number).map(|queue| &queue.name)
    }

    pub(super) fn settings(&self, queue: &QueueName) -> QueueSettings {
        let known = self.number(queue).and_then(|number| self.queues.get(&number));
        known.map(|queue| queue.settings).unwrap_or_default()
    }

    pub(super) fn set_settings(
        &mut self,
        number: QueueNumber,
        settings: QueueSettings,
        sql: &mut Statements<'_>,
    ) -> Result<()> {
        let decided = settings != QueueSettings::default();
        sql.update_queue.execute((number, decided.then(|| write_settings(&settings))))?;
        if let Some(queue) = self.queues.get_mut(&number) {
            queue.settings = settings;
        }
        Ok(())
    }

    /// How many tasks hold a slot of the queue.
    pub(super) fn slots_taken(&self, queue: &QueueName) -> u32 {
        let known = self.number(queue).and_then(|number| self.queues.get(&number));
        let count =
            known.map_or(0, |queue| queue.counts[kind(State::Running)] - queue.counts[SUSPENDED]);
        u32::try_from(count).unwrap_or(0)
    }

    /// Counts a row that was inserted, changed or deleted.
    pub(super) fn count(
        &mut self,
        number: QueueNumber,
        before: Option<(State, IndexEntry)>,
        after: Option<(State, IndexEntry)>,
    ) {
        let meta = &mut self.meta;
        for (row, by) in [(&before, -1), (&after, 1)] {
            let Some((_, entry)) = row else { continue };
            meta.timers += if entry.timer.is_some() { by } else { 0 };
            meta.children += if entry.child_of.is_some() { by } else { 0 };
            meta.failed_for += if entry.failed_for.is_some() { by } else { 0 };
            match entry.prunable {
                Some((true, _)) => meta.prunable_succeeded += by,
                Some((false, _)) => meta.prunable_others += by,
                None => {}
            }
        }
        let rests = |entry: &IndexEntry| entry.running && !entry.holds_slot;
        let kinds = |row: Option<(State, IndexEntry)>| {
            row.map(|(state, entry)| (kind(state), rests(&entry)))
        };
        let (before, after) = (kinds(before), kinds(after));
        if before == after {
            return;
        }
        let Some(queue) = self.queues.get_mut(&number) else { return };
        for (row, by) in [(before, -1), (after, 1)] {
            if let Some((kind, rests)) = row {
                queue.counts[kind] += by;
                queue.counts[SUSPENDED] += if rests { by } else { 0 };
            }
        }
        if !queue.changed {
            queue.changed = true;
            self.changed.push(number);
        }
    }

    /// Writes the counters that changed.
    pub(super) fn write(&mut self, sql: &mut Statements<'_>) -> Result<()> {
        for number in self.changed.drain(..) {
            let Some(queue) = self.queues.get_mut(&number) else { continue };
            for kind in 0..KINDS {
                if queue.counts[kind] != queue.written[kind] {
                    sql.put_count.execute((number, kind as i64, queue.counts[kind]))?;
                }
            }
            queue.written = queue.counts;
            queue.changed = false;
        }
        let meta = &self.meta;
        let only_alive = Meta { last_alive: self.written.last_alive, ..*meta } == self.written;
        if only_alive && meta.last_alive.since(self.written.last_alive) < ALIVE_EVERY {
            return Ok(());
        }
        self.written = *meta;
        sql.update_meta.execute((
            meta.epoch.cast_signed(),
            meta.last_sequence.cast_signed(),
            micros(meta.last_alive),
            meta.watermark.cast_signed(),
            meta.waits,
            meta.foreign,
            meta.timers,
            meta.children,
            meta.failed_for,
            meta.uniques,
            meta.prunable_succeeded,
            meta.prunable_others,
            meta.paces,
            meta.stopped.cast_signed(),
            meta.outbox_position.cast_signed(),
        ))?;
        Ok(())
    }
}

fn kind(state: State) -> usize {
    usize::try_from(state_number(state)).expect("states have small numbers")
}

fn load_meta(connection: &Connection) -> Result<Meta> {
    let sql = "SELECT epoch, last_sequence, last_alive, watermark, waits, abroad, alarms, children,
        failed_for, uniques, spent_well, spent_badly, paces, stopped, posted FROM meta";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let row = rows.next()?.ok_or(SqliteError::NoMeta)?;
    let number = |at| row.get(at).map(i64::cast_unsigned);
    let last_alive = Timestamp::from_micros(number(2)?).unwrap_or(Timestamp::EPOCH);
    Ok(Meta {
        epoch: number(0)?,
        last_sequence: number(1)?,
        last_alive,
        watermark: number(3)?,
        waits: row.get(4)?,
        foreign: row.get(5)?,
        timers: row.get(6)?,
        children: row.get(7)?,
        failed_for: row.get(8)?,
        uniques: row.get(9)?,
        prunable_succeeded: row.get(10)?,
        prunable_others: row.get(11)?,
        paces: row.get(12)?,
        stopped: number(13)?,
        outbox_position: number(14)?,
    })
}
