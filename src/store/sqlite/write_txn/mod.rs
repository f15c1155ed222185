//! The writer's transaction, and what the writer keeps in memory between transactions.
//!
//! Rows are changed in memory, and written before a query needs them or at the end: a task that is
//! inserted and ends in one transaction is written once. What is kept between transactions equals
//! the file; after an error all of it is read again.

mod cache;
mod counters;
mod outbox;
mod pending_dependants;
mod prune;
mod rows;
mod schedules;
mod statements;

use std::sync::Arc;

use ahash::{HashMap, HashMapExt};
use rusqlite::Connection;

use super::error::Result;
use super::id_filter::IdFilter;
use super::id_key::{self, Keys};
use super::pending_ids::{Entry, IdChange, Merge, Pending, Slice};
use super::reads;
use crate::clock::Timestamp;
use crate::models::{Sequence, TaskId};
use crate::store::{NOTIFY_SLICE, QueueState};
use cache::Cache;
pub(super) use cache::quarantine_number;
use counters::Counters;
pub(super) use counters::SUSPENDED;
use pending_dependants::PendingDependants;
use statements::Statements;

pub(super) struct WriteTxn<'c> {
    connection: &'c Connection,
    sql: Statements<'c>,
    keys: Keys,
    known: Arc<IdFilter>,
    pending: Arc<Pending>,
    merge: Merge,
    /// The greatest key in the table of ids.
    newest: i64,
    cache: Cache,
    counters: Counters,
    pending_dependants: PendingDependants,
    outbox: outbox::Outbox,
    prune: prune::PruneScan,
    /// Ids inserted in this transaction.
    inserted: HashMap<TaskId, Sequence>,
    arrived: Vec<Entry>,
    /// Ids deleted in this transaction.
    deleted: Vec<Entry>,
    /// Whether memory may differ from the file.
    stale: bool,
    notify_slice: usize,
}

impl<'c> WriteTxn<'c> {
    /// Reads what the writer keeps in memory from an open file.
    pub(super) fn new(
        connection: &'c Connection,
        keys: Keys,
        known: Arc<IdFilter>,
        pending: Arc<Pending>,
        kept_rows: usize,
    ) -> Result<Self> {
        let newest = connection.query_one("SELECT max(key) FROM ids", [], |row| {
            Ok(row.get::<_, Option<i64>>(0)?.unwrap_or(0).max(0))
        })?;
        Ok(Self {
            connection,
            sql: Statements::prepare(connection)?,
            keys,
            known,
            pending,
            merge: Merge::default(),
            newest,
            cache: Cache::new(kept_rows),
            counters: Counters::load(connection)?,
            pending_dependants: PendingDependants::load(connection)?,
            outbox: outbox::Outbox::load(connection)?,
            prune: prune::PruneScan::default(),
            inserted: HashMap::new(),
            arrived: Vec::new(),
            deleted: Vec::new(),
            stale: false,
            notify_slice: NOTIFY_SLICE,
        })
    }

    /// See [`OpenOptions::notify_slice`](crate::store::OpenOptions::notify_slice).
    pub(super) fn set_notify_slice(&mut self, notify_slice: usize) {
        self.notify_slice = notify_slice;
    }

    /// Begins a transaction.
    pub(super) fn begin(&mut self) -> Result<()> {
        if self.stale {
            self.reload()?;
        }
        self.sql.begin.execute([])?;
        Ok(())
    }

    /// Writes all that is not written yet.
    pub(super) fn prepare(&mut self, now: Timestamp) -> Result<Prepared> {
        self.write_rows()?;
        let (last, watermark) = (self.counters.meta.last_sequence, self.counters.meta.watermark);
        let added = self.place_ids(self.merge.bound(watermark), now)?;
        // Ids of this commit are not pending yet. A round that begins now may miss them, and must
        // not move the watermark past them.
        let news = added.iter().filter(|(_, fate)| *fate == IdChange::Add);
        let reached = news.map(|((_, sequence), _)| sequence.0 - 1).fold(last, u64::min);
        let slice = self.merge.next(&self.pending, added.len(), reached, watermark);
        for ((key, sequence), fate) in &slice.entries {
            let entry = (*key, sequence.0.cast_signed());
            match fate {
                IdChange::Add => self.sql.insert_id.execute(entry)?,
                IdChange::Drop => self.sql.delete_id.execute(entry)?,
            };
        }
        let meta = &mut self.counters.meta;
        if let Some(watermark) = slice.watermark {
            meta.watermark = watermark;
        } else if added.is_empty() && self.pending.len() == 0 {
            meta.watermark = last;
        }
        meta.last_alive = now;
        self.counters.write(&mut self.sql)?;
        self.pending_dependants.write(&mut self.sql)?;
        Ok(Prepared { added, slice })
    }

