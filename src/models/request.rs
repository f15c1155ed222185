//! What callers ask for and are told, in the words of the facade.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::models::{
    ArgValue, Durability, Ended, HistoryEntry, Keys, Labels, OnDependencyFailure, Outcome,
    Sequence, State, Task, TaskFilter, TaskId,
};

/// A task as somebody asks for it; not checked yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// `None`: the server gives one.
    pub id: Option<TaskId>,
    /// `[namespace/]name[@version]`.
    pub method: String,
    /// The arguments.
    pub args: Vec<ArgValue>,
    /// Tasks that must have ended first.
    pub deps: Vec<TaskId>,
    /// The rest; nearly always absent.
    pub options: Option<Box<TaskOptions>>,
}

impl Request {
    /// A request for this method, without arguments; everything else is as the server sees fit.
    pub fn of(method: impl Into<String>) -> Self {
        Self { method: method.into(), ..Self::default() }
    }

    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<ArgValue>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// With this id.
    #[must_use]
    pub fn named(mut self, id: TaskId) -> Self {
        self.id = Some(id);
        self
    }

    /// With these options.
    #[must_use]
    pub fn with(mut self, set: impl FnOnce(&mut TaskOptions)) -> Self {
        set(self.options.get_or_insert_default());
        self
    }
}

/// The options that a request names. What is `None` comes from the method, then from the server.
/// The field names are those of the wire, for error messages: `options.delay`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskOptions {
    /// The line to stand in.
    pub queue: Option<String>,
    /// Higher first.
    pub priority: Option<i32>,
    /// When it may start.
    pub start: Option<StartTime>,
    /// When it must have started.
    pub expiry: Option<StartTime>,
    /// The bound on one attempt.
    pub timeout: Option<Duration>,
    /// Attempts after the first.
    pub retries: Option<u32>,
    /// The delay after the first attempt.
    pub backoff_base: Option<Duration>,
    /// What the delay grows by.
    pub backoff_multiplier: Option<f64>,
    /// The longest delay.
    pub backoff_max: Option<Duration>,
    /// The random part of the delay.
    pub jitter: Option<f64>,
    /// Wait for dependencies that have not ended.
    pub wait_for_dependencies: bool,
    /// What becomes of the task when one ends badly.
    pub on_dependency_failure: Option<OnDependencyFailure>,
    /// Whether the task outlives the process.
    pub durability: Option<Durability>,
    /// Tags and words for people.
    pub labels: Labels,
    /// Concurrency and uniqueness.
    pub keys: Keys,
}

/// A time that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartTime {
    /// At this time.
    At(Timestamp),
    /// This long after the request was accepted.
    After(Duration),
}

/// A task was taken in.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// Its id.
    pub id: TaskId,
    /// Where it stands.
    pub state: State,
    /// It had been accepted before, with the same content or the same unique key.
    pub joined: bool,
    /// The arguments of the one with the same unique key were replaced.
    pub replaced: bool,
}

impl Accepted {
    /// What whoever asked for a task that was there already is told.
    pub(crate) fn joined(id: &TaskId, state: State) -> Self {
        Self { id: id.clone(), state, joined: true, replaced: false }
    }
}

/// Everything known about one task.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// What was asked.
    pub task: Arc<Task>,
    /// Its place in the order of acceptance; `None` if only its outcome is still known.
    pub sequence: Option<Sequence>,
    /// Where it stands.
    pub state: State,
    /// Attempts begun so far.
    pub attempts: u32,
    /// Runs that were cut short by the end of a node.
    pub rescues: u32,
    /// When the latest attempt began.
    pub started_at: Option<Timestamp>,
    /// When it can start or be tried again, if it waits for that.
    pub due_at: Option<Timestamp>,
    /// Dependencies that have not ended.
    pub unmet: u32,
    /// A cancel was asked for and has not taken hold yet.
    pub cancel_requested: bool,
    /// What became of it.
    pub outcome: Option<Outcome>,
    /// Its life so far: at most [`MAX_HISTORY`](crate::models::MAX_HISTORY) entries.
    pub history: Vec<HistoryEntry>,
    /// How many entries were dropped between the first and the second.
    pub history_dropped: u32,
    /// How far its body says it is; `(0, "")` before it says anything.
    pub progress: (f64, String),
    /// The size of the checkpoint that the next attempt finds.
    pub checkpoint_bytes: usize,
    /// How many lines of its log are kept.
    pub log_lines: u32,
    /// The outcome was given by hand.
    pub resolved: bool,
    /// Why it is not claimable although it is `QUEUED`.
    pub blocked_by: Option<BlockedBy>,
}

/// Why a task that is `QUEUED` is not given to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockedBy {
    /// Others with its concurrency key run, or started too lately.
    ConcurrencyKey,
    /// It may be what killed the process, and another suspect runs.
    Quarantine,
}

impl Snapshot {
    /// What is still known of a task of which only the outcome was kept.
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

/// Which tasks to cancel: those named and those that match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CancelRequest {
    /// By id.
    pub ids: Vec<TaskId>,
    /// Every task that has not ended and is meant by this.
    pub matching: Option<TaskFilter>,
    /// Kept with each.
    pub reason: String,
}

/// What a cancel did to one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelVerdict {
    /// It had not started and never will.
    Cancelled,
    /// It is running; its body has been told.
    Requested,
    /// It had ended before, like this.
    AlreadyEnded(State),
    /// No such task.
    NotFound,
}

/// What running a task again, or resolving it, came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminResult {
    /// Where it stands now.
    pub state: State,
    /// Dependants that had ended only because it had, and have not any more. Those of slices that
    /// are still under way are not counted.
    pub retried_dependants: u32,
}

/// What a purge came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// So many tasks were forgotten.
    pub purged: u64,
    /// There may be more that match.
    pub more: bool,
}
