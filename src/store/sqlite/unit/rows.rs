//! The file as the rules see it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::OptionalExtension as _;

use super::super::codec::{level_number, micros, time};
use super::super::problem::{Fault, Result};
use super::cache::{Cached, suspicion_number};
use super::{Unit, outbox, schedules};
use crate::clock::Timestamp;
use crate::models::{
    Event, LogLine, Name, QueueName, QueueSettings, Schedule, Sequence, TaskId, Webhook,
};
use crate::store::Retention;
use crate::store::rules::{Facts, Holders, Pace, Row, Rows, Standing, Suspicion};

fn sequence(number: i64) -> Sequence {
    Sequence(number.cast_unsigned())
}

fn number(sequence: Sequence) -> i64 {
    sequence.0.cast_signed()
}

impl Unit<'_> {
    /// Sees to it that the row is in memory, if it is anywhere.
    fn load(&mut self, sequence: Sequence) -> Result<()> {
        if self.cache.get(sequence).is_none()
            && let Some(cached) = Cached::load(sequence, &mut self.sql, &self.tallies)?
        {
            self.cache.insert(cached);
        }
        Ok(())
    }

    /// Puts what was changed where SQL finds it.
    pub(super) fn write_rows(&mut self) -> Result<()> {
        self.cache.write(&mut self.sql, &mut self.tallies, self.connection)
    }

    fn first_suspicion(&mut self, suspicion: Suspicion) -> Result<Option<Sequence>> {
        self.write_rows()?;
        let kind = suspicion_number(suspicion);
        let first: Option<i64> = self.sql.has_suspicion.query_one([kind], |row| row.get(0))?;
        Ok(first.map(sequence))
    }
}

