//! A task as the rules see it.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::models::{
    ArgValue, BlockedBy, Ended, Fence, HistoryEntry, MAX_HISTORY, Sequence, Snapshot, State, Task,
    TaskId,
};
use crate::store::{ClaimableTask, Position};

#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) sequence: Sequence,
    /// The task as requested. Changes only if a request with the same unique key replaces its
    /// arguments.
    pub(crate) task: Arc<Task>,
    pub(crate) state: State,
    /// The claim that the task runs under, or ended under: it identifies a repeated end.
    pub(crate) fence: Option<Fence>,
    pub(crate) attempts: u32,
    /// Attempts before the last manual retry; they do not count against its retries.
    pub(crate) attempts_before_retry: u32,
    pub(crate) rescues: u32,
    /// How often in a row a process ended while the task ran.
    pub(crate) crash_count: u32,
    pub(crate) started_at: Option<Timestamp>,
    /// How many dependencies and children have not ended.
    pub(crate) unmet: u32,
    /// How many unfinished tasks depend on this one, spawned it or were expanded into it; the row
    /// is kept while there are any.
    pub(crate) needed_by: u32,
    /// When the task may run, while that is in the future. In a store that drops ended rows: when a
    /// row kept for its unique key is dropped.
    pub(crate) due: Option<Timestamp>,
    /// When the task expires, if it has not started before.
    pub(crate) expires_at: Option<Timestamp>,
    /// Why a cancel was requested while the task ran. Applied when the task would run again.
    pub(crate) cancel_requested: Option<String>,
    pub(crate) resolved_args: Option<Arc<Vec<ArgValue>>>,
    pub(crate) checkpoint: Option<Arc<[u8]>>,
    pub(crate) progress: (f64, String),
    pub(crate) log_lines: u32,
    /// The children that a claim expanded the task into.
    pub(crate) children: Vec<TaskId>,
    /// Dependencies and children in this store, ended or not, which are kept for this task.
    pub(crate) parents: Vec<Sequence>,
    /// Dependencies in another store.
    pub(crate) foreign: Vec<TaskId>,
    /// The parent of a child.
    pub(crate) child_of: Option<Sequence>,
    /// The task holds its concurrency key.
    pub(crate) holds_key: bool,
    /// The task ran at so many process ends that it may be their cause.
    pub(crate) quarantine_candidate: bool,
    /// The task is the quarantine candidate that may run.
    pub(crate) quarantine_slot: bool,
    /// The handler waits for its children.
    pub(crate) suspended: bool,
    /// Why the task is not claimable although it is `QUEUED`.
    pub(crate) blocked_by: Option<BlockedBy>,
    /// Until when the row is kept for its unique key.
    pub(crate) keep_until: Option<Timestamp>,
    /// Its dependants and children are not all notified yet.
    pub(crate) dependants_pending: bool,
    /// The outcome was given manually.
    pub(crate) resolved: bool,
    /// The dependency because of which, and only because of which, the task failed.
    pub(crate) failed_for: Option<Sequence>,
    pub(crate) ended: Option<Arc<Ended>>,
    pub(crate) history: Vec<HistoryEntry>,
    /// How many entries of the history were dropped.
    pub(crate) history_dropped: u32,
}

impl Row {
    pub(crate) fn new(sequence: Sequence, task: Arc<Task>) -> Self {
        Self {
            sequence,
            state: State::Pending,
            fence: None,
            attempts: 0,
            attempts_before_retry: 0,
            rescues: 0,
            crash_count: 0,
            started_at: None,
            unmet: 0,
            needed_by: 0,
            due: task.options.run_at,
            expires_at: task.options.expires_at,
            cancel_requested: None,
            resolved_args: None,
            checkpoint: None,
            progress: (0.0, String::new()),
            log_lines: 0,
            children: Vec::new(),
            parents: Vec::new(),
            foreign: Vec::new(),
            child_of: None,
            holds_key: false,
            suspended: false,
            quarantine_candidate: false,
            quarantine_slot: false,
            blocked_by: None,
            keep_until: None,
            dependants_pending: false,
            resolved: false,
            failed_for: None,
            ended: None,
            history: Vec::new(),
            history_dropped: 0,
            task,
        }
    }

    pub(crate) fn position(&self) -> Position {
        Position { priority: self.task.options.priority, sequence: self.sequence }
    }

    pub(crate) fn ready(&self) -> ClaimableTask {
        ClaimableTask {
            queue: self.task.options.queue.clone(),
            position: self.position(),
            method: self.task.method.clone(),
        }
    }

    /// Whether any attempt was started.
    pub(crate) fn started(&self) -> bool {
        self.started_at.is_some()
    }

    /// Whether the task is claimable, unless its queue is paused or full.
    pub(crate) fn is_claimable(&self) -> bool {
        self.state == State::Queued && self.blocked_by.is_none()
    }

    /// When the task expires; a started task never does.
    pub(crate) fn expiry(&self) -> Option<Timestamp> {
        if self.started() || self.state.has_ended() { None } else { self.expires_at }
    }

    /// When the task is next due or expires.
    pub(crate) fn next_timer(&self) -> Option<Timestamp> {
        [self.due, self.expiry()].into_iter().flatten().min()
    }

    /// Whether the task has ended and no task needs it.
    pub(crate) fn is_unneeded(&self) -> bool {
        self.ended.is_some() && self.needed_by == 0
    }

    /// Whether the task runs and takes a slot of its queue.
    pub(crate) fn holds_slot(&self) -> bool {
        self.state == State::Running && !self.suspended
    }

    /// Enters `state`, and adds it to the history.
    ///
    /// # Panics
    /// If the state table does not permit the transition.
    pub(crate) fn transition_to(&mut self, state: State, now: Timestamp, error: Option<String>) {
        assert!(
            self.history.is_empty() || self.state.may_become(state, self.started()),
            "{} may not become {state}",
            self.state
        );
        self.state = state;
        self.suspended = false;
        if self.history.len() == MAX_HISTORY {
            // The insert is worth more than the oldest of many retries.
            self.history.remove(1);
            self.history_dropped += 1;
        }
        self.history.push(HistoryEntry { state, at: now, attempt: self.attempts, error });
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            task: self.task.clone(),
            sequence: Some(self.sequence),
            state: self.state,
            attempts: self.attempts,
            rescues: self.rescues,
            started_at: self.started_at,
            due_at: self.due.filter(|_| self.ended.is_none()),
            unmet: self.unmet,
            cancel_requested: self.cancel_requested.is_some(),
            outcome: self.ended.as_ref().map(|ended| ended.outcome.clone()),
            history: self.history.clone(),
            history_dropped: self.history_dropped,
            progress: self.progress.clone(),
            checkpoint_bytes: self.checkpoint.as_ref().map_or(0, |saved| saved.len()),
            log_lines: self.log_lines,
            resolved: self.resolved,
            blocked_by: self.blocked_by,
        }
    }
}
