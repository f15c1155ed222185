//! Changes: the transitions that a store is asked to make.

use std::sync::Arc;

use super::{Firing, Retention};
use crate::clock::Timestamp;
use crate::models::{
    ArgValue, Custom, Event, Failure, Fence, LogLine, Name, QueueLimits, QueueName, Schedule,
    Sequence, Task, TaskId, Webhook,
};

/// A task that enters.
#[derive(Clone, Debug)]
pub struct Insert {
    /// Its place in the order of acceptance.
    pub sequence: Sequence,
    /// What was asked.
    pub task: Arc<Task>,
    /// The dependencies to look at: those that are not known to have succeeded.
    pub deps: Vec<TaskId>,
    /// Dependencies that live in another store and had not ended; told of with
    /// [`Change::ForeignEnded`].
    pub foreign: Vec<TaskId>,
    /// It starts at once, under this fence.
    pub claim: Option<Fence>,
}

/// One transition, or a bounded slice of one kind of upkeep.
#[derive(Clone, Debug)]
pub enum Change {
    /// A task enters. Refused when its id is taken or a dependency forbids it.
    Insert(Insert),
    /// `RUNNING` → `SUCCEEDED`.
    Complete { sequence: Sequence, fence: Fence, result: Arc<ArgValue> },
    /// `RUNNING` → `SUCCEEDED`, marked as skipped.
    Skip { sequence: Sequence, fence: Fence },
    /// `RUNNING` → `FAILED`.
    Fail { sequence: Sequence, fence: Fence, failure: Failure },
    /// `RUNNING` → `CANCELLED`.
    CancelAttempt { sequence: Sequence, fence: Fence, reason: String },
    /// `RUNNING` → `RETRYING` until `due`. This, and each change after which the task would run
    /// again, ends it `CANCELLED` instead if somebody wished that while it ran.
    Retry { sequence: Sequence, fence: Fence, failure: Failure, due: Timestamp },
    /// `RUNNING` → `PENDING` until `due`; the attempt does not count.
    Snooze { sequence: Sequence, fence: Fence, due: Timestamp },
    /// `RUNNING` → `QUEUED`; the attempt does not count.
    Requeue { sequence: Sequence, fence: Fence },
    /// What the task runs with was decided when it was claimed; later attempts run with the same.
    SetArgs { sequence: Sequence, fence: Fence, args: Vec<ArgValue> },
    /// `RUNNING` → `PENDING` on children that enter with it; the attempt does not count.
    Expand { sequence: Sequence, fence: Fence, children: Vec<Insert> },
    /// A running body asks for a child. One that is there already, from an earlier attempt, is
    /// joined; if it ended badly it runs again.
    Spawn { sequence: Sequence, fence: Fence, child: Insert },
    /// A running body waits for its children, and has no place in its queue and of its key meanwhile;
    /// or goes on, and has one place too many where others took it.
    Suspend { sequence: Sequence, fence: Fence, suspended: bool },
    /// What the next attempt finds; `None` clears it. The task is no suspect any more.
    Checkpoint { sequence: Sequence, fence: Fence, data: Option<Arc<[u8]>> },
    /// How far a running body says it is.
    Progress { sequence: Sequence, fence: Fence, fraction: f64, message: String },
    /// What a running body wrote down. Numbered by whoever writes, from what the claim said; lines
    /// beyond [`MAX_LOG_LINES`](crate::models::MAX_LOG_LINES) are dropped, and so are numbers that
    /// are there already.
    Log { sequence: Sequence, fence: Fence, lines: Vec<LogLine> },
    /// Anything that has not ended → `CANCELLED`; while `RUNNING` the first wish is stored.
    Cancel { id: TaskId, reason: String },
    /// Anything that has ended → `QUEUED`, with all its retries. Dependants that had ended only
    /// because it had wait for it again.
    RetryEnded { id: TaskId, reason: String },
    /// Anything that has ended badly, or was resolved before, → `SUCCEEDED` by hand. Dependants that had ended only because it had
    /// are released.
    Resolve { id: TaskId, result: Arc<ArgValue>, reason: String },
    /// A task that has ended is forgotten.
    Purge { id: TaskId },
    /// A dependency that lives in another store ended, well or badly.
    ForeignEnded { id: TaskId, succeeded: bool },
    /// What is due becomes `QUEUED`, what is over becomes `EXPIRED`; at most `limit` of them. `more`
    /// may be about these or about the dependants of what expired.
    Promote { limit: usize },
    /// The next slice of dependants of tasks that ended.
    NotifyDependants { limit: usize },
    /// Forgets tasks that ended long ago; at most `limit` of them.
    Prune { retention: Retention, limit: usize },
    /// What a queue allows from now on.
    SetQueue { queue: QueueName, limits: QueueLimits },
    /// Whether anything of a queue may start.
    PauseQueue { queue: QueueName, paused: bool },
    /// Something happened that is no change of anything stored; kept for whoever is told durably.
    Announce(Event),
    /// A running body announces something.
    Emit { sequence: Sequence, fence: Fence, custom: Arc<Custom> },
    /// This boot ends as it was told to.
    Stop,
    /// A schedule is this from now on; its runs, counts and first definition stay.
    SetSchedule { schedule: Arc<Schedule>, enabled: bool, next: Option<Timestamp> },
    /// The same of one that was at this revision, and whose next time stays if it has one: it may have
    /// been fired since somebody looked. Another revision: stale.
    RedefineSchedule {
        schedule: Arc<Schedule>,
        enabled: bool,
        next: Option<Timestamp>,
        revision: u64,
    },
    /// Whether a schedule runs, and when next. Nothing if it is so already.
    EnableSchedule { name: Name, enabled: bool, next: Option<Timestamp> },
    /// A schedule is no more.
    DeleteSchedule { name: Name },
    /// Occurrences of a schedule are over.
    Fire(Firing),
    /// Somebody wants a run of a schedule beside its rule.
    Trigger { name: Name, occurrence: Timestamp, run: Insert },
    /// Somebody is told of events from now on.
    SetWebhook(Arc<Webhook>),
    /// And is not any more; what was put aside for him is dropped.
    DeleteWebhook { name: Name },
    /// What was put aside at this place of the outbox becomes this task.
    Deliver { position: u64, delivery: Insert },
}
