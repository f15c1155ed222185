//! The state of queues: settings, and counts of tasks by state.

use crate::clock::Timestamp;
use crate::models::{QueueName, QueueSettings, State};

/// A queue's settings, and how many of its tasks are in which state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueState {
    /// The queue's name.
    pub queue: QueueName,
    /// Limits, and whether the queue is paused.
    pub settings: QueueSettings,
    /// How many tasks are `QUEUED`.
    pub queued: u64,
    /// How many tasks are `RUNNING`.
    pub running: u64,
    /// How many of the running tasks wait for their children and hold no slot meanwhile.
    pub suspended: u64,
    /// How many tasks are `PENDING` or `RETRYING`.
    pub delayed: u64,
    /// How many `FAILED` tasks are kept.
    pub failed: u64,
    /// When the longest waiting claimable task was accepted.
    pub oldest_queued_at: Option<Timestamp>,
}

impl QueueState {
    /// The state of a queue without tasks and with default settings.
    pub fn empty(queue: QueueName) -> Self {
        Self {
            queue,
            settings: QueueSettings::default(),
            queued: 0,
            running: 0,
            suspended: 0,
            delayed: 0,
            failed: 0,
            oldest_queued_at: None,
        }
    }

    /// How many tasks are accepted, and neither run nor have ended.
    pub fn waiting(&self) -> u64 {
        self.queued + self.delayed
    }

    /// Whether the queue has unfinished tasks, or settings other than the default.
    pub fn is_in_use(&self) -> bool {
        self.waiting() + self.running > 0 || self.settings != QueueSettings::default()
    }

    /// Counts `count` more tasks in this state.
    pub(crate) fn add(&mut self, state: State, count: u64) {
        match state {
            State::Queued => self.queued += count,
            State::Running => self.running += count,
            State::Pending | State::Retrying => self.delayed += count,
            State::Failed => self.failed += count,
            State::Succeeded | State::Cancelled | State::Expired => {}
        }
    }

    /// Adds the tasks that another store keeps of the same queue.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.queued += other.queued;
        self.running += other.running;
        self.suspended += other.suspended;
        self.delayed += other.delayed;
        self.failed += other.failed;
        let oldest = [self.oldest_queued_at, other.oldest_queued_at];
        self.oldest_queued_at = oldest.into_iter().flatten().min();
    }

    /// Whether the queue is as [`empty`](Self::empty) makes it: stores do not list it.
    pub(crate) fn is_empty(&self) -> bool {
        self.failed == 0 && !self.is_in_use()
    }
}

/// How many priorities of a queue are searched for its longest waiting task: the highest ones.
pub(crate) const MAX_PRIORITIES: usize = 100;
