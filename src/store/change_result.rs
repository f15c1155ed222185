//! The results of changes.

use std::sync::Arc;

use super::ClaimableTask;
use crate::clock::Timestamp;
use crate::models::{CancelVerdict, Ended, Event, Fence, QueueName, Snapshot, State, Task, TaskId};

/// The outcome of one change, with everything that followed from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// The result of the change itself.
    pub result: ChangeResult,
    /// Tasks that became claimable.
    pub ready: Vec<ClaimableTask>,
    /// Tasks that ended.
    pub ended: Vec<Arc<Ended>>,
    /// Ended tasks that are to run again.
    pub retried: Vec<Arc<Task>>,
    /// Running attempts to cancel, because their parents ended or were replaced, with the reason.
    pub signals: Vec<(Fence, String)>,
    /// The slice was full: request the next one.
    pub more: bool,
    /// The events, in order.
    pub events: Vec<Event>,
    /// Whether events were written to the outbox.
    pub outbox_written: bool,
}

/// The result of one change.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ChangeResult {
    /// The change was applied, now or by an earlier copy of the same write.
    #[default]
    Done,
    /// The task was inserted, in this state.
    Inserted(State),
    /// This task has the id already.
    IdConflict(Box<Snapshot>),
    /// This task holds the unique key; `replaced`: it runs with the arguments of the new request.
    UniqueConflict { first: Box<Snapshot>, replaced: bool },
    /// Another task holds the unique key, and the request refuses conflicts, or cannot replace the
    /// holder because methods differ or one of the two has dependencies.
    UniqueRefused,
    /// The task was retried, or resolved with this outcome, and this many dependants were retried
    /// with it.
    Changed { state: State, retried_dependants: u32, ended: Option<Arc<Ended>> },
    /// There is no such task, schedule, webhook or outbox entry.
    NotFound,
    /// The task is in this state, which does not permit the change.
    WrongState(State),
    /// An unfinished task depends on it, or spawned it.
    InUse,
    /// A dependency forbids the insert.
    Unmet { dependency: TaskId, problem: DependencyProblem },
    /// The task waits for its children. The children in these queues were not inserted: they
    /// existed, or were refused.
    Expanded { joined: Vec<QueueName> },
    /// The limit on their number is reached.
    LimitReached,
    /// Which runs of a firing were inserted, in the order of the request.
    Fired { entered: Vec<bool> },
    /// The fence is not the task's latest, or the schedule has changed meanwhile.
    Stale,
    /// The verdict on a cancel request, and the running attempt to cancel.
    Cancel { result: CancelVerdict, running: Option<Fence> },
}

/// Why a dependency forbids a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DependencyProblem {
    /// No such task.
    Unknown,
    /// It has not ended, and the request does not permit waiting.
    Unfinished,
    /// It ended in this state, and not `SUCCEEDED`.
    Failed(State),
}

/// The results of a commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// One for each change, in order.
    pub applied: Vec<Applied>,
    /// When the next task is due or expires, as far as the store knows.
    pub due: Option<Timestamp>,
}
