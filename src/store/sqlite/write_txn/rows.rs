//! [`Rows`] of the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::OptionalExtension as _;

use super::super::codec::{level_number, micros, time};
use super::super::error::{Result, SqliteError};
use super::cache::{Cached, quarantine_number};
use super::counters::Meta;
use super::{WriteTxn, outbox, schedules};
use crate::clock::Timestamp;
use crate::models::{
    Event, LogLine, Name, QueueName, QueueSettings, Schedule, Sequence, TaskId, Webhook,
};
use crate::store::Retention;
use crate::store::rules::{
    Holders, IndexEntry, Pace, Parent, QuarantineState, Row, Rows, ScheduleState,
};

fn sequence(number: i64) -> Sequence {
    Sequence(number.cast_unsigned())
}

fn number(sequence: Sequence) -> i64 {
    sequence.0.cast_signed()
}

impl WriteTxn<'_> {
    /// Loads a row into memory, if it exists.
    fn load(&mut self, sequence: Sequence) -> Result<()> {
        if self.cache.get(sequence).is_none()
            && let Some(cached) = Cached::load(sequence, &mut self.sql, &self.counters)?
        {
            self.cache.insert(cached);
        }
        Ok(())
    }

    /// Runs a query whose answer is the default where the counter of such rows is 0: most stores have
    /// no children, timers or unique keys, and then their tables are never read.
    fn if_any<T: Default>(
        &mut self,
        count: fn(&Meta) -> i64,
        query: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        if count(&self.counters.meta) == 0 { Ok(T::default()) } else { query(self) }
    }

    /// Writes changed rows, so that queries see them.
    pub(super) fn write_rows(&mut self) -> Result<()> {
        self.cache.write(&mut self.sql, &mut self.counters, self.connection)
    }

    fn first_in_quarantine(&mut self, quarantine: QuarantineState) -> Result<Option<Sequence>> {
        self.write_rows()?;
        let kind = quarantine_number(quarantine);
        let first: Option<i64> =
            self.sql.first_in_quarantine.query_one([kind], |row| row.get(0))?;
        Ok(first.map(sequence))
    }
}

