//! [`Rows`] of the tables. Nothing here fails.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::hash::Hash;
use std::ops::Bound;
use std::sync::Arc;

use ahash::HashMap;

use super::tables::Tables;
use crate::clock::Timestamp;
use crate::models::{
    Event, LogLine, Name, QueueName, QueueSettings, Schedule, Sequence, TaskId, Webhook,
};
use crate::store::rules::{Holders, IndexEntry, Pace, Parent, Row, Rows, ScheduleState};
use crate::store::{Retention, RetentionLimit};

impl Rows for Tables {
    type Error = Infallible;

    fn sequence_of(&mut self, id: &TaskId) -> Result<Option<Sequence>, Infallible> {
        Ok(self.ids.get(id).copied())
    }

    fn get(&mut self, sequence: Sequence) -> Result<Option<&Row>, Infallible> {
        Ok(self.rows.get(&sequence))
    }

    fn update<T>(
        &mut self,
        sequence: Sequence,
        change: impl FnOnce(&mut Row) -> T,
    ) -> Result<T, Infallible> {
        let row = self.rows.get_mut(&sequence).expect("only existing rows are changed");
        let (before, state) = (IndexEntry::of(row), row.state);
        let value = change(row);
        let after = IndexEntry::of(row);
        if row.state != state {
            let (queue, now) = (row.task.options.queue.clone(), row.state);
            self.count_state(&queue, Some(state), Some(now));
        }
        let row = &self.rows[&sequence];
        if before != after {
            let (task, position) = (row.task.clone(), row.position());
            let options = &task.options;
            self.index(
                &options.queue,
                options.concurrency_key(),
                position,
                Some(before),
                Some(after),
            );
        }
        Ok(value)
    }

    fn insert(&mut self, row: Row) -> Result<(), Infallible> {
        let (task, position, entry) = (row.task.clone(), row.position(), IndexEntry::of(&row));
        self.last_sequence = self.last_sequence.max(row.sequence);
        self.count_state(&task.options.queue, None, Some(row.state));
        self.ids.insert(task.id.clone(), row.sequence);
        self.rows.insert(row.sequence, row);
        let options = &task.options;
        self.index(&options.queue, options.concurrency_key(), position, None, Some(entry));
        Ok(())
    }

    fn delete(&mut self, sequence: Sequence) -> Result<(), Infallible> {
        if let Some(row) = self.rows.remove(&sequence) {
            let options = &row.task.options;
            let key = options.concurrency_key();
            self.index(&options.queue, key, row.position(), Some(IndexEntry::of(&row)), None);
            self.count_state(&options.queue, Some(row.state), None);
            self.ids.remove(&row.task.id);
            self.logs.remove(&sequence);
        }
        Ok(())
    }

    fn notify_slice(&self) -> usize {
        self.notify_slice
    }

    fn keeps_ended(&self) -> bool {
        self.keeps_ended
    }

    fn wait(&mut self, parent: Parent<'_>, child: Sequence) -> Result<(), Infallible> {
        match parent {
            Parent::Local(parent) => self.waiting.entry(parent).or_default().insert(child),
            Parent::Foreign(parent) => {
                self.waiting_foreign.entry(parent.clone()).or_default().insert(child)
            }
        };
        Ok(())
    }

    fn stop_waiting(&mut self, parent: Parent<'_>, child: Sequence) -> Result<(), Infallible> {
        match parent {
            Parent::Local(parent) => take(&mut self.waiting, &parent, |children| {
                children.remove(&child);
            }),
            Parent::Foreign(parent) => take(&mut self.waiting_foreign, parent, |children| {
                children.remove(&child);
            }),
        };
        Ok(())
    }

    fn is_awaited(&mut self, parent: Sequence) -> Result<bool, Infallible> {
        Ok(self.waiting.contains_key(&parent))
    }

    fn next_waiting(&mut self, parent: Parent<'_>) -> Result<Option<Sequence>, Infallible> {
        let child = match parent {
            Parent::Local(parent) => take(&mut self.waiting, &parent, BTreeSet::pop_last),
            Parent::Foreign(parent) => take(&mut self.waiting_foreign, parent, BTreeSet::pop_first),
        };
        Ok(child.flatten())
    }

    fn push_pending_dependants(&mut self, sequence: Sequence) -> Result<(), Infallible> {
        self.pending_dependants.push_back(sequence);
        Ok(())
    }

    fn next_pending_dependants(&mut self) -> Result<Option<Sequence>, Infallible> {
        Ok(self.pending_dependants.front().copied())
    }

