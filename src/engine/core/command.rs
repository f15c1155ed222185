//! What the core wants done. Performers carry it out and tell the core what came of it.

use std::sync::Arc;

use crate::error::Error;
use crate::models::{
    Accepted, ArgValue, CancelVerdict, Durability, Ended, Event, Failure, Fence, Outcome,
    QueueLimits, QueueName, Sequence, Task, TaskId,
};
use crate::store::{Change, ChangeResult, ClaimRequest, Claimed, Position};
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
    Start(Box<StartAttempt>),
    /// Tell a body to stop.
    Signal(Fence),
    /// Drop an async body.
    Abort(Fence),
    /// Tell somebody who waits.
    Answer(W, Answer),
    /// Call a handler's hook.
    Hook(Arc<Method>, Hook),
    /// Wake whoever watches it.
    NotifyWatchers(WatchKey),
    /// Tell whoever listens of what happened, and is stored.
    Announce(Vec<Event>),
    /// Wake whoever waits for this.
    Wake(WakeTarget),
}

/// What the engine's users wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WakeTarget {
    /// Schedules were defined, enabled, disabled, deleted or fired.
    Schedules,
    /// Something was put aside for webhooks.
    Outbox,
}

/// One attempt to run.
#[derive(Debug)]
pub(crate) struct StartAttempt {
    /// The task, the fence of the attempt and what earlier attempts left.
    pub(crate) claimed: Claimed,
    pub(crate) durability: Durability,
    pub(crate) method: Arc<Method>,
}

/// Whose state or words changed, for whoever watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WatchKey {
    /// A task that has not ended, or has just come back.
    Sequence(Sequence),
    /// A task that came in or ended.
    Id(TaskId),
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
    Resubmit,
    /// What a wish to cancel did.
    Cancel(CancelVerdict),
    /// The store's result of a write.
    Result(ChangeResult),
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
    HostCall { waiter: W, enqueued: Option<QueueName> },
    /// Something that a running attempt says without waiting for an answer.
    Output(Sequence),
    /// Runs of a schedule, counted as waiting in these queues.
    Firing { waiter: W, queues: Vec<QueueName> },
    /// Somebody defined a schedule, or decided whether it runs.
    Schedule(W),
    /// What this process says about itself.
    Node,
    /// The last change.
    Stop,
    /// Something that people did.
    Admin(W),
    /// They had a task forgotten.
    Purge { waiter: W, id: TaskId },
    /// What people decided about a queue.
    Queue { waiter: W, queue: QueueName, decided: QueueChange },
    /// A wish to cancel.
    Cancel { waiter: W, reason: String },
    /// Due tasks.
    Promote,
    /// Old tasks.
    Prune,
    /// Dependants of tasks that ended; and tasks that were claimed and put back unstarted.
    Background,
}

/// What people decided about a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum QueueChange {
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