impl Rows for WriteTxn<'_> {
    type Error = SqliteError;

    fn sequence_of(&mut self, id: &TaskId) -> Result<Option<Sequence>> {
        if let Some(sequence) = self.inserted.get(id) {
            return Ok(Some(*sequence));
        }
        let key = self.keys.of(id);
        if !self.known.may_contain(key) {
            return Ok(None);
        }
        let mut found = self.pending.sequences_of(key);
        let mut rows = self.sql.sequences_of_key.query([key])?;
        while let Some(row) = rows.next()? {
            found.push(sequence(row.get(0)?));
        }
        drop(rows);
        for sequence in found {
            let is_it = match self.cache.get(sequence) {
                Some(cached) => cached.row.task.id == *id,
                None => self.sql.id_matches.exists((number(sequence), id.as_str()))?,
            };
            if is_it {
                return Ok(Some(sequence));
            }
        }
        Ok(None)
    }

    fn get(&mut self, sequence: Sequence) -> Result<Option<&Row>> {
        self.load(sequence)?;
        Ok(self.cache.get(sequence).map(|cached| &cached.row))
    }

    fn update<T>(&mut self, sequence: Sequence, change: impl FnOnce(&mut Row) -> T) -> Result<T> {
        self.load(sequence)?;
        let cached = self.cache.get_mut(sequence).expect("only existing rows are changed");
        let before = (cached.row.state, IndexEntry::of(&cached.row));
        let value = change(&mut cached.row);
        let after = (cached.row.state, IndexEntry::of(&cached.row));
        if before != after {
            self.prune.row_changed(sequence, before.1.prunable, after.1.prunable);
            self.counters.count(cached.queue, Some(before), Some(after));
        }
        Ok(value)
    }

    fn insert(&mut self, row: Row) -> Result<()> {
        let sequence = row.sequence;
        let key = self.keys.of(&row.task.id);
        // Before readers can see the task.
        self.known.add(key, sequence);
        self.inserted.insert(row.task.id.clone(), sequence);
        self.arrived.push((key, sequence));
        let meta = &mut self.counters.meta;
        meta.last_sequence = meta.last_sequence.max(sequence.0);
        let queue = &row.task.options.queue;
        let queue = self.counters.number_for(queue, self.connection, &mut self.sql)?;
        self.counters.count(queue, None, Some((row.state, IndexEntry::of(&row))));
        self.cache.insert(Cached::new(row, queue));
        Ok(())
    }

    fn delete(&mut self, sequence: Sequence) -> Result<()> {
        self.load(sequence)?;
        let Some(cached) = self.cache.remove(sequence) else { return Ok(()) };
        cached.delete(&mut self.sql)?;
        let row = &cached.row;
        self.counters.count(cached.queue, Some((row.state, IndexEntry::of(row))), None);
        if self.inserted.remove(&row.task.id).is_some() {
            self.arrived.retain(|(_, arrived)| *arrived != sequence);
        } else {
            self.deleted.push((self.keys.of(&row.task.id), sequence));
        }
        Ok(())
    }

    fn notify_slice(&self) -> usize {
        self.notify_slice
    }

    fn keeps_ended(&self) -> bool {
        true
    }

    fn wait(&mut self, parent: Parent<'_>, child: Sequence) -> Result<()> {
        let child = number(child);
        match parent {
            Parent::Local(parent) => {
                let new = self.sql.wait.execute((number(parent), child))?;
                self.counters.meta.waits += count(new);
            }
            Parent::Foreign(parent) => {
                let new = self.sql.wait_foreign.execute((parent.as_str(), child))?;
                self.counters.meta.foreign += count(new);
            }
        }
        Ok(())
    }

    fn stop_waiting(&mut self, parent: Parent<'_>, child: Sequence) -> Result<()> {
        let child = number(child);
        match parent {
            Parent::Local(parent) => self.if_any(
                |meta| meta.waits,
                |txn| {
                    let gone = txn.sql.stop_waiting.execute((number(parent), child))?;
                    txn.counters.meta.waits -= count(gone);
                    Ok(())
                },
            ),
            Parent::Foreign(parent) => self.if_any(
                |meta| meta.foreign,
                |txn| {
                    let gone = txn.sql.stop_waiting_foreign.execute((parent.as_str(), child))?;
                    txn.counters.meta.foreign -= count(gone);
                    Ok(())
                },
            ),
        }
    }

    fn is_awaited(&mut self, parent: Sequence) -> Result<bool> {
        self.if_any(|meta| meta.waits, |txn| Ok(txn.sql.next_waiting.exists([number(parent)])?))
    }

    fn next_waiting(&mut self, parent: Parent<'_>) -> Result<Option<Sequence>> {
        let child = match parent {
            Parent::Local(parent) => self.if_any(
                |meta| meta.waits,
                |txn| {
                    let next = &mut txn.sql.next_waiting;
                    Ok(next.query_one([number(parent)], |row| row.get(0)).optional()?)
                },
            ),
            Parent::Foreign(parent) => self.if_any(
                |meta| meta.foreign,
                |txn| {
                    let next = &mut txn.sql.next_waiting_foreign;
                    Ok(next.query_one([parent.as_str()], |row| row.get(0))?)
                },
            ),
        };
        let child = child?.map(sequence);
        if let Some(child) = child {
            self.stop_waiting(parent, child)?;
        }
        Ok(child)
    }

    fn push_pending_dependants(&mut self, sequence: Sequence) -> Result<()> {
        self.pending_dependants.push(sequence);
        Ok(())
    }

    fn next_pending_dependants(&mut self) -> Result<Option<Sequence>> {
        Ok(self.pending_dependants.first())
    }

    fn remove_pending_dependants(&mut self, sequence: Sequence) -> Result<()> {
        self.pending_dependants.remove(sequence, &mut self.sql)
    }

    fn next_due_timer(&mut self, now: Timestamp) -> Result<Option<Sequence>> {
        self.if_any(
            |meta| meta.timers,
            |txn| {
                txn.write_rows()?;
                let first =
                    txn.sql.next_due_timer.query_one([micros(now)], |row| row.get(0)).optional()?;
                Ok(first.map(sequence))
            },
        )
    }

    fn running(&mut self) -> Result<Vec<Sequence>> {
        self.write_rows()?;
        let mut running = Vec::new();
        let mut rows = self.sql.running.query([])?;
        while let Some(row) = rows.next()? {
            running.push(sequence(row.get(0)?));
        }
        Ok(running)
    }

    fn slots_taken(&mut self, queue: &QueueName) -> Result<u32> {
        Ok(self.counters.slots_taken(queue))
    }

    fn next_child(&mut self, parent: Sequence) -> Result<Option<Sequence>> {
        self.if_any(
            |meta| meta.children,
            |txn| {
                txn.write_rows()?;
                let first: Option<i64> =
                    txn.sql.next_child.query_one([number(parent)], |row| row.get(0))?;
                Ok(first.map(sequence))
            },
        )
    }

    fn failed_for(
        &mut self,
        parent: Sequence,
        after: Option<Sequence>,
    ) -> Result<Option<Sequence>> {
        self.if_any(
            |meta| meta.failed_for,
            |txn| {
                txn.write_rows()?;
                let range = (number(parent), after.map_or(-1, number));
                let first: Option<i64> = txn.sql.failed_for.query_one(range, |row| row.get(0))?;
                Ok(first.map(sequence))
            },
        )
    }

    fn holders(&mut self, queue: &QueueName, key: &str) -> Result<Holders> {
        let Some(queue) = self.counters.number(queue) else { return Ok(Holders::default()) };
        self.write_rows()?;
        Ok(self.sql.holders.query_one((queue, key), |row| {
            Ok(Holders { all: row.get(0)?, claimable: row.get(1)? })
        })?)
    }

    fn next_held(&mut self, queue: &QueueName, key: &str) -> Result<Option<Sequence>> {
        let Some(queue) = self.counters.number(queue) else { return Ok(None) };
        self.write_rows()?;
        let first = self.sql.next_held.query_one((queue, key), |row| row.get(0)).optional()?;
        Ok(first.map(sequence))
    }

    fn pace(&mut self, queue: &QueueName, key: &str) -> Result<Option<Pace>> {
        let Some(queue) = self.counters.number(queue).filter(|_| self.counters.meta.paces > 0)
        else {
            return Ok(None);
        };
        let stored: Option<(i64, Option<i64>)> = self
            .sql
            .load_pace
            .query_one((queue, key), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let read = |at: i64| {
            time(at.cast_unsigned())
                .map_err(|error| SqliteError::UndecodableTask(0, error.to_string()))
        };
        let Some((next, wake)) = stored else { return Ok(None) };
        Ok(Some(Pace { next: read(next)?, wake: wake.map(read).transpose()? }))
    }

    fn set_pace(&mut self, queue: &QueueName, key: &str, pace: Option<Pace>) -> Result<()> {
        let queue = self.counters.number_for(queue, self.connection, &mut self.sql)?;
        match pace {
            Some(pace) => {
                let row = (queue, key, micros(pace.next), pace.wake.map(micros));
                if self.sql.update_pace.execute(row)? == 0 {
                    self.sql.insert_pace.execute(row)?;
                    self.counters.meta.paces += 1;
                }
            }
            None => {
                self.counters.meta.paces -= count(self.sql.delete_pace.execute((queue, key))?);
            }
        }
        Ok(())
    }

    fn wake_keys(&mut self, queue: &QueueName, at: Timestamp) -> Result<()> {
        let Some(number) = self.counters.number(queue) else { return Ok(()) };
        self.write_rows()?;
        let mut keys: Vec<String> = Vec::new();
        let mut rows = self.sql.keys_held.query([number])?;
        while let Some(row) = rows.next()? {
            keys.push(row.get(0)?);
        }
        drop(rows);
        for key in keys {
            let pace = self.pace(queue, &key)?.unwrap_or_default();
            self.set_pace(queue, &key, Some(Pace { wake: Some(at), ..pace }))?;
        }
        Ok(())
    }

    fn next_key(&mut self, now: Timestamp) -> Result<Option<(QueueName, String)>> {
        self.if_any(
            |meta| meta.paces,
            |txn| {
                let found: Option<(i64, String)> = txn
                    .sql
                    .next_key
                    .query_one([micros(now)], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?;
                Ok(found.and_then(|(queue, key)| Some((txn.counters.name(queue)?.clone(), key))))
            },
        )
    }

    fn quarantine_slot_taken(&mut self) -> Result<bool> {
        Ok(self.first_in_quarantine(QuarantineState::Holds)?.is_some())
    }

    fn next_quarantined(&mut self) -> Result<Option<Sequence>> {
        self.first_in_quarantine(QuarantineState::Blocked)
    }

    fn unique(&mut self, key: &str) -> Result<Option<Sequence>> {
        self.if_any(
            |meta| meta.uniques,
            |txn| {
                let holder = txn.sql.unique.query_one([key], |row| row.get(0)).optional()?;
                Ok(holder.map(sequence))
            },
        )
    }

    fn set_unique(&mut self, key: &str, holder: Option<Sequence>) -> Result<()> {
        match holder {
            Some(holder) => {
                if self.sql.update_unique.execute((key, number(holder)))? == 0 {
                    self.sql.insert_unique.execute((key, number(holder)))?;
                    self.counters.meta.uniques += 1;
                }
            }
            None => self.counters.meta.uniques -= count(self.sql.delete_unique.execute([key])?),
        }
        Ok(())
    }

    fn add_log(&mut self, sequence: Sequence, lines: &[LogLine]) -> Result<()> {
        for line in lines {
            self.sql.insert_log.execute((
                number(sequence),
                line.number,
                micros(line.at),
                level_number(line.level),
                line.attempt,
                &line.text,
            ))?;
        }
        Ok(())
    }

    fn settings(&mut self, queue: &QueueName) -> Result<QueueSettings> {
        Ok(self.counters.settings(queue))
    }

    fn set_settings(&mut self, queue: &QueueName, settings: QueueSettings) -> Result<()> {
        let queue = self.counters.number_for(queue, self.connection, &mut self.sql)?;
        self.counters.set_settings(queue, settings, &mut self.sql)
    }

    fn prunable(
        &mut self,
        retention: Retention,
        limit: usize,
        now: Timestamp,
    ) -> Result<(Vec<Sequence>, bool)> {
        self.write_rows()?;
        let meta = &self.counters.meta;
        let prunable = [meta.prunable_succeeded, meta.prunable_others];
        self.prune.prunable(retention, prunable, limit, now, &mut self.sql)
    }

    fn schedule_state(&mut self, name: &Name) -> Result<Option<ScheduleState>> {
        schedules::schedule_state(name, &mut self.sql)
    }

    fn set_schedule_state(&mut self, schedule_state: ScheduleState) -> Result<()> {
        schedules::set_schedule_state(&schedule_state, &mut self.sql)
    }

    fn define(&mut self, schedule: &Arc<Schedule>, schedule_state: ScheduleState) -> Result<()> {
        schedules::define(schedule, &schedule_state, &mut self.sql)
    }

    fn drop_schedule(&mut self, name: &Name) -> Result<bool> {
        schedules::remove(name, &mut self.sql)
    }

    fn webhooks(&self) -> &BTreeMap<Name, Arc<Webhook>> {
        &self.outbox.webhooks
    }

    fn set_webhook(&mut self, webhook: &Arc<Webhook>) -> Result<()> {
        self.outbox.set(webhook, &mut self.sql)
    }

    fn drop_webhook(&mut self, name: &Name) -> Result<bool> {
        self.outbox.remove(name, &mut self.sql)
    }

    fn enqueue_outbox(&mut self, webhook: &Name, event: &Event, payload: &str) -> Result<()> {
        self.counters.meta.outbox_position += 1;
        let position = self.counters.meta.outbox_position;
        outbox::enqueue_outbox(position, webhook, event, payload, &mut self.sql)
    }

    fn is_in_outbox(&mut self, position: u64) -> Result<bool> {
        let Ok(position) = i64::try_from(position) else { return Ok(false) };
        Ok(self.sql.is_in_outbox.exists([position])?)
    }

    fn dequeue_outbox(&mut self, position: u64) -> Result<()> {
        self.sql.dequeue_outbox.execute([position.cast_signed()])?;
        Ok(())
    }

    fn next_epoch(&mut self) -> Result<u64> {
        self.counters.meta.epoch += 1;
        Ok(self.counters.meta.epoch)
    }

    fn epoch(&mut self) -> Result<u64> {
        Ok(self.counters.meta.epoch)
    }

    fn stopped(&mut self) -> Result<u64> {
        Ok(self.counters.meta.stopped)
    }

    fn set_stopped(&mut self) -> Result<()> {
        self.counters.meta.stopped = self.counters.meta.epoch;
        Ok(())
    }

    fn last_alive(&mut self) -> Result<Timestamp> {
        Ok(self.counters.meta.last_alive)
    }
}

/// A number of rows, as counters hold it.
fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