    fn remove_pending_dependants(&mut self, sequence: Sequence) -> Result<(), Infallible> {
        if self.pending_dependants.front() == Some(&sequence) {
            self.pending_dependants.pop_front();
        } else {
            self.pending_dependants.retain(|pending| *pending != sequence);
        }
        Ok(())
    }

    fn next_due_timer(&mut self, now: Timestamp) -> Result<Option<Sequence>, Infallible> {
        Ok(self.timers.first().filter(|(at, _)| *at <= now).map(|(_, sequence)| *sequence))
    }

    fn running(&mut self) -> Result<Vec<Sequence>, Infallible> {
        Ok(self.running.iter().copied().collect())
    }

    fn slots_taken(&mut self, queue: &QueueName) -> Result<u32, Infallible> {
        Ok(self.slots_taken.get(queue).copied().unwrap_or(0))
    }

    fn next_child(&mut self, parent: Sequence) -> Result<Option<Sequence>, Infallible> {
        Ok(self.children.get(&parent).and_then(|children| children.first().copied()))
    }

    fn failed_for(
        &mut self,
        parent: Sequence,
        after: Option<Sequence>,
    ) -> Result<Option<Sequence>, Infallible> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let failed = self.failed_for.get(&parent);
        Ok(failed.and_then(|failed| failed.range((from, Bound::Unbounded)).next().copied()))
    }

    fn holders(&mut self, queue: &QueueName, key: &str) -> Result<Holders, Infallible> {
        let Some(rows) = self.keyed.get(&(queue.clone(), key.to_owned())) else {
            return Ok(Holders::default());
        };
        let count = |rows: usize| u32::try_from(rows).unwrap_or(u32::MAX);
        Ok(Holders { all: count(rows.holders.len()), claimable: count(rows.claimable.len()) })
    }

    fn next_held(&mut self, queue: &QueueName, key: &str) -> Result<Option<Sequence>, Infallible> {
        let rows = self.keyed.get(&(queue.clone(), key.to_owned()));
        Ok(rows.and_then(|rows| rows.blocked.first()).map(|position| position.sequence))
    }

    fn pace(&mut self, queue: &QueueName, key: &str) -> Result<Option<Pace>, Infallible> {
        Ok(self.paces.get(&(queue.clone(), key.to_owned())).copied())
    }

    fn set_pace(
        &mut self,
        queue: &QueueName,
        key: &str,
        pace: Option<Pace>,
    ) -> Result<(), Infallible> {
        let entry = (queue.clone(), key.to_owned());
        let before = match pace {
            Some(pace) => self.paces.insert(entry.clone(), pace),
            None => self.paces.remove(&entry),
        };
        let (queue, key) = entry;
        if let Some(at) = before.and_then(|pace| pace.wake) {
            self.key_timers.remove(&(at, queue.clone(), key.clone()));
        }
        if let Some(at) = pace.and_then(|pace| pace.wake) {
            self.key_timers.insert((at, queue, key));
        }
        Ok(())
    }

    fn wake_keys(&mut self, queue: &QueueName, at: Timestamp) -> Result<(), Infallible> {
        let first = (queue.clone(), String::new());
        let of_queue = self.keyed.range(first..).take_while(|((name, _), _)| name == queue);
        let holding_back = of_queue.filter(|(_, rows)| !rows.blocked.is_empty());
        let keys: Vec<String> = holding_back.map(|((_, key), _)| key.clone()).collect();
        for key in keys {
            let pace = self.pace(queue, &key)?.unwrap_or_default();
            self.set_pace(queue, &key, Some(Pace { wake: Some(at), ..pace }))?;
        }
        Ok(())
    }

    fn next_key(&mut self, now: Timestamp) -> Result<Option<(QueueName, String)>, Infallible> {
        let first = self.key_timers.first().filter(|(at, ..)| *at <= now);
        Ok(first.map(|(_, queue, key)| (queue.clone(), key.clone())))
    }

    fn quarantine_slot_taken(&mut self) -> Result<bool, Infallible> {
        Ok(!self.quarantine_slots.is_empty())
    }

    fn next_quarantined(&mut self) -> Result<Option<Sequence>, Infallible> {
        Ok(self.quarantine_queue.first().copied())
    }

    fn unique(&mut self, key: &str) -> Result<Option<Sequence>, Infallible> {
        Ok(self.uniques.get(key).copied())
    }

    fn set_unique(&mut self, key: &str, holder: Option<Sequence>) -> Result<(), Infallible> {
        match holder {
            Some(sequence) => self.uniques.insert(key.to_owned(), sequence),
            None => self.uniques.remove(key),
        };
        Ok(())
    }

    fn add_log(&mut self, sequence: Sequence, lines: &[LogLine]) -> Result<(), Infallible> {
        self.logs.entry(sequence).or_default().extend_from_slice(lines);
        Ok(())
    }

    fn settings(&mut self, queue: &QueueName) -> Result<QueueSettings, Infallible> {
        Ok(self.settings.get(queue).copied().unwrap_or_default())
    }

    fn set_settings(
        &mut self,
        queue: &QueueName,
        settings: QueueSettings,
    ) -> Result<(), Infallible> {
        if settings == QueueSettings::default() {
            self.settings.remove(queue);
        } else {
            self.settings.insert(queue.clone(), settings);
        }
        Ok(())
    }

    fn prunable(
        &mut self,
        retention: Retention,
        limit: usize,
        now: Timestamp,
    ) -> Result<(Vec<Sequence>, bool), Infallible> {
        let mut old = Vec::new();
        for (ends, RetentionLimit { max_age, max_count }) in
            [(&self.succeeded, retention.succeeded), (&self.others, retention.others)]
        {
            let mut surplus = ends.len().saturating_sub(max_count);
            for (at, sequence) in ends {
                if old.len() == limit || surplus == 0 && now.since(*at) <= max_age {
                    break;
                }
                // A task that is kept for its unique key lets younger ones be pruned first.
                if self.rows[sequence].keep_until.is_none_or(|until| until <= now) {
                    surplus = surplus.saturating_sub(1);
                    old.push(*sequence);
                }
            }
        }
        let more = old.len() == limit;
        Ok((old, more))
    }

    fn schedule_state(&mut self, name: &Name) -> Result<Option<ScheduleState>, Infallible> {
        Ok(self.schedules.schedule_state(name))
    }

    fn set_schedule_state(&mut self, schedule_state: ScheduleState) -> Result<(), Infallible> {
        self.schedules.set_schedule_state(schedule_state);
        Ok(())
    }

    fn define(
        &mut self,
        schedule: &Arc<Schedule>,
        schedule_state: ScheduleState,
    ) -> Result<(), Infallible> {
        self.schedules.define(schedule, schedule_state);
        Ok(())
    }

    fn drop_schedule(&mut self, name: &Name) -> Result<bool, Infallible> {
        Ok(self.schedules.remove(name))
    }

    fn webhooks(&self) -> &BTreeMap<Name, Arc<Webhook>> {
        &self.outbox.webhooks
    }

    fn set_webhook(&mut self, webhook: &Arc<Webhook>) -> Result<(), Infallible> {
        self.outbox.set(webhook);
        Ok(())
    }

    fn drop_webhook(&mut self, name: &Name) -> Result<bool, Infallible> {
        Ok(self.outbox.remove(name))
    }

    fn enqueue_outbox(
        &mut self,
        webhook: &Name,
        event: &Event,
        payload: &str,
    ) -> Result<(), Infallible> {
        self.outbox.enqueue_outbox(webhook, event, payload);
        Ok(())
    }

    fn is_in_outbox(&mut self, position: u64) -> Result<bool, Infallible> {
        Ok(self.outbox.holds(position))
    }

    fn dequeue_outbox(&mut self, position: u64) -> Result<(), Infallible> {
        self.outbox.dequeue_outbox(position);
        Ok(())
    }

    fn next_epoch(&mut self) -> Result<u64, Infallible> {
        self.epoch += 1;
        Ok(self.epoch)
    }

    fn epoch(&mut self) -> Result<u64, Infallible> {
        Ok(self.epoch)
    }

    fn stopped(&mut self) -> Result<u64, Infallible> {
        Ok(self.stopped)
    }

    fn set_stopped(&mut self) -> Result<(), Infallible> {
        self.stopped = self.epoch;
        Ok(())
    }

    fn last_alive(&mut self) -> Result<Timestamp, Infallible> {
        Ok(self.last_alive)
    }
}

/// Changes the set of one parent, and drops it once it is empty.
fn take<K: Hash + Eq, T>(
    waiting: &mut HashMap<K, BTreeSet<Sequence>>,
    parent: &K,
    change: impl FnOnce(&mut BTreeSet<Sequence>) -> T,
) -> Option<T> {
    let children = waiting.get_mut(parent)?;
    let taken = change(children);
    if children.is_empty() {
        waiting.remove(parent);
    }
    Some(taken)
}