    /// Inserts ids whose keys grow into the table, and returns the others, to be merged later. An
    /// id that the watermark could pass (of a commit that is repeated after others) is inserted
    /// whatever its key.
    fn place_ids(&mut self, bound: u64, now: Timestamp) -> Result<Vec<(Entry, IdChange)>> {
        let mut later = Vec::new();
        // An id with a time in the future does not make those of today old.
        let until = id_key::of_time(now) + id_key::NEW_WITHIN;
        self.newest = self.newest.min(until);
        let since = self.newest - id_key::NEW_WITHIN;
        self.arrived.sort_unstable();
        for (key, sequence) in self.arrived.drain(..) {
            let is_new = id_key::grows(key) && (since..=until).contains(&key);
            if is_new || sequence.0 <= bound {
                self.sql.insert_id.execute((key, sequence.0.cast_signed()))?;
                if is_new {
                    self.newest = self.newest.max(key);
                }
            } else {
                later.push(((key, sequence), IdChange::Add));
            }
        }
        for (key, sequence) in self.deleted.drain(..) {
            if id_key::grows(key) && !self.pending.contains((key, sequence)) {
                self.sql.delete_id.execute((key, sequence.0.cast_signed()))?;
            } else {
                later.push(((key, sequence), IdChange::Drop));
            }
        }
        Ok(later)
    }

    /// When the next task is due or expires, or the next key is due.
    pub(super) fn due(&mut self) -> Result<Option<Timestamp>> {
        let (timers, paces) = (self.counters.meta.timers, self.counters.meta.paces);
        let mut due: Option<i64> = None;
        if timers > 0 {
            self.write_rows()?;
            due = self.sql.first_timer.query_one([], |row| row.get(0))?;
        }
        if paces > 0 {
            let wake: Option<i64> = self.sql.first_wake.query_one([], |row| row.get(0))?;
            due = [due, wake].into_iter().flatten().min();
        }
        Ok(due.and_then(|at| Timestamp::from_micros(at.cast_unsigned())))
    }

    /// Commits what was prepared. After an error nothing of it is stored, or the store is broken.
    pub(super) fn commit(&mut self, prepared: Prepared) -> Result<()> {
        self.sql.commit.execute([])?;
        self.pending.extend(prepared.added);
        self.merge.done(&self.pending, &prepared.slice);
        self.inserted.clear();
        self.cache.evict();
        Ok(())
    }

    /// Rolls the transaction back. The next one reads everything again.
    pub(super) fn roll_back(&mut self) {
        self.stale = true;
        if !self.connection.is_autocommit()
            && let Err(error) = self.sql.rollback.execute([])
        {
            // SQLite rolled back itself, or will when the next transaction cannot begin.
            tracing::warn!(%error, "cannot roll a transaction back");
        }
    }

    fn reload(&mut self) -> Result<()> {
        self.counters = Counters::load(self.connection)?;
        self.pending_dependants = PendingDependants::load(self.connection)?;
        self.outbox = outbox::Outbox::load(self.connection)?;
        self.cache.clear();
        self.prune = prune::PruneScan::default();
        self.inserted.clear();
        self.arrived.clear();
        self.deleted.clear();
        self.stale = false;
        Ok(())
    }

    /// Drops the id filters of deleted tasks.
    pub(super) fn drop_old_filters(&mut self) -> Result<()> {
        let lowest: Option<i64> = self.sql.lowest.query_one([], |row| row.get(0))?;
        let lowest = lowest.map_or(self.counters.meta.last_sequence, i64::cast_unsigned);
        self.known.drop_before(Sequence(lowest));
        Ok(())
    }

    /// The first sequence number that no task ever had.
    pub(super) fn next_sequence(&self) -> Sequence {
        Sequence(self.counters.meta.last_sequence + 1)
    }

    /// See [`OpenReport::queues`](crate::store::OpenReport::queues).
    pub(super) fn queues(&mut self) -> Result<Vec<QueueState>> {
        self.write_rows()?;
        self.counters.write(&mut self.sql)?;
        reads::queues::queues(self.connection)
    }
}

#[cfg(test)]
impl WriteTxn<'_> {
    /// How many rows are in memory.
    pub(super) fn cached_rows(&self) -> usize {
        self.cache.len()
    }
}

/// A transaction that is ready to commit.
pub(super) struct Prepared {
    added: Vec<(Entry, IdChange)>,
    slice: Slice,
}
