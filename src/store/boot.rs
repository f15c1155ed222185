//! Options and report of opening a store.

use super::QueueState;
use crate::clock::Timestamp;
use crate::models::{Event, Sequence};

/// What begins a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// When.
    pub now: Timestamp,
    /// After how many ends of a process a task that ran at each of them is a suspect, and quarantined
    /// at the next one; 0: never.
    pub suspect_after: u32,
}

/// What a boot begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenReport {
    /// The number of this boot.
    pub epoch: u64,
    /// The first place in the order of acceptance that was never given.
    pub next_sequence: Sequence,
    /// Queues that hold something or were decided about.
    pub queues: Vec<QueueState>,
    /// How many tasks were put back into their queues.
    pub rescued: u64,
    /// How many were ended because they ran at one end of a process too many.
    pub quarantined: u64,
    /// When the next task is due.
    pub due: Option<Timestamp>,
    /// What happened: to those tasks, and to the boot before if it ended without stopping.
    pub events: Vec<Event>,
}
