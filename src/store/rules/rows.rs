//! What the rules need of a place where rows are kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Row, ScheduleState};
use crate::clock::Timestamp;
use crate::models::{
    Event, LogLine, Name, QueueName, QueueSettings, Schedule, Sequence, TaskId, Webhook,
};
use crate::store::Retention;

/// How many tasks hold a place of one concurrency key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holders {
    /// All of them.
    pub(crate) all: u32,
    /// Those that are claimable and have not been claimed.
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

/// How fast tasks of one concurrency key have started. Kept only where the key's rate is limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    /// The time at which the next would start if they had started evenly (the theoretical arrival
    /// time of the generic cell rate algorithm).
    pub(crate) next: Timestamp,
    /// When those that wait are to be looked at.
    pub(crate) wake: Option<Timestamp>,
}

/// Rows, and the questions about all of them that the rules ask.
///
/// Every answer takes into account what was done before in the same transaction. What is called an
/// index here follows from the rows alone: whoever keeps them keeps it up with every
/// [`update`](Self::update).
pub(crate) trait Rows {
    /// Why rows cannot be had. After one, nothing of the transaction holds.
    type Error;

    /// Which row has this id.
    fn sequence_of(&mut self, id: &TaskId) -> Result<Option<Sequence>, Self::Error>;
    /// The row, if it is there.
    fn get(&mut self, sequence: Sequence) -> Result<Option<&Row>, Self::Error>;
    /// Changes a row that is there; panics if it is not.
    fn update<T>(
        &mut self,
        sequence: Sequence,
        change: impl FnOnce(&mut Row) -> T,
    ) -> Result<T, Self::Error>;
    /// Takes a row in. Its sequence is counted as given.
    fn insert(&mut self, row: Row) -> Result<(), Self::Error>;
    /// Drops a row with everything that belongs to it: id, logs, checkpoint.
    fn delete(&mut self, sequence: Sequence) -> Result<(), Self::Error>;
    /// Whether rows stay after their end.
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

    /// Puts a row behind those whose relatives are to be told what became of it.
    fn push_pending_dependants(&mut self, sequence: Sequence) -> Result<(), Self::Error>;
    /// The first of them.
    fn next_pending_dependants(&mut self) -> Result<Option<Sequence>, Self::Error>;
    /// All have been told.
    fn remove_pending_dependants(&mut self, sequence: Sequence) -> Result<(), Self::Error>;

    /// Index: the row whose [`timer`](Row::timer) is the earliest, if that is not after `now`.
    fn next_due_timer(&mut self, now: Timestamp) -> Result<Option<Sequence>, Self::Error>;
    /// Index: rows that are `RUNNING`, in order.
    fn running(&mut self) -> Result<Vec<Sequence>, Self::Error>;
    /// Index: how many rows of the queue are [at work](Row::holds_slot).
    fn slots_taken(&mut self, queue: &QueueName) -> Result<u32, Self::Error>;
    /// Index: the first unfinished child of a row that nobody wished cancelled.
    fn next_child(&mut self, parent: Sequence) -> Result<Option<Sequence>, Self::Error>;
    /// Index: the first row after `after` that [ended only for](Row::failed_for) this one.
    fn failed_for(
        &mut self,
        parent: Sequence,
        after: Option<Sequence>,
    ) -> Result<Option<Sequence>, Self::Error>;

