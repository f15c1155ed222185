//! The commands of the core. Performers carry them out and report the results to the core.

use std::sync::Arc;

use crate::error::Error;
use crate::models::{
    Accepted, ArgValue, CancelVerdict, Durability, Ended, Event, Failure, Fence, Outcome,
    QueueLimits, QueueName, Sequence, Task, TaskId,
};
use crate::store::{Change, ChangeResult, ClaimRequest, Claimed, Position};
use crate::tasks::{Method, TaskError};

/// A command. Performers carry commands out in the order in which the core returns them.
#[derive(Debug)]
pub(crate) enum Command<W> {
    /// Commit this change; then call [`Core::committed`](super::Core::committed) with its tag.
    Write(Change, Tag<W>),
    /// Claim these tasks; then call [`Core::claimed`](super::Core::claimed).
    Claim(Vec<ClaimRequest>),
    /// Read a queue; then call [`Core::refilled`](super::Core::refilled).
    Refill { queue: QueueName, after: Option<Position>, limit: usize },
    /// Read tasks of the durable store that ephemeral tasks wait for; then call
    /// [`Core::rechecked`](super::Core::rechecked) for each.
    Recheck(Vec<TaskId>),
    /// Run a handler; then call [`Core::ended`](super::Core::ended).
    Start(Box<StartAttempt>),
    /// Signal a handler to stop.
    Signal(Fence),
    /// Drop an async handler.
    Abort(Fence),
    /// Answer a waiter.
    Answer(W, Answer),
    /// Call a hook of a handler.
    Hook(Arc<Method>, Hook),
    /// Wake the watchers of a task.
    NotifyWatchers(WatchKey),
    /// Publish events, which are stored.
    Announce(Vec<Event>),
    /// Wake a service.
    Wake(WakeTarget),
}

/// A service that waits for changes in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WakeTarget {
    /// Schedules were defined, enabled, disabled, deleted or fired.
    Schedules,
    /// An entry was written to the outbox.
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

/// A task whose state or output changed, for its watchers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WatchKey {
    /// A task that has not ended, or was just retried.
    Sequence(Sequence),
    /// A task that was inserted or has ended.
    Id(TaskId),
}

/// The answer to a waiter.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The task has its outcome, and it is stored.
    Ended(Arc<Ended>),
    /// The task is stored.
    Accepted(Accepted),
    /// The request was refused, or its write failed.
    Refused(Error),
    /// Another request with the id is decided now: submit again.
    Resubmit,
    /// What a cancel did.
    Cancel(CancelVerdict),
    /// The store's result of a write.
    Result(ChangeResult),
}

/// What a write was for.
#[derive(Debug)]
pub(crate) enum Tag<W> {
    /// The insert of a task; with a fence, if its handler started before.
    Insert { id: TaskId, queue: QueueName, fence: Option<Fence> },
    /// The conclusion of an attempt.
    Attempt { fence: Fence, id: TaskId },
    /// A call of a running attempt, or a task of the system. `enqueued` is the queue in which a new
    /// task was counted as waiting.
    HostCall { waiter: W, enqueued: Option<QueueName> },
    /// Output of a running attempt, which does not wait for it.
    Output(Sequence),
    /// Runs of a schedule, which were counted as waiting in these queues.
    Firing { waiter: W, queues: Vec<QueueName> },
    /// A change of a schedule.
    Schedule(W),
    /// An event of this node.
    Node,
    /// The last change.
    Stop,
    /// A write of an operator.
    Admin(W),
    /// The purge of a task.
    Purge { waiter: W, id: TaskId },
    /// A change of the settings of a queue.
    Queue { waiter: W, queue: QueueName, change: QueueChange },
    /// A cancel.
    Cancel { waiter: W, reason: String },
    /// The promotion of due tasks.
    Promote,
    /// The pruning of ended tasks.
    Prune,
    /// A write without a waiter: notified dependants, or a claimed task that is requeued unstarted.
    Background,
}

/// A change of the settings of a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum QueueChange {
    Limits(QueueLimits),
    Paused(bool),
}

/// A hook of a [`TaskHandler`](crate::tasks::TaskHandler) to call.
#[derive(Debug)]
pub(crate) enum Hook {
    Retry { task: Arc<Task>, attempt: u32, error: TaskError },
    Success(Arc<Task>, Outcome),
    Failure(Arc<Task>, Outcome),
}

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum AttemptEnd {
    /// The handler returned.
    Returned(Result<Arc<ArgValue>, TaskError>),
    /// The handler panicked, which is retryable, or its result is too large, which is not.
    Failed { failure: Failure, retryable: bool },
    /// The handler was dropped after its grace.
    Aborted,
    /// The handler skipped the task.
    Skipped,
    /// The handler expanded the task into these children.
    Expanded(Vec<Arc<Task>>),
}

/// A caller that waits for an answer.
pub(crate) trait Waiter {
    /// Whether the caller went away and needs no answer.
    fn is_gone(&self) -> bool;
}
