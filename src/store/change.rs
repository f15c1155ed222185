//! Changes: the transitions that a store is asked to make.

use std::sync::Arc;

use super::{Firing, Retention};
use crate::clock::Timestamp;
use crate::models::{
    ArgValue, Custom, Event, Failure, Fence, LogLine, Name, QueueLimits, QueueName, Schedule,
    Sequence, Task, TaskId, Webhook,
};

/// A task to insert.
#[derive(Clone, Debug)]
pub struct Insert {
    /// Its number in the order of acceptance.
    pub sequence: Sequence,
    /// The task as requested.
    pub task: Arc<Task>,
    /// The dependencies to check: those that are not known to have succeeded.
    pub deps: Vec<TaskId>,
    /// Unfinished dependencies that live in another store; [`Change::ForeignEnded`] reports their
    /// ends.
    pub foreign: Vec<TaskId>,
    /// With a fence, the task starts at once, claimed under it.
    pub claim: Option<Fence>,
}

/// One transition, or one bounded slice of upkeep.
#[derive(Clone, Debug)]
pub enum Change {
    /// Inserts a task. Refused if its id or unique key is taken or a dependency forbids it.
    Insert(Insert),
    /// `RUNNING` → `SUCCEEDED`.
    Complete { sequence: Sequence, fence: Fence, result: Arc<ArgValue> },
    /// `RUNNING` → `SUCCEEDED`, marked as skipped.
    Skip { sequence: Sequence, fence: Fence },
    /// `RUNNING` → `FAILED`.
    Fail { sequence: Sequence, fence: Fence, failure: Failure },
    /// `RUNNING` → `CANCELLED`.
    CancelAttempt { sequence: Sequence, fence: Fence, reason: String },
    /// `RUNNING` → `RETRYING` until `due`. If a cancel was requested while the task ran, this
    /// change, and every other after which the task would run again, ends it `CANCELLED` instead.
    Retry { sequence: Sequence, fence: Fence, failure: Failure, due: Timestamp },
    /// `RUNNING` → `PENDING` until `due`; the attempt does not count.
    Snooze { sequence: Sequence, fence: Fence, due: Timestamp },
    /// `RUNNING` → `QUEUED`; the attempt does not count.
    Requeue { sequence: Sequence, fence: Fence },
    /// Stores the arguments that were resolved at the claim; later attempts run with the same.
    SetArgs { sequence: Sequence, fence: Fence, args: Vec<ArgValue> },
    /// `RUNNING` → `PENDING` on children that are inserted with it; the attempt does not count.
    Expand { sequence: Sequence, fence: Fence, children: Vec<Insert> },
    /// Inserts a child of a running task. A child of an earlier attempt is joined, and retried if
    /// it failed.
    Spawn { sequence: Sequence, fence: Fence, child: Insert },
    /// Suspends a running attempt while it waits for its children: it gives back its slot and its
    /// place of the concurrency key. Or resumes it, even if that exceeds the limits.
    Suspend { sequence: Sequence, fence: Fence, suspended: bool },
    /// Stores what the next attempt resumes from; `None` clears it. The task is no quarantine
    /// candidate any more.
    Checkpoint { sequence: Sequence, fence: Fence, data: Option<Arc<[u8]>> },
    /// Stores the progress of a running attempt.
    Progress { sequence: Sequence, fence: Fence, fraction: f64, message: String },
    /// Appends log lines of a running attempt. The caller numbers them on from
    /// [`Claimed::log_lines`](super::Claimed::log_lines); known numbers, and lines beyond
    /// [`MAX_LOG_LINES`](crate::models::MAX_LOG_LINES), are dropped.
    Log { sequence: Sequence, fence: Fence, lines: Vec<LogLine> },
    /// Unfinished → `CANCELLED`. A running task gets the request to cancel; the first reason is
    /// kept.
    Cancel { id: TaskId, reason: String },
    /// Ended → `QUEUED`, with all its retries. Dependants that failed only because of it wait for
    /// it again.
    RetryEnded { id: TaskId, reason: String },
    /// Failed, cancelled, expired, or resolved before → `SUCCEEDED`, with a result given manually.
    /// Dependants that failed only because of it run.
    Resolve { id: TaskId, result: Arc<ArgValue>, reason: String },
    /// Deletes an ended task.
    Purge { id: TaskId },
    /// Reports that a dependency in another store ended.
    ForeignEnded { id: TaskId, succeeded: bool },
    /// Queues due tasks and expires overdue ones, at most `limit`. `more` can be about these, or
    /// about the dependants of the expired ones.
    Promote { limit: usize },
    /// Notifies the next dependants of ended tasks, at most `limit` and one [slice](super::OpenOptions::notify_slice).
    NotifyDependants { limit: usize },
    /// Deletes ended tasks that exceed the retention, at most `limit`.
    Prune { retention: Retention, limit: usize },
    /// Sets the limits of a queue.
    SetQueue { queue: QueueName, limits: QueueLimits },
    /// Pauses or resumes a queue.
    PauseQueue { queue: QueueName, paused: bool },
    /// Emits an event that no stored change causes, and writes it to the outbox for webhooks.
    Announce(Event),
    /// Emits an event of a running attempt.
    Emit { sequence: Sequence, fence: Fence, custom: Arc<Custom> },
    /// Marks this boot as ended by a graceful shutdown.
    Stop,
    /// Creates or replaces a schedule. Its runs, counts and time of creation stay.
    SetSchedule { schedule: Arc<Schedule>, enabled: bool, next: Option<Timestamp> },
    /// Replaces a schedule that is at this revision, else
    /// [`ChangeResult::Stale`](super::ChangeResult::Stale). A next time that it has stays: it may
    /// have fired meanwhile.
    RedefineSchedule {
        schedule: Arc<Schedule>,
        enabled: bool,
        next: Option<Timestamp>,
        revision: u64,
    },
    /// Enables or disables a schedule. No change if it is so already.
    EnableSchedule { name: Name, enabled: bool, next: Option<Timestamp> },
    /// Deletes a schedule.
    DeleteSchedule { name: Name },
    /// Runs or skips due occurrences of a schedule.
    Fire(Firing),
    /// Runs a schedule once, manually, beside its rule.
    Trigger { name: Name, occurrence: Timestamp, run: Insert },
    /// Creates or replaces a webhook.
    SetWebhook(Arc<Webhook>),
    /// Deletes a webhook and its outbox entries.
    DeleteWebhook { name: Name },
    /// Turns an outbox entry into a delivery task.
    Deliver { position: u64, delivery: Insert },
}
