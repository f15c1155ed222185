//! Counters: how many rows of each kind there are, kept in the transaction of what they count.
//!
//! They answer what would otherwise be scans, and tell when a question need not be asked at all: most
//! stores have no children, alarms or unique keys, and then their tables are never looked at.

use std::time::Duration;

use ahash::HashMap;
use rusqlite::Connection;

use super::super::codec::{micros, read_settings, state_number, write_settings};
use super::super::problem::{Fault, Result};
use super::statements::Statements;
use crate::clock::Timestamp;
use crate::models::{QueueName, QueueSettings, State};
use crate::store::QueueStatus;
use crate::store::rules::Facts;

/// A queue's number in the file.
pub(super) type QueueNumber = i64;

/// The states, and one more: [`RESTING`].
const KINDS: usize = 9;
/// Counts tasks that are `RUNNING` and take no place in their queue.
pub(in super::super) const RESTING: usize = 8;

/// What is known of one queue.
struct Queue {
    name: QueueName,
    settings: QueueSettings,
    counts: [i64; KINDS],
    /// As they stand in the file.
    written: [i64; KINDS],
    changed: bool,
}

impl Queue {
    /// `None`: nobody would miss it.
    fn status(&self) -> Option<QueueStatus> {
        let of = |state| self.counts[kind(state)].cast_unsigned();
        let running = of(State::Running);
        let waiting = of(State::Pending) + of(State::Queued) + of(State::Retrying);
        let known = running + waiting > 0 || self.settings != QueueSettings::default();
        let (queue, settings) = (self.name.clone(), self.settings);
        known.then_some(QueueStatus { queue, settings, waiting, running })
    }
}

/// The row of `meta`, as the transaction will write it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Meta {
    pub(super) epoch: u64,
    pub(super) last_sequence: u64,
    pub(super) last_alive: Timestamp,
    /// Every id whose task came in up to here is in `ids`, if that is where it is looked up.
    pub(super) watermark: u64,
    pub(super) waits: i64,
    pub(super) abroad: i64,
    pub(super) alarms: i64,
    pub(super) children: i64,
    pub(super) failed_for: i64,
    pub(super) uniques: i64,
    pub(super) spent_well: i64,
    pub(super) spent_badly: i64,
    pub(super) paces: i64,
    /// The last boot that ended as it was told to.
    pub(super) stopped: u64,
    /// The last place of the outbox that was given.
    pub(super) posted: u64,
}

/// How old what is written about the last sign of life may become, when nothing else is written.
const ALIVE_EVERY: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Tallies {
    pub(super) meta: Meta,
    /// As the file has it.
    written: Meta,
    queues: HashMap<QueueNumber, Queue>,
    numbers: HashMap<QueueName, QueueNumber>,
    changed: Vec<QueueNumber>,
}

impl Tallies {
    /// Reads all counters. There are few: some for each queue.
    pub(super) fn load(connection: &Connection) -> Result<Self> {
        let meta = load_meta(connection)?;
        let mut tallies = Self { meta, written: meta, ..Self::default() };
        let mut queues = connection.prepare("SELECT number, name, settings FROM queues")?;
        let mut rows = queues.query([])?;
        while let Some(row) = rows.next()? {
            let (number, name): (i64, String) = (row.get(0)?, row.get(1)?);
            let name = QueueName::parse(&name, "queue")
                .map_err(|_| Fault::Unreadable(0, format!("queue {number} has a bad name")))?;
            let settings = match row.get_ref(2)?.as_blob_or_null()? {
                None => QueueSettings::default(),
                Some(bytes) => read_settings(bytes).map_err(|error| {
                    Fault::Unreadable(0, format!("the settings of queue {name}: {error}"))
                })?,
            };
            tallies.add_queue(number, name, settings);
        }
        let mut counts = connection.prepare("SELECT queue, state, n FROM counts")?;
        let mut rows = counts.query([])?;
        while let Some(row) = rows.next()? {
            let (number, kind, n): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let kind = usize::try_from(kind).unwrap_or(KINDS);
            if let Some(queue) = tallies.queues.get_mut(&number)
                && kind < KINDS
            {
                queue.counts[kind] = n;
                queue.written[kind] = n;
            }
        }
        Ok(tallies)
    }

