//! Requests and answers of `TaskSystem`.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::models::{
    ArgValue, Durability, Ended, HistoryEntry, Keys, Labels, OnDependencyFailure, Outcome,
    Sequence, State, Task, TaskFilter, TaskId,
};

/// A request for a task; not validated yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The task's id, for idempotency; `None`: the server generates one.
    pub id: Option<TaskId>,
    /// The method: `[namespace/]name[@version]`.
    pub method: String,
    /// The arguments.
    pub args: Vec<ArgValue>,
    /// The task's dependencies: tasks that must end before it.
    pub deps: Vec<TaskId>,
    /// The options; `None` if all have their defaults.
    pub options: Option<Box<TaskOptions>>,
}

impl Request {
    /// A request for this method without arguments, with default options.
    pub fn of(method: impl Into<String>) -> Self {
        Self { method: method.into(), ..Self::default() }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<ArgValue>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets the task's id.
    #[must_use]
    pub fn named(mut self, id: TaskId) -> Self {
        self.id = Some(id);
        self
    }

    /// Sets options.
    #[must_use]
    pub fn with(mut self, set: impl FnOnce(&mut TaskOptions)) -> Self {
        set(self.options.get_or_insert_default());
        self
    }
}

/// The options of a request. An option that is `None` has the method's default, or else the server's.
/// The fields are named as on the wire, as error messages show them: `options.queue`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskOptions {
    /// The queue.
    pub queue: Option<String>,
    /// The priority: higher runs first.
    pub priority: Option<i32>,
    /// The earliest start.
    pub start: Option<StartTime>,
    /// The time to live: a task that has not started by then expires.
    pub expiry: Option<StartTime>,
    /// The timeout of one attempt.
    pub timeout: Option<Duration>,
    /// The number of attempts after the first.
    pub retries: Option<u32>,
    /// The delay after the first attempt.
    pub backoff_base: Option<Duration>,
    /// The factor by which the delay grows with each attempt.
    pub backoff_multiplier: Option<f64>,
    /// The longest delay.
    pub backoff_max: Option<Duration>,
    /// The random part of the delay, from 0 to 1.
    pub jitter: Option<f64>,
    /// Whether the task waits for dependencies that have not ended.
    pub wait_for_dependencies: bool,
    /// What happens to the task when a dependency fails.
    pub on_dependency_failure: Option<OnDependencyFailure>,
    /// Whether the task survives the process.
    pub durability: Option<Durability>,
    /// Tags and descriptions.
    pub labels: Labels,
    /// The concurrency key and the unique key.
    pub keys: Keys,
}

/// A requested time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartTime {
    /// At this time.
    At(Timestamp),
    /// This long after the request is accepted.
    After(Duration),
}

/// The answer to an accepted request.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// The task's id.
    pub id: TaskId,
    /// The task's state.
    pub state: State,
    /// Whether this task had been accepted before, with the same id and content or the same unique key.
    pub joined: bool,
    /// Whether the request replaced the arguments of a task with the same unique key.
    pub replaced: bool,
}

impl Accepted {
    /// The answer to a request for a task that exists already.
    pub(crate) fn joined(id: &TaskId, state: State) -> Self {
        Self { id: id.clone(), state, joined: true, replaced: false }
    }
}

/// Everything that the server knows about a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The task as it was accepted.
    pub task: Arc<Task>,
    /// Its position in the order of acceptance; `None` if only its outcome is known.
    pub sequence: Option<Sequence>,
    /// Its state.
    pub state: State,
    /// The number of attempts that started.
    pub attempts: u32,
    /// The number of attempts that a crash of the server ended.
    pub rescues: u32,
    /// When the latest attempt started.
    pub started_at: Option<Timestamp>,
    /// When it is due, if it waits for a time.
    pub due_at: Option<Timestamp>,
    /// The number of unmet dependencies.
    pub unmet: u32,
    /// Whether it is cancelled but its handler has not stopped yet.
    pub cancel_requested: bool,
    /// Its outcome, if it has ended.
    pub outcome: Option<Outcome>,
    /// Its history: at most [`MAX_HISTORY`](crate::models::MAX_HISTORY) entries.
    pub history: Vec<HistoryEntry>,
    /// How many entries were dropped after the first one.
    pub history_dropped: u32,
    /// The handler's last progress report: a fraction and a message; `(0, "")` before the first.
    pub progress: (f64, String),
    /// The size of the checkpoint, in bytes.
    pub checkpoint_bytes: usize,
    /// The number of log lines that are kept.
    pub log_lines: u32,
    /// Whether an operator set the outcome manually.
    pub resolved: bool,
    /// Why it cannot be claimed although it is `QUEUED`.
    pub blocked_by: Option<BlockedBy>,
}

/// Why a task that is `QUEUED` cannot be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockedBy {
    /// The concurrency limit or the rate limit of its concurrency key is reached.
    ConcurrencyKey,
    /// The task may have crashed the server, and another such suspect runs.
    Quarantine,
}

impl Snapshot {
    /// The snapshot of a task of which only the outcome is known.
    pub fn of_ended(ended: &Ended) -> Self {
        let Ended { task, outcome } = ended;
        let entry = |state, at, attempt, error| HistoryEntry { state, at, attempt, error };
        let mut history = Vec::with_capacity(2);
        if let Some(at) = outcome.started_at {
            history.push(entry(State::Running, at, outcome.attempts, None));
        }
        let error = outcome.failure().map(|failure| failure.message);
        history.push(entry(outcome.state(), outcome.ended_at, outcome.attempts, error));
        Self {
            task: task.clone(),
            sequence: None,
            state: outcome.state(),
            attempts: outcome.attempts,
            rescues: 0,
            started_at: outcome.started_at,
            due_at: None,
            unmet: 0,
            cancel_requested: false,
            outcome: Some(outcome.clone()),
            history,
            history_dropped: 0,
            progress: (0.0, String::new()),
            checkpoint_bytes: 0,
            log_lines: 0,
            resolved: false,
            blocked_by: None,
        }
    }
}

/// A request to cancel tasks: by id, and by filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CancelRequest {
    /// The ids of tasks.
    pub ids: Vec<TaskId>,
    /// A filter: every task that it selects and that has not ended.
    pub matching: Option<TaskFilter>,
    /// The reason, kept with each task.
    pub reason: String,
}

/// The effect of a cancel on one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelVerdict {
    /// The task was waiting and is cancelled.
    Cancelled,
    /// The task is running; its handler is notified.
    Requested,
    /// The task had ended before, in this state.
    AlreadyEnded(State),
    /// No such task.
    NotFound,
}

/// The result of retrying or resolving a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminResult {
    /// The task's state now.
    pub state: State,
    /// How many dependants, which had failed because of it, are retried with it. Dependants that the server
    /// is still processing are not counted.
    pub retried_dependants: u32,
}

/// The result of a purge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// How many tasks were deleted.
    pub purged: u64,
    /// Whether more tasks may match.
    pub more: bool,
}
