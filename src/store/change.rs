//! What a store is told and what it answers.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::models::{
    ArgValue, CancelVerdict, Custom, Ended, Event, Failure, Fence, LogLine, Name, QueueLimits,
    QueueName, QueueSettings, Schedule, ScheduleStatus, Sequence, Snapshot, State, Task, TaskId,
    Webhook,
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

/// What becomes of the occurrences of a schedule that are over.
#[derive(Clone, Debug)]
pub struct Firing {
    /// Whose.
    pub name: Name,
    /// The schedule's revision and its next time as it was when this was decided; if they are others
    /// by now, the firing is stale.
    pub revision: u64,
    /// See above.
    pub due: Timestamp,
    /// The runs, by occurrence. Whether one before them has ended is looked at when they enter.
    pub runs: Vec<(Timestamp, Insert)>,
    /// How many occurrences are left out, and the last of them.
    pub missed: Option<(u64, Timestamp)>,
    /// When it runs next.
    pub next: Option<Timestamp>,
}

/// Schedules whose time has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DueSchedules {
    /// The earliest first.
    pub due: Vec<ScheduleStatus>,
    /// When the first of all others is due.
    pub next: Option<Timestamp>,
}

/// How long tasks that ended are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Those that succeeded.
    pub succeeded: RetentionLimit,
    /// The others.
    pub others: RetentionLimit,
}

/// How long tasks that ended in one way are kept: until either bound is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionLimit {
    /// After its end.
    pub max_age: Duration,
    /// The most of them.
    pub max_count: usize,
}

/// A task's place in its queue. The smallest is the next: strict priority, then first in, first out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Higher first.
    pub priority: i32,
    /// Lower first.
    pub sequence: Sequence,
}

impl Ord for Position {
    fn cmp(&self, other: &Self) -> Ordering {
        (Reverse(self.priority), self.sequence).cmp(&(Reverse(other.priority), other.sequence))
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A task that can be claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimableTask {
    /// Its queue.
    pub queue: QueueName,
    /// Where it stands there.
    pub position: Position,
    /// The method as written.
    pub method: Arc<str>,
}

/// What came of one change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// What was said to it.
    pub result: ChangeResult,
    /// Tasks that became claimable.
    pub ready: Vec<ClaimableTask>,
    /// Tasks that ended.
    pub ended: Vec<Arc<Ended>>,
    /// Tasks that had ended and have not any more.
    pub retried: Vec<Arc<Task>>,
    /// Running tasks that are to be told to stop, in the wake of their parents' ends; and why.
    pub signals: Vec<(Fence, String)>,
    /// A slice was full: ask for the next one.
    pub more: bool,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Some of it was put aside for webhooks.
    pub outbox_written: bool,
}

/// What was said to one change.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ChangeResult {
    /// It was made (or had been made before, by the same words).
    #[default]
    Done,
    /// A task entered, in this state.
    Inserted(State),
    /// The id is taken by this task.
    IdConflict(Box<Snapshot>),
    /// The unique key is this task's; `replaced` says whether it runs with the newcomer's arguments.
    UniqueConflict { first: Box<Snapshot>, replaced: bool },
    /// The unique key is another task's, and the newcomer was to be refused then, or cannot take its
    /// place because it asks for another method or has dependencies.
    UniqueRefused,
    /// It runs again, or was resolved and has this outcome; so many dependants were brought back with
    /// it at once.
    Changed { state: State, retried_dependants: u32, ended: Option<Arc<Ended>> },
    /// No such task.
    NotFound,
    /// It is in this state, in which it cannot be changed so: it has not ended, or has ended well.
    WrongState(State),
    /// Somebody unfinished needs it: it depends on it, or has spawned it.
    InUse,
    /// A dependency forbids it.
    Unmet { dependency: TaskId, problem: DependencyProblem },
    /// The task waits for its children. Those in these queues did not come in: they had been there
    /// before, or were refused.
    Expanded { joined: Vec<QueueName> },
    /// There are as many of them as there may be.
    LimitReached,
    /// Of the runs of a schedule, these came in: one for each asked for.
    Fired { entered: Vec<bool> },
    /// The fence is not the task's latest; the schedule is another by now.
    Stale,
    /// What became of a wish to cancel, and the claim that is to be told.
    Cancel { result: CancelVerdict, running: Option<Fence> },
}

/// Why a dependency forbids a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DependencyProblem {
    /// No such task.
    Unknown,
    /// It has not ended, and the request did not ask to wait.
    Unfinished,
    /// It ended badly.
    Failed(State),
}

/// What came of a commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// One for each change.
    pub applied: Vec<Applied>,
    /// When the next task is due or over, as far as is known.
    pub due: Option<Timestamp>,
}

/// A claim that somebody would like to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Which task.
    pub sequence: Sequence,
    /// The number that the claim is to have.
    pub fence: Fence,
}

/// A task that was given to whoever asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// Its place in the order of acceptance.
    pub sequence: Sequence,
    /// The number of this claim.
    pub fence: Fence,
    /// What was asked.
    pub task: Arc<Task>,
    /// The number of the attempt that begins, from 1.
    pub attempt: u32,
    /// What an earlier claim decided.
    pub resolved_args: Option<Vec<ArgValue>>,
    /// The children that an earlier claim expanded it into, which have ended.
    pub children: Vec<TaskId>,
    /// What an earlier attempt saved.
    pub checkpoint: Option<Arc<[u8]>>,
    /// How many log lines there are.
    pub log_lines: u32,
    /// Attempts that do not count against its retries: those made before somebody had it run again.
    pub attempts_before_retry: u32,
}

/// What came of a wish to claim.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// One for each wish; `None` where it could not be had.
    pub claimed: Vec<Option<Claimed>>,
    /// Tasks that became claimable: the next ones with a key whose rate has room.
    pub ready: Vec<ClaimableTask>,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Some of it was put aside for webhooks.
    pub outbox_written: bool,
    /// When the next task is due or over, as far as is known.
    pub due: Option<Timestamp>,
}

/// How a queue stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueStatus {
    /// Which queue.
    pub queue: QueueName,
    /// What people decided about it.
    pub settings: QueueSettings,
    /// How many are accepted and neither run nor have ended.
    pub waiting: u64,
    /// How many run.
    pub running: u64,
}

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
    pub queues: Vec<QueueStatus>,
    /// How many tasks were put back into their queues.
    pub rescued: u64,
    /// How many were ended because they ran at one end of a process too many.
    pub quarantined: u64,
    /// When the next task is due.
    pub due: Option<Timestamp>,
    /// What happened: to those tasks, and to the boot before if it ended without stopping.
    pub events: Vec<Event>,
}