    /// Index: who holds a place of this key in this queue.
    fn holders(&mut self, queue: &QueueName, key: &str) -> Result<Holders, Self::Error>;
    /// Index: the best row that is `QUEUED` and held by this key.
    fn next_held(&mut self, queue: &QueueName, key: &str) -> Result<Option<Sequence>, Self::Error>;
    /// How fast tasks of this key have started.
    fn pace(&mut self, queue: &QueueName, key: &str) -> Result<Option<Pace>, Self::Error>;
    /// Remembers that, or forgets it.
    fn set_pace(
        &mut self,
        queue: &QueueName,
        key: &str,
        pace: Option<Pace>,
    ) -> Result<(), Self::Error>;
    /// Every key of the queue that holds rows back is to be looked at then.
    fn wake_keys(&mut self, queue: &QueueName, at: Timestamp) -> Result<(), Self::Error>;
    /// A key that was to be looked at by now.
    fn next_key(&mut self, now: Timestamp) -> Result<Option<(QueueName, String)>, Self::Error>;
    /// Index: whether a row [holds the suspicion](Row::quarantine_slot).
    fn quarantine_slot_taken(&mut self) -> Result<bool, Self::Error>;
    /// Index: the first row that is held as a suspect.
    fn next_quarantined(&mut self) -> Result<Option<Sequence>, Self::Error>;

    /// Whose unique key it is.
    fn unique(&mut self, key: &str) -> Result<Option<Sequence>, Self::Error>;
    /// Gives a unique key away.
    fn set_unique(&mut self, key: &str, holder: Option<Sequence>) -> Result<(), Self::Error>;

    /// Keeps lines of a row's log.
    fn add_log(&mut self, sequence: Sequence, lines: &[LogLine]) -> Result<(), Self::Error>;

    /// What people decided about a queue.
    fn settings(&mut self, queue: &QueueName) -> Result<QueueSettings, Self::Error>;
    /// Remembers that.
    fn set_settings(
        &mut self,
        queue: &QueueName,
        settings: QueueSettings,
    ) -> Result<(), Self::Error>;

    /// Up to `limit` [spent](Row::is_unneeded) rows that are kept no longer, and whether there may be
    /// more. Of too many, the oldest.
    fn prunable(
        &mut self,
        retention: Retention,
        limit: usize,
        now: Timestamp,
    ) -> Result<(Vec<Sequence>, bool), Self::Error>;

    /// How a schedule stands, if it is there.
    fn schedule_state(&mut self, name: &Name) -> Result<Option<ScheduleState>, Self::Error>;
    /// A schedule that is there stands like this from now on.
    fn set_schedule_state(&mut self, schedule_state: ScheduleState) -> Result<(), Self::Error>;
    /// Takes a schedule in, new or in the place of one with its name.
    fn define(
        &mut self,
        schedule: &Arc<Schedule>,
        schedule_state: ScheduleState,
    ) -> Result<(), Self::Error>;
    /// Drops a schedule. Answers whether it was there.
    fn drop_schedule(&mut self, name: &Name) -> Result<bool, Self::Error>;

    /// All webhooks, which are few and always at hand: asked about every event.
    fn webhooks(&self) -> &BTreeMap<Name, Arc<Webhook>>;
    /// Takes a webhook in, new or in the place of one with its name.
    fn set_webhook(&mut self, webhook: &Arc<Webhook>) -> Result<(), Self::Error>;
    /// Drops a webhook with what was put aside for it. Answers whether it was there.
    fn drop_webhook(&mut self, name: &Name) -> Result<bool, Self::Error>;
    /// Puts an event aside for a webhook, at a place that was never used before.
    fn enqueue_outbox(
        &mut self,
        webhook: &Name,
        event: &Event,
        payload: &str,
    ) -> Result<(), Self::Error>;
    /// Whether anything is put aside at that place.
    fn is_in_outbox(&mut self, position: u64) -> Result<bool, Self::Error>;
    /// It is not any more.
    fn dequeue_outbox(&mut self, position: u64) -> Result<(), Self::Error>;

    /// The number of a new boot, never given before.
    fn next_epoch(&mut self) -> Result<u64, Self::Error>;
    /// The number of this boot.
    fn epoch(&mut self) -> Result<u64, Self::Error>;
    /// The last boot that ended as it was told to; 0: none.
    fn stopped(&mut self) -> Result<u64, Self::Error>;
    /// This boot ends as it was told to.
    fn set_stopped(&mut self) -> Result<(), Self::Error>;
    /// When anything was last stored, by this boot or one before.
    fn last_alive(&mut self) -> Result<Timestamp, Self::Error>;
}
