//! Options and report of opening a store.

use super::QueueState;
use crate::clock::Timestamp;
use crate::models::{Event, Sequence};

/// How a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// The time of the boot.
    pub now: Timestamp,
    /// How often in a row a process must end while a task runs before the task counts as a
    /// quarantine candidate; one more such end quarantines it. 0: never.
    pub quarantine_after: u32,
    /// How many tasks one commit notifies of the ends of others, at least 1; the rest follows in
    /// slices ([`Applied::more`](super::Applied::more)). [`NOTIFY_SLICE`](super::NOTIFY_SLICE) is the
    /// default.
    pub notify_slice: usize,
}

/// What a boot finds in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenReport {
    /// The number of this boot.
    pub epoch: u64,
    /// The first sequence number that no task ever had.
    pub next_sequence: Sequence,
    /// The state of every queue, as [`Store::queues`](super::Store::queues) returns it.
    pub queues: Vec<QueueState>,
    /// [`OpenOptions::notify_slice`].
    pub notify_slice: usize,
    /// How many tasks were running when the last process ended, and are queued again.
    pub rescued: u64,
    /// How many tasks failed as `QUARANTINED`: they ran at too many process ends.
    pub quarantined: u64,
    /// When the next task is due.
    pub due: Option<Timestamp>,
    /// The events of those tasks, and `node.crashed` if the last boot ended without
    /// [`Change::Stop`](super::Change::Stop).
    pub events: Vec<Event>,
}