    fn add_queue(&mut self, number: QueueNumber, name: QueueName, settings: QueueSettings) {
        self.numbers.insert(name.clone(), number);
        let (counts, written) = ([0; KINDS], [0; KINDS]);
        self.queues.insert(number, Queue { name, settings, counts, written, changed: false });
    }

    /// The queue's number, if it was ever named.
    pub(super) fn number(&self, queue: &QueueName) -> Option<QueueNumber> {
        self.numbers.get(queue).copied()
    }

    /// The queue's number, given to it now if it has none.
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

    /// How many take a place in the queue.
    pub(super) fn at_work(&self, queue: &QueueName) -> u32 {
        let known = self.number(queue).and_then(|number| self.queues.get(&number));
        let count =
            known.map_or(0, |queue| queue.counts[kind(State::Running)] - queue.counts[RESTING]);
        u32::try_from(count).unwrap_or(0)
    }

    /// A row of this queue came, changed or went.
    pub(super) fn count(
        &mut self,
        number: QueueNumber,
        before: Option<(State, Facts)>,
        after: Option<(State, Facts)>,
    ) {
        let meta = &mut self.meta;
        for (row, by) in [(&before, -1), (&after, 1)] {
            let Some((_, facts)) = row else { continue };
            meta.alarms += if facts.alarm.is_some() { by } else { 0 };
            meta.children += if facts.child_of.is_some() { by } else { 0 };
            meta.failed_for += if facts.failed_for.is_some() { by } else { 0 };
            match facts.spent {
                Some((true, _)) => meta.spent_well += by,
                Some((false, _)) => meta.spent_badly += by,
                None => {}
            }
        }
        let rests = |facts: &Facts| facts.running && !facts.at_work;
        let kinds =
            |row: Option<(State, Facts)>| row.map(|(state, facts)| (kind(state), rests(&facts)));
        let (before, after) = (kinds(before), kinds(after));
        if before == after {
            return;
        }
        let Some(queue) = self.queues.get_mut(&number) else { return };
        for (row, by) in [(before, -1), (after, 1)] {
            if let Some((kind, rests)) = row {
                queue.counts[kind] += by;
                queue.counts[RESTING] += if rests { by } else { 0 };
            }
        }
        if !queue.changed {
            queue.changed = true;
            self.changed.push(number);
        }
    }

    /// Queues that hold something unfinished or were decided about, by name.
    pub(super) fn statuses(&self) -> Vec<QueueStatus> {
        let mut statuses: Vec<QueueStatus> =
            self.queues.values().filter_map(Queue::status).collect();
        statuses.sort_unstable_by(|one, other| one.queue.cmp(&other.queue));
        statuses
    }

    /// Writes what changed.
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
            meta.abroad,
            meta.alarms,
            meta.children,
            meta.failed_for,
            meta.uniques,
            meta.spent_well,
            meta.spent_badly,
            meta.paces,
            meta.stopped.cast_signed(),
            meta.posted.cast_signed(),
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
    let row = rows.next()?.ok_or(Fault::NoMeta)?;
    let number = |at| row.get(at).map(i64::cast_unsigned);
    let last_alive = Timestamp::from_micros(number(2)?).unwrap_or(Timestamp::EPOCH);
    Ok(Meta {
        epoch: number(0)?,
        last_sequence: number(1)?,
        last_alive,
        watermark: number(3)?,
        waits: row.get(4)?,
        abroad: row.get(5)?,
        alarms: row.get(6)?,
        children: row.get(7)?,
        failed_for: row.get(8)?,
        uniques: row.get(9)?,
        spent_well: row.get(10)?,
        spent_badly: row.get(11)?,
        paces: row.get(12)?,
        stopped: number(13)?,
        posted: number(14)?,
    })
}
