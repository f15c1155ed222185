//! What the rules need of a store with rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Row, ScheduleState};
use crate::clock::Timestamp;
use crate::models::{
    Event, LogLine, Name, QueueName, QueueSettings, Schedule, Sequence, TaskId, Webhook,
};
use crate::store::Retention;

/// How many tasks hold one concurrency key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holders {
    /// All holders.
    pub(crate) all: u32,
    /// The holders that are not claimed yet.
    pub(crate) claimable: u32,
}

/// A task that other tasks wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Parent<'a> {
    /// A row of this store.
    Local(Sequence),
    /// A task of another store.
    Foreign(&'a TaskId),
}

/// How fast tasks of one concurrency key have started. Kept only for keys with a rate limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    /// The theoretical arrival time of the generic cell rate algorithm: when the next task would
    /// start if all had started evenly.
    pub(crate) next: Timestamp,
    /// When the key is due: then blocked tasks are checked.
    pub(crate) wake: Option<Timestamp>,
}

/// Rows and indexes over them, as one transaction sees them.
///
/// Every answer includes earlier writes of the same transaction. What is called an index follows
/// from the rows alone: the implementor maintains it at every [`update`](Self::update).
pub(crate) trait Rows {
    /// Why rows cannot be read or written. After an error, the transaction must be rolled back.
    type Error;

    /// The row with this id.
    fn sequence_of(&mut self, id: &TaskId) -> Result<Option<Sequence>, Self::Error>;
    /// The row with this number.
    fn get(&mut self, sequence: Sequence) -> Result<Option<&Row>, Self::Error>;
    /// Changes a row.
    ///
    /// # Panics
    /// If there is no such row.
    fn update<T>(
        &mut self,
        sequence: Sequence,
        change: impl FnOnce(&mut Row) -> T,
    ) -> Result<T, Self::Error>;
    /// Inserts a row. Its sequence number counts as used.
    fn insert(&mut self, row: Row) -> Result<(), Self::Error>;
    /// Deletes a row with all that belongs to it: id, logs, checkpoint.
    fn delete(&mut self, sequence: Sequence) -> Result<(), Self::Error>;
    /// See [`OpenOptions::notify_slice`](crate::store::OpenOptions::notify_slice).
    fn notify_slice(&self) -> usize;
    /// Whether rows are kept after their end.
    fn keeps_ended(&self) -> bool;

