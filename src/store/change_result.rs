//! The results of changes.

use std::sync::Arc;

use super::ClaimableTask;
use crate::clock::Timestamp;
use crate::models::{CancelVerdict, Ended, Event, Fence, QueueName, Snapshot, State, Task, TaskId};

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
