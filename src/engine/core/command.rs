//! What the core wants done. Performers carry it out and tell the core what came of it.

use std::sync::Arc;

use crate::error::Error;
use crate::models::{
    Accepted, ArgValue, CancelVerdict, Durability, Ended, Event, Failure, Fence, Outcome,
    QueueLimits, QueueName, Sequence, Task, TaskId,
};
use crate::store::{Change, ChangeResult, ClaimRequest, Position};
use crate::tasks::{Method, TaskError};

/// Something to be done, in the order in which commands come.
#[derive(Debug)]
pub(crate) enum Command<W> {
    /// Commit this; then tell [`Core::committed`](super::Core::committed) with its tag.
    Write(Change, Tag<W>),
    /// Claim these; then tell [`Core::claimed`](super::Core::claimed).
    Claim(Vec<ClaimRequest>),
    /// Read a queue; then tell [`Core::refilled`](super::Core::refilled).
    Refill { queue: QueueName, after: Option<Position>, limit: usize },
    /// Look again at tasks of the durable store that ephemeral ones wait for; then tell
    /// [`Core::rechecked`](super::Core::rechecked) of each.
    Recheck(Vec<TaskId>),
    /// Run a body; then tell [`Core::ended`](super::Core::ended).
    Start(Box<Start>),
    /// Tell a body to stop.
    Signal(Fence),
    /// Drop an async body.
    Abort(Fence),
    /// Tell somebody who waits.
    Answer(W, Answer),
    /// Call a handler's hook.
    Hook(Arc<Method>, Hook),
    /// Wake whoever watches it.
    Touch(Touched),
    /// Tell whoever listens of what happened, and is stored.
    Announce(Vec<Event>),
    /// Wake whoever waits for this.
    Wake(Woken),
}

/// What the engine's users wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Schedules were defined, enabled, disabled, deleted or fired.
    Schedules,
    /// Something was put aside for webhooks.
    Outbox,
}

/// One attempt that is to be performed.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) fence: Fence,
    pub(crate) sequence: Sequence,
    pub(crate) task: Arc<Task>,
    pub(crate) class: Durability,
    /// From 1.
    pub(crate) number: u32,
    pub(crate) method: Arc<Method>,
    pub(crate) found: Found,
}

/// What an attempt finds from those before it. Nothing, at the first.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What an earlier claim decided.
    pub(crate) decided: Option<Vec<ArgValue>>,
    /// What an earlier claim expanded it into.
    pub(crate) children: Vec<TaskId>,
    /// What an earlier attempt saved.
    pub(crate) checkpoint: Option<Arc<[u8]>>,
    /// How many log lines there are.
    pub(crate) log_lines: u32,
    /// Attempts that do not count against its retries.
    pub(crate) attempts_before_retry: u32,
}

/// Whose state or words changed, for whoever watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    /// A task that has not ended, or has just come back.
    At(Sequence),
    /// A task that came in or ended.
    Named(TaskId),
}

/// What whoever waits is told.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The task has its outcome, and it is stored.
    Ended(Arc<Ended>),
    /// The task is stored.
    Accepted(Accepted),
    /// The task was not taken in.
    Refused(Error),
    /// Another request with that id was under way and is decided now: ask again.
    AskAgain,
    /// What a wish to cancel did.
    Cancel(CancelVerdict),
    /// What the store said to a write.
    Said(ChangeResult),
}

/// What a write was for.
#[derive(Debug)]
pub(crate) enum Tag<W> {
    /// A task that enters; with a fence, if its body started beside.
    Insert { id: TaskId, queue: QueueName, fence: Option<Fence> },
    /// The end of an attempt, or of its claim.
    Attempt { fence: Fence, id: TaskId },
    /// Something that a running attempt waits for, or whoever has a task enter. Counted as waiting in
    /// that queue, if it is a task that enters.
    During { waiter: W, entering: Option<QueueName> },
    /// Something that a running attempt says without waiting for an answer.
    Said(Sequence),
    /// Runs of a schedule, counted as waiting in these queues.
    Firing { waiter: W, queues: Vec<QueueName> },
    /// Somebody defined a schedule, or decided whether it runs.
    Schedule(W),
    /// What this process says about itself.
    Node,
    /// The last change.
    Stop,
    /// Something that people did.
    ByHand(W),
    /// They had a task forgotten.
    Forget { waiter: W, id: TaskId },
    /// What people decided about a queue.
    Queue { waiter: W, queue: QueueName, decided: Decided },
    /// A wish to cancel.
    Cancel { waiter: W, reason: String },
    /// Due tasks.
    Promote,
    /// Old tasks.
    Prune,
    /// Dependants of tasks that ended; and tasks that were claimed and put back unstarted.
    Release,
}

/// What people decided about a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Decided {
    /// What it allows.
    Limits(QueueLimits),
    /// Whether anything of it may start.
    Paused(bool),
}

/// A hook of a [`TaskHandler`](crate::tasks::TaskHandler) that is to be called.
#[derive(Debug)]
pub(crate) enum Hook {
    Retry { task: Arc<Task>, attempt: u32, error: TaskError },
    Success(Arc<Task>, Outcome),
    Failure(Arc<Task>, Outcome),
}

/// How an attempt came to its end.
#[derive(Debug)]
pub(crate) enum AttemptEnd {
    /// The body returned.
    Returned(Result<Arc<ArgValue>, TaskError>),
    /// It cannot have an outcome but this one: a panic may be retried, a result that is too large not.
    Failed { failure: Failure, retryable: bool },
    /// It was dropped after its grace.
    Aborted,
    /// Its handler decided not to run it.
    Skipped,
    /// Its handler decided to run these first.
    Expanded(Vec<Arc<Task>>),
}

/// Somebody who waits for an answer.
pub(crate) trait Waiter {
    /// Nobody listens any more.
    fn is_gone(&self) -> bool;
}