    /// Records that `child` waits for `parent`.
    fn wait(&mut self, parent: Parent<'_>, child: Sequence) -> Result<(), Self::Error>;
    /// Undoes [`wait`](Self::wait).
    fn stop_waiting(&mut self, parent: Parent<'_>, child: Sequence) -> Result<(), Self::Error>;
    /// Whether any row waits for a row of this store.
    fn is_awaited(&mut self, parent: Sequence) -> Result<bool, Self::Error>;
    /// Removes one wait for `parent` and returns the row that waited: of a local parent the latest,
    /// of a foreign one the earliest.
    fn next_waiting(&mut self, parent: Parent<'_>) -> Result<Option<Sequence>, Self::Error>;

    /// Appends a row to those whose dependants are to be notified.
    fn push_pending_dependants(&mut self, sequence: Sequence) -> Result<(), Self::Error>;
    /// The first of them.
    fn next_pending_dependants(&mut self) -> Result<Option<Sequence>, Self::Error>;
    /// Removes a row from them.
    fn remove_pending_dependants(&mut self, sequence: Sequence) -> Result<(), Self::Error>;

    /// Index: the row with the earliest [timer](Row::next_timer), if that is not after `now`.
    fn next_due_timer(&mut self, now: Timestamp) -> Result<Option<Sequence>, Self::Error>;
    /// Index: rows that are `RUNNING`, in order.
    fn running(&mut self) -> Result<Vec<Sequence>, Self::Error>;
    /// Index: how many rows of the queue [hold a slot](Row::holds_slot).
    fn slots_taken(&mut self, queue: &QueueName) -> Result<u32, Self::Error>;
    /// Index: the first unfinished child of a row without a request to cancel.
    fn next_child(&mut self, parent: Sequence) -> Result<Option<Sequence>, Self::Error>;
    /// Index: the first row after `after` that [failed only for](Row::failed_for) this one.
    fn failed_for(
        &mut self,
        parent: Sequence,
        after: Option<Sequence>,
    ) -> Result<Option<Sequence>, Self::Error>;

    /// Index: how many rows of the queue hold this key.
    fn holders(&mut self, queue: &QueueName, key: &str) -> Result<Holders, Self::Error>;
    /// Index: the first `QUEUED` row that this key blocks.
    fn next_held(&mut self, queue: &QueueName, key: &str) -> Result<Option<Sequence>, Self::Error>;
    /// How fast tasks of this key have started.
    fn pace(&mut self, queue: &QueueName, key: &str) -> Result<Option<Pace>, Self::Error>;
    /// Stores or deletes the pace of a key.
    fn set_pace(
        &mut self,
        queue: &QueueName,
        key: &str,
        pace: Option<Pace>,
    ) -> Result<(), Self::Error>;
    /// Makes every key of the queue that blocks rows due at this time.
    fn wake_keys(&mut self, queue: &QueueName, at: Timestamp) -> Result<(), Self::Error>;
    /// A key that is due.
    fn next_key(&mut self, now: Timestamp) -> Result<Option<(QueueName, String)>, Self::Error>;
    /// Index: whether a row [holds the quarantine slot](Row::quarantine_slot).
    fn quarantine_slot_taken(&mut self) -> Result<bool, Self::Error>;
    /// Index: the first row that waits for the quarantine slot.
    fn next_quarantined(&mut self) -> Result<Option<Sequence>, Self::Error>;

    /// The row that holds a unique key.
    fn unique(&mut self, key: &str) -> Result<Option<Sequence>, Self::Error>;
    /// Sets or removes the holder of a unique key.
    fn set_unique(&mut self, key: &str, holder: Option<Sequence>) -> Result<(), Self::Error>;

    /// Appends lines to a row's log.
    fn add_log(&mut self, sequence: Sequence, lines: &[LogLine]) -> Result<(), Self::Error>;

    /// The settings of a queue.
    fn settings(&mut self, queue: &QueueName) -> Result<QueueSettings, Self::Error>;
    /// Stores the settings of a queue.
    fn set_settings(
        &mut self,
        queue: &QueueName,
        settings: QueueSettings,
    ) -> Result<(), Self::Error>;

    /// Up to `limit` [unneeded](Row::is_unneeded) rows that exceed the retention, and whether there
    /// may be more. Beyond a maximum count, the oldest.
    fn prunable(
        &mut self,
        retention: Retention,
        limit: usize,
        now: Timestamp,
    ) -> Result<(Vec<Sequence>, bool), Self::Error>;

    /// The state of a schedule.
    fn schedule_state(&mut self, name: &Name) -> Result<Option<ScheduleState>, Self::Error>;
    /// Stores the state of a schedule that exists.
    fn set_schedule_state(&mut self, schedule_state: ScheduleState) -> Result<(), Self::Error>;
    /// Creates or replaces a schedule.
    fn define(
        &mut self,
        schedule: &Arc<Schedule>,
        schedule_state: ScheduleState,
    ) -> Result<(), Self::Error>;
    /// Deletes a schedule. Returns whether it existed.
    fn drop_schedule(&mut self, name: &Name) -> Result<bool, Self::Error>;

    /// All webhooks. They are few and always in memory: every event reads them.
    fn webhooks(&self) -> &BTreeMap<Name, Arc<Webhook>>;
    /// Creates or replaces a webhook.
    fn set_webhook(&mut self, webhook: &Arc<Webhook>) -> Result<(), Self::Error>;
    /// Deletes a webhook and its outbox entries. Returns whether it existed.
    fn drop_webhook(&mut self, name: &Name) -> Result<bool, Self::Error>;
    /// Writes an event to the outbox, at a position that was never used before.
    fn enqueue_outbox(
        &mut self,
        webhook: &Name,
        event: &Event,
        payload: &str,
    ) -> Result<(), Self::Error>;
    /// Whether the outbox has an entry at this position.
    fn is_in_outbox(&mut self, position: u64) -> Result<bool, Self::Error>;
    /// Deletes an outbox entry.
    fn dequeue_outbox(&mut self, position: u64) -> Result<(), Self::Error>;

    /// Begins a boot, and returns its number.
    fn next_epoch(&mut self) -> Result<u64, Self::Error>;
    /// The number of this boot.
    fn epoch(&mut self) -> Result<u64, Self::Error>;
    /// The last boot that ended by a graceful shutdown; 0: none.
    fn stopped(&mut self) -> Result<u64, Self::Error>;
    /// Marks this boot as ended by a graceful shutdown.
    fn set_stopped(&mut self) -> Result<(), Self::Error>;
    /// The time of the last write, by this boot or an earlier one.
    fn last_alive(&mut self) -> Result<Timestamp, Self::Error>;
}
