//! One task as the rules see it.

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
    /// What was asked. Changes only if another task with the same unique key replaces its arguments.
    pub(crate) task: Arc<Task>,
    pub(crate) state: State,
    /// The claim that it runs under, or ended under: so an end that is told twice is recognised.
    pub(crate) fence: Option<Fence>,
    pub(crate) attempts: u32,
    /// Attempts made before somebody had it run again; they do not count against its retries.
    pub(crate) attempts_before_retry: u32,
    pub(crate) rescues: u32,
    /// Ends of processes that it ran at, since it last showed that it is not the cause.
    pub(crate) crash_count: u32,
    pub(crate) started_at: Option<Timestamp>,
    /// Dependencies and children that have not ended.
    pub(crate) unmet: u32,
    /// Unfinished tasks that depend on this one, have spawned it or were expanded into it; it is kept
    /// for as long as there are any.
    pub(crate) needed_by: u32,
    /// When it may run: set while that is in the future. Where rows do not stay after their end: when
    /// one is to go that is kept for its unique key.
    pub(crate) due: Option<Timestamp>,
    /// When its time to live is over, if it is not started before.
    pub(crate) expires_at: Option<Timestamp>,
    /// Why somebody wished it cancelled while it ran. Takes hold when it would run again.
    pub(crate) cancel_requested: Option<String>,
    pub(crate) resolved_args: Option<Arc<Vec<ArgValue>>>,
    pub(crate) checkpoint: Option<Arc<[u8]>>,
    pub(crate) progress: (f64, String),
    pub(crate) log_lines: u32,
    /// What a claim expanded it into.
    pub(crate) children: Vec<TaskId>,
    /// The dependencies and children held in this store, ended or not, for letting go of them at the
    /// end.
    pub(crate) parents: Vec<Sequence>,
    /// Dependencies in another store.
    pub(crate) foreign: Vec<TaskId>,
    /// Whose child it is.
    pub(crate) child_of: Option<Sequence>,
    /// It has one of the places that its concurrency key allows.
    pub(crate) holds_key: bool,
    /// It ran at so many ends of processes that it may be why they ended.
    pub(crate) quarantine_candidate: bool,
    /// It is the suspect that may run.
    pub(crate) quarantine_slot: bool,
    /// Its body waits for its children.
    pub(crate) suspended: bool,
    /// Why it is not given to anybody although it is `QUEUED`.
    pub(crate) blocked_by: Option<BlockedBy>,
    /// Kept for its unique key until then.
    pub(crate) keep_until: Option<Timestamp>,
    /// Its relatives are still to be told what became of it.
    pub(crate) dependants_pending: bool,
    /// The outcome was given by hand.
    pub(crate) resolved: bool,
    /// It ended only because this one of its dependencies had ended badly.
    pub(crate) failed_for: Option<Sequence>,
    pub(crate) ended: Option<Arc<Ended>>,
    pub(crate) history: Vec<HistoryEntry>,
    /// How many entries of its history were dropped.
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

    /// Whether any attempt was ever begun.
    pub(crate) fn started(&self) -> bool {
        self.started_at.is_some()
    }

    /// Whether it can be claimed as far as it is concerned: its queue may be paused or full.
    pub(crate) fn is_claimable(&self) -> bool {
        self.state == State::Queued && self.blocked_by.is_none()
    }

    /// When its time to live is over; only what was never started can expire.
    pub(crate) fn expiry(&self) -> Option<Timestamp> {
        if self.started() || self.state.has_ended() { None } else { self.expires_at }
    }

    /// When time next does something to it: it becomes due or its time to live is over.
    pub(crate) fn next_timer(&self) -> Option<Timestamp> {
        [self.due, self.expiry()].into_iter().flatten().min()
    }

    /// Whether it has ended and nobody needs it any more.
    pub(crate) fn is_unneeded(&self) -> bool {
        self.ended.is_some() && self.needed_by == 0
    }

    /// Whether its body runs and takes a place in its queue.
    pub(crate) fn holds_slot(&self) -> bool {
        self.state == State::Running && !self.suspended
    }

    /// Enters `state`, which must be legal, and remembers when and why.
    pub(crate) fn transition_to(&mut self, state: State, now: Timestamp, error: Option<String>) {
        assert!(
            self.history.is_empty() || self.state.may_become(state, self.started()),
            "{} may not become {state}",
            self.state
        );
        self.state = state;
        self.suspended = false;
        if self.history.len() == MAX_HISTORY {
            // How it came in says more than the oldest of many retries.
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
