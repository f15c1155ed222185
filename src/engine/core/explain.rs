//! Decides why a task does not run now: its obstacles, as data. Pure.

use super::Pauses;
use crate::clock::Timestamp;
use crate::models::{
    BlockedBy, Durability, MAX_NAMED, ObstacleKind, QueueLimits, Snapshot, State, TaskId,
};
use crate::tasks::HandlerKind;

/// Everything that bears on one task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ExplainInput {
    pub(crate) now: Timestamp,
    pub(crate) task: Source,
    /// What the core knows; `None` for a task that has ended.
    pub(crate) view: Option<CoreView>,
    /// Dependencies that have not ended, as far as the reads found them.
    pub(crate) dependencies: Vec<TaskId>,
    /// Children that have not ended, as far as the reads found them.
    pub(crate) children: Vec<TaskId>,
    /// The use of the task's concurrency key, if it matters.
    pub(crate) key: Option<KeyUsage>,
    /// How many claimable tasks are ahead in the queue, counted up to [`MAX_BEFORE`].
    pub(crate) before: usize,
    /// The error for the task's method, if it is not registered.
    pub(crate) missing: Option<String>,
    /// A read of the store failed.
    pub(crate) store_fails: bool,
}

/// Up to how many tasks ahead of a task are counted.
pub(crate) const MAX_BEFORE: usize = 1_000;

/// What is known of the task itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    /// Its state.
    Read(Box<Snapshot>),
    /// The store could not be read; only the core knows something.
    Unread(CoreStatus),
}

/// What only the core knows of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CoreStatus {
    /// Its insert is not committed yet.
    Inserting,
    /// Its handler runs.
    Running,
    /// A caller waits for it.
    Awaited,
}

/// What the core knows that bears on one task.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CoreView {
    pub(crate) pauses: Pauses,
    /// The queue is paused.
    pub(crate) paused: bool,
    pub(crate) limits: QueueLimits,
    /// How many tasks of the queue run.
    pub(crate) running: u32,
    pub(crate) running_ids: Vec<TaskId>,
    /// When the queue's rate limit allows the next start, if not now.
    pub(crate) rate_free_at: Option<Timestamp>,
    /// The slots for the task's kind of handler, if none is free.
    pub(crate) full: Option<SlotsFull>,
    /// The task's attempt waits for its children.
    pub(crate) suspended: bool,
}

/// All slots for one kind of handler are taken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SlotsFull {
    pub(crate) kind: HandlerKind,
    pub(crate) slots: usize,
    pub(crate) taken: usize,
    /// The tasks that take them.
    pub(crate) ids: Vec<TaskId>,
}

/// The use of a concurrency key by other tasks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct KeyUsage {
    /// Up to [`MAX_NAMED`] tasks that use it.
    pub(crate) holders: Vec<TaskId>,
    /// How many use it.
    pub(crate) count: u32,
    /// When the key's rate limit allows the next start, if not now.
    pub(crate) free_at: Option<Timestamp>,
}

/// One thing that keeps a task from running.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Obstacle {
    pub(crate) reason: Reason,
    /// The tasks in the way, at most [`MAX_NAMED`].
    pub(crate) tasks: Vec<TaskId>,
    /// When this ends, if known.
    pub(crate) until: Option<Timestamp>,
    /// How many there are of what the reason counts.
    pub(crate) count: u64,
    /// How many are allowed, for limits.
    pub(crate) limit: u64,
}

/// Why a task does not run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reason {
    /// Its start time has not come.
    NotDue,
    /// Its handler snoozed it.
    Snoozed,
    /// It waits for its backoff after this attempt.
    Backoff {
        attempt: u32,
    },
    /// Tasks have not ended that it depends on, or that it was expanded into.
    Dependencies {
        depends: bool,
        expanded: bool,
    },
    /// Its method is not registered here: this error.
    Method(String),
    /// As many tasks with its concurrency key run as the queue allows.
    KeyConcurrency,
    /// As many tasks with its concurrency key have started as the rate limit allows.
    KeyRate,
    /// Another task with its concurrency key is ahead.
    KeyPosition,
    /// It may have crashed the process, and another such task runs.
    Suspect,
    Paused,
    QueueConcurrency,
    QueueRate,
    /// Other tasks are ahead in the queue; `more` than were counted.
    QueuePosition {
        more: bool,
    },
    /// All slots for handlers of this kind are taken.
    Capacity(HandlerKind),
    StoreFailed,
    /// Its insert is not committed yet.
    Inserting,
    /// The store does not answer, and only a caller that waits for the task is known.
    Unreadable,
    Draining,
}

impl Reason {
    pub(crate) fn kind(&self) -> ObstacleKind {
        match self {
            Self::NotDue | Self::Snoozed => ObstacleKind::Time,
            Self::Backoff { .. } => ObstacleKind::Backoff,
            Self::Dependencies { .. } => ObstacleKind::Dependencies,
            Self::Method(_) => ObstacleKind::Method,
            Self::KeyConcurrency | Self::KeyRate | Self::KeyPosition => {
                ObstacleKind::ConcurrencyKey
            }
            Self::Suspect => ObstacleKind::Suspect,
            Self::Paused => ObstacleKind::Paused,
            Self::QueueConcurrency => ObstacleKind::QueueConcurrency,
            Self::QueueRate => ObstacleKind::QueueRate,
            Self::QueuePosition { .. } => ObstacleKind::QueuePosition,
            Self::Capacity(_) => ObstacleKind::Capacity,
            Self::StoreFailed | Self::Inserting | Self::Unreadable => ObstacleKind::Store,
            Self::Draining => ObstacleKind::Draining,
        }
    }
}