impl Rows for Unit<'_> {
    type Error = Fault;

    fn sequence_of(&mut self, id: &TaskId) -> Result<Option<Sequence>> {
        if let Some(sequence) = self.fresh.get(id) {
            return Ok(Some(*sequence));
        }
        let key = self.keys.of(id);
        if !self.known.may_be_here(key) {
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
                None => self.sql.is_called.exists((number(sequence), id.as_str()))?,
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
        let cached = self.cache.get_mut(sequence).expect("only rows that are there are changed");
        let before = (cached.row.state, Facts::of(&cached.row));
        let said = change(&mut cached.row);
        let after = (cached.row.state, Facts::of(&cached.row));
        if before != after {
            self.prune.saw(sequence, before.1.spent, after.1.spent);
            self.tallies.count(cached.queue, Some(before), Some(after));
        }
        Ok(said)
    }

    fn insert(&mut self, row: Row) -> Result<()> {
        let sequence = row.sequence;
        let key = self.keys.of(&row.task.id);
        // Before anybody can see it.
        self.known.learn(key, sequence);
        self.fresh.insert(row.task.id.clone(), sequence);
        self.arrived.push((key, sequence));
        let meta = &mut self.tallies.meta;
        meta.last_sequence = meta.last_sequence.max(sequence.0);
        let queue = &row.task.options.queue;
        let queue = self.tallies.number_for(queue, self.connection, &mut self.sql)?;
        self.tallies.count(queue, None, Some((row.state, Facts::of(&row))));
        self.cache.insert(Cached::new(row, queue));
        Ok(())
    }

    fn forget(&mut self, sequence: Sequence) -> Result<()> {
        self.load(sequence)?;
        let Some(cached) = self.cache.remove(sequence) else { return Ok(()) };
        cached.delete(&mut self.sql)?;
        let row = &cached.row;
        self.tallies.count(cached.queue, Some((row.state, Facts::of(row))), None);
        if self.fresh.remove(&row.task.id).is_some() {
            self.arrived.retain(|(_, arrived)| *arrived != sequence);
        } else {
            self.left.push((self.keys.of(&row.task.id), sequence));
        }
        Ok(())
    }

    fn keeps_ended(&self) -> bool {
        true
    }

    fn wait(&mut self, parent: Sequence, child: Sequence) -> Result<()> {
        let new = self.sql.wait.execute((number(parent), number(child)))?;
        self.tallies.meta.waits += count(new);
        Ok(())
    }

    fn stop_waiting(&mut self, parent: Sequence, child: Sequence) -> Result<()> {
        if self.tallies.meta.waits > 0 {
            let gone = self.sql.stop_waiting.execute((number(parent), number(child)))?;
            self.tallies.meta.waits -= count(gone);
        }
        Ok(())
    }

    fn is_awaited(&mut self, parent: Sequence) -> Result<bool> {
        if self.tallies.meta.waits == 0 {
            return Ok(false);
        }
        Ok(self.sql.next_waiting.exists([number(parent)])?)
    }

    fn next_waiting(&mut self, parent: Sequence) -> Result<Option<Sequence>> {
        if self.tallies.meta.waits == 0 {
            return Ok(None);
        }
        let parent = number(parent);
        let child = self.sql.next_waiting.query_one([parent], |row| row.get(0)).optional()?;
        if let Some(child) = child {
            self.sql.stop_waiting.execute((parent, child))?;
            self.tallies.meta.waits -= 1;
        }
        Ok(child.map(sequence))
    }

    fn wait_abroad(&mut self, parent: &TaskId, child: Sequence) -> Result<()> {
        let new = self.sql.wait_abroad.execute((parent.as_str(), number(child)))?;
        self.tallies.meta.abroad += count(new);
        Ok(())
    }

    fn stop_waiting_abroad(&mut self, parent: &TaskId, child: Sequence) -> Result<()> {
        let gone = self.sql.stop_waiting_abroad.execute((parent.as_str(), number(child)))?;
        self.tallies.meta.abroad -= count(gone);
        Ok(())
    }

    fn waiting_abroad(&mut self, parent: &TaskId) -> Result<Vec<Sequence>> {
        if self.tallies.meta.abroad == 0 {
            return Ok(Vec::new());
        }
        let mut waiting = Vec::new();
        let mut rows = self.sql.waiting_abroad.query([parent.as_str()])?;
        while let Some(row) = rows.next()? {
            waiting.push(sequence(row.get(0)?));
        }
        drop(rows);
        self.sql.nobody_waits_abroad.execute([parent.as_str()])?;
        self.tallies.meta.abroad -= count(waiting.len());
        Ok(waiting)
    }

    fn mark(&mut self, sequence: Sequence) -> Result<()> {
        self.marks.push(sequence);
        Ok(())
    }

    fn marked(&mut self) -> Result<Option<Sequence>> {
        Ok(self.marks.first())
    }

    fn unmark(&mut self, sequence: Sequence) -> Result<()> {
        self.marks.remove(sequence, &mut self.sql)
    }

    fn next_alarm(&mut self, now: Timestamp) -> Result<Option<Sequence>> {
        if self.tallies.meta.alarms == 0 {
            return Ok(None);
        }
        self.write_rows()?;
        let first = self.sql.next_alarm.query_one([micros(now)], |row| row.get(0)).optional()?;
        Ok(first.map(sequence))
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

    fn running_in(&mut self, queue: &QueueName) -> Result<u32> {
        Ok(self.tallies.at_work(queue))
    }

    fn next_child(&mut self, parent: Sequence) -> Result<Option<Sequence>> {
        if self.tallies.meta.children == 0 {
            return Ok(None);
        }
        self.write_rows()?;
        let first: Option<i64> =
            self.sql.next_child.query_one([number(parent)], |row| row.get(0))?;
        Ok(first.map(sequence))
    }

    fn failed_for(
        &mut self,
        parent: Sequence,
        after: Option<Sequence>,
    ) -> Result<Option<Sequence>> {
        if self.tallies.meta.failed_for == 0 {
            return Ok(None);
        }
        self.write_rows()?;
        let range = (number(parent), after.map_or(-1, number));
        let first: Option<i64> = self.sql.failed_for.query_one(range, |row| row.get(0))?;
        Ok(first.map(sequence))
    }

    fn holders(&mut self, queue: &QueueName, key: &str) -> Result<Holders> {
        let Some(queue) = self.tallies.number(queue) else { return Ok(Holders::default()) };
        self.write_rows()?;
        Ok(self.sql.holders.query_one((queue, key), |row| {
            Ok(Holders { all: row.get(0)?, claimable: row.get(1)? })
        })?)
    }

    fn next_held(&mut self, queue: &QueueName, key: &str) -> Result<Option<Sequence>> {
        let Some(queue) = self.tallies.number(queue) else { return Ok(None) };
        self.write_rows()?;
        let first = self.sql.next_held.query_one((queue, key), |row| row.get(0)).optional()?;
        Ok(first.map(sequence))
    }

    fn pace(&mut self, queue: &QueueName, key: &str) -> Result<Option<Pace>> {
        let Some(queue) = self.tallies.number(queue).filter(|_| self.tallies.meta.paces > 0) else {
            return Ok(None);
        };
        let stored: Option<(i64, Option<i64>)> = self
            .sql
            .load_pace
            .query_one((queue, key), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let read = |at: i64| {
            time(at.cast_unsigned()).map_err(|error| Fault::Unreadable(0, error.to_string()))
        };
        let Some((next, wake)) = stored else { return Ok(None) };
        Ok(Some(Pace { next: read(next)?, wake: wake.map(read).transpose()? }))
    }

    fn set_pace(&mut self, queue: &QueueName, key: &str, pace: Option<Pace>) -> Result<()> {
        let queue = self.tallies.number_for(queue, self.connection, &mut self.sql)?;
        match pace {
            Some(pace) => {
                let row = (queue, key, micros(pace.next), pace.wake.map(micros));
                if self.sql.update_pace.execute(row)? == 0 {
                    self.sql.insert_pace.execute(row)?;
                    self.tallies.meta.paces += 1;
                }
            }
            None => {
                self.tallies.meta.paces -= count(self.sql.delete_pace.execute((queue, key))?);
            }
        }
        Ok(())
    }

    fn wake_keys(&mut self, queue: &QueueName, at: Timestamp) -> Result<()> {
        let Some(number) = self.tallies.number(queue) else { return Ok(()) };
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
        if self.tallies.meta.paces == 0 {
            return Ok(None);
        }
        let found: Option<(i64, String)> = self
            .sql
            .next_key
            .query_one([micros(now)], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(found.and_then(|(queue, key)| Some((self.tallies.name(queue)?.clone(), key))))
    }

    fn has_suspect(&mut self) -> Result<bool> {
        Ok(self.first_suspicion(Suspicion::Holds)?.is_some())
    }

    fn next_suspect(&mut self) -> Result<Option<Sequence>> {
        self.first_suspicion(Suspicion::BlockedBy)
    }

    fn unique(&mut self, key: &str) -> Result<Option<Sequence>> {
        if self.tallies.meta.uniques == 0 {
            return Ok(None);
        }
        let holder = self.sql.unique.query_one([key], |row| row.get(0)).optional()?;
        Ok(holder.map(sequence))
    }

    fn set_unique(&mut self, key: &str, holder: Option<Sequence>) -> Result<()> {
        match holder {
            Some(holder) => {
                if self.sql.update_unique.execute((key, number(holder)))? == 0 {
                    self.sql.insert_unique.execute((key, number(holder)))?;
                    self.tallies.meta.uniques += 1;
                }
            }
            None => self.tallies.meta.uniques -= count(self.sql.delete_unique.execute([key])?),
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
        Ok(self.tallies.settings(queue))
    }

    fn set_settings(&mut self, queue: &QueueName, settings: QueueSettings) -> Result<()> {
        let queue = self.tallies.number_for(queue, self.connection, &mut self.sql)?;
        self.tallies.set_settings(queue, settings, &mut self.sql)
    }

    fn prunable(
        &mut self,
        retention: Retention,
        limit: usize,
        now: Timestamp,
    ) -> Result<(Vec<Sequence>, bool)> {
        self.write_rows()?;
        let meta = &self.tallies.meta;
        let spent = [meta.spent_well, meta.spent_badly];
        self.prune.prunable(retention, spent, limit, now, &mut self.sql)
    }

    fn standing(&mut self, name: &Name) -> Result<Option<Standing>> {
        schedules::standing(name, &mut self.sql)
    }

    fn set_standing(&mut self, standing: Standing) -> Result<()> {
        schedules::set_standing(&standing, &mut self.sql)
    }

    fn define(&mut self, schedule: &Arc<Schedule>, standing: Standing) -> Result<()> {
        schedules::define(schedule, &standing, &mut self.sql)
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

    fn post(&mut self, webhook: &Name, event: &Event, payload: &str) -> Result<()> {
        self.tallies.meta.posted += 1;
        outbox::post(self.tallies.meta.posted, webhook, event, payload, &mut self.sql)
    }

    fn is_posted(&mut self, position: u64) -> Result<bool> {
        let Ok(position) = i64::try_from(position) else { return Ok(false) };
        Ok(self.sql.is_posted.exists([position])?)
    }

    fn take_out(&mut self, position: u64) -> Result<()> {
        self.sql.take_out.execute([position.cast_signed()])?;
        Ok(())
    }

    fn next_epoch(&mut self) -> Result<u64> {
        self.tallies.meta.epoch += 1;
        Ok(self.tallies.meta.epoch)
    }

    fn epoch(&mut self) -> Result<u64> {
        Ok(self.tallies.meta.epoch)
    }

    fn stopped(&mut self) -> Result<u64> {
        Ok(self.tallies.meta.stopped)
    }

    fn set_stopped(&mut self) -> Result<()> {
        self.tallies.meta.stopped = self.tallies.meta.epoch;
        Ok(())
    }

    fn last_alive(&mut self) -> Result<Timestamp> {
        Ok(self.tallies.meta.last_alive)
    }
}

/// A number of rows, as counters hold it.
fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
