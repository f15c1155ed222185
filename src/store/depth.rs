//! How many tasks of a queue there are, by how they stand.

use crate::clock::Timestamp;
use crate::models::{QueueName, State};

/// How deep a queue is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDepth {
    /// Which queue.
    pub queue: QueueName,
    /// Nothing of it starts.
    pub paused: bool,
    /// How many are `QUEUED`.
    pub queued: u64,
    /// How many are `RUNNING`.
    pub running: u64,
    /// How many are `PENDING` or `RETRYING`.
    pub delayed: u64,
    /// How many are kept that are `FAILED`.
    pub failed: u64,
    /// When the one was accepted that can be claimed and has waited longest.
    pub oldest_queued_at: Option<Timestamp>,
}

impl QueueDepth {
    /// That of a queue which holds nothing.
    pub fn of(queue: QueueName) -> Self {
        Self {
            queue,
            paused: false,
            queued: 0,
            running: 0,
            delayed: 0,
            failed: 0,
            oldest_queued_at: None,
        }
    }

    /// Counts so many tasks in that state, too.
    pub(crate) fn add(&mut self, state: State, count: u64) {
        match state {
            State::Queued => self.queued += count,
            State::Running => self.running += count,
            State::Pending | State::Retrying => self.delayed += count,
            State::Failed => self.failed += count,
            State::Succeeded | State::Cancelled | State::Expired => {}
        }
    }

    /// Joins what another store holds of the same queue.
    pub(crate) fn join(&mut self, other: &Self) {
        self.queued += other.queued;
        self.running += other.running;
        self.delayed += other.delayed;
        self.failed += other.failed;
        let oldest = [self.oldest_queued_at, other.oldest_queued_at];
        self.oldest_queued_at = oldest.into_iter().flatten().min();
    }

    /// Whether it holds nothing and nothing was decided about it.
    pub(crate) fn is_idle(&self) -> bool {
        *self == Self::of(self.queue.clone())
    }
}

/// How many priorities of one queue are looked through for the task that has waited longest: the
/// highest ones.
pub(crate) const PRIORITIES: usize = 100;