impl From<Reason> for Obstacle {
    fn from(reason: Reason) -> Self {
        Self { reason, tasks: Vec::new(), until: None, count: 0, limit: 0 }
    }
}

impl ExplainInput {
    /// For a task whose state was read.
    pub(crate) fn of(found: Snapshot, now: Timestamp) -> Self {
        Self::new(Source::Read(Box::new(found)), now)
    }

    /// For a task that the store could not read.
    pub(crate) fn unread(status: CoreStatus, now: Timestamp) -> Self {
        Self::new(Source::Unread(status), now)
    }

    fn new(task: Source, now: Timestamp) -> Self {
        Self {
            now,
            task,
            view: None,
            dependencies: Vec::new(),
            children: Vec::new(),
            key: None,
            before: 0,
            missing: None,
            store_fails: false,
        }
    }
}

/// Everything that keeps the task from running: first what is about the task, then its queue, then the
/// server. Empty for a task that runs, has ended, or will start in a moment.
pub(crate) fn obstacles(input: &ExplainInput) -> Vec<Obstacle> {
    let found = match &input.task {
        Source::Read(found) => found,
        Source::Unread(CoreStatus::Inserting) => return vec![Reason::Inserting.into()],
        Source::Unread(CoreStatus::Awaited) => return vec![Reason::Unreadable.into()],
        Source::Unread(CoreStatus::Running) => return Vec::new(),
    };
    if found.outcome.is_some() || found.state == State::Running {
        return Vec::new();
    }
    let unknown = CoreView::default();
    let view = input.view.as_ref().unwrap_or(&unknown);
    [
        time(found, input.now),
        dependencies(input, found),
        input.missing.clone().map(|error| Reason::Method(error).into()),
        key(input, view, found),
        (found.blocked_by == Some(BlockedBy::Quarantine)).then(|| Reason::Suspect.into()),
        view.paused.then(|| Reason::Paused.into()),
        concurrency(view),
        rate(view),
        position(input),
        capacity(view),
        store(input, view, found),
        view.pauses.draining.then(|| Reason::Draining.into()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn time(found: &Snapshot, now: Timestamp) -> Option<Obstacle> {
    let due = found.due_at.filter(|due| *due > now)?;
    let reason = match (found.state, found.attempts) {
        (State::Retrying, attempt) => Reason::Backoff { attempt },
        (_, 0) => Reason::NotDue,
        _ => Reason::Snoozed,
    };
    Some(Obstacle { until: Some(due), ..reason.into() })
}

fn dependencies(input: &ExplainInput, found: &Snapshot) -> Option<Obstacle> {
    if found.unmet == 0 || found.state != State::Pending {
        return None;
    }
    let ExplainInput { dependencies, children, .. } = input;
    let expanded = !children.is_empty();
    let depends = !dependencies.is_empty() || !expanded;
    let tasks = dependencies.iter().chain(children).take(MAX_NAMED).cloned().collect();
    let reason = Reason::Dependencies { depends, expanded };
    Some(Obstacle { tasks, count: found.unmet.into(), ..reason.into() })
}

fn key(input: &ExplainInput, view: &CoreView, found: &Snapshot) -> Option<Obstacle> {
    let KeyUsage { holders, count, free_at } = input.key.as_ref()?;
    found.task.options.concurrency_key()?;
    let limit = view.limits.concurrency_per_key;
    let reason = match free_at {
        _ if *count >= limit => Reason::KeyConcurrency,
        Some(_) => Reason::KeyRate,
        None if found.blocked_by == Some(BlockedBy::ConcurrencyKey) => Reason::KeyPosition,
        None => return None,
    };
    Some(Obstacle {
        tasks: holders.clone(),
        until: *free_at,
        count: (*count).into(),
        limit: limit.into(),
        ..reason.into()
    })
}

fn concurrency(view: &CoreView) -> Option<Obstacle> {
    let limit = view.limits.concurrency.filter(|limit| view.running >= *limit)?;
    Some(Obstacle {
        tasks: view.running_ids.clone(),
        count: view.running.into(),
        limit: limit.into(),
        ..Reason::QueueConcurrency.into()
    })
}

fn rate(view: &CoreView) -> Option<Obstacle> {
    let (at, rate) = (view.rate_free_at?, view.limits.rate?);
    Some(Obstacle { until: Some(at), limit: rate.count.into(), ..Reason::QueueRate.into() })
}

fn position(input: &ExplainInput) -> Option<Obstacle> {
    let count = u64::try_from(input.before).unwrap_or(u64::MAX);
    let reason = Reason::QueuePosition { more: input.before >= MAX_BEFORE };
    (count > 0).then(|| Obstacle { count, ..reason.into() })
}

fn capacity(view: &CoreView) -> Option<Obstacle> {
    let SlotsFull { kind, slots, taken, ids } = view.full.as_ref()?;
    Some(Obstacle {
        tasks: ids.clone(),
        count: u64::try_from(*taken).unwrap_or(u64::MAX),
        limit: u64::try_from(*slots).unwrap_or(u64::MAX),
        ..Reason::Capacity(*kind).into()
    })
}

fn store(input: &ExplainInput, view: &CoreView, found: &Snapshot) -> Option<Obstacle> {
    let durable = found.task.options.durability == Durability::Durable;
    let fails = input.store_fails || view.pauses.store;
    (durable && fails).then(|| Reason::StoreFailed.into())
}

#[cfg(test)]
mod tests;
