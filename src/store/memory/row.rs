//! One task as the memory store keeps it.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::models::{
    ArgValue, Ended, Fence, HistoryEntry, MAX_HISTORY, Sequence, Snapshot, State, Task, TaskId,
};
use crate::store::{Place, Ready};

#[derive(Debug)]
pub(super) struct Row {
    pub(super) sequence: Sequence,
    pub(super) task: Arc<Task>,
    pub(super) state: State,
    /// The claim that it runs under, or ended under: so an end that is told twice is recognised.
    pub(super) fence: Option<Fence>,
    pub(super) attempts: u32,
    pub(super) rescues: u32,
    pub(super) started_at: Option<Timestamp>,
    /// Dependencies and children that have not ended.
    pub(super) unmet: u32,
    /// Unfinished tasks that depend on this one or were expanded into it; it is kept for as long as
    /// there are any.
    pub(super) needed_by: u32,
    /// Whether it stands among those that may be forgotten.
    pub(super) filed: bool,
    /// When it may run: set while that is in the future.
    pub(super) due: Option<Timestamp>,
    /// Why somebody wished it cancelled while it ran. Takes hold when it would run again.
    pub(super) cancel_requested: Option<String>,
    pub(super) decided: Option<Vec<ArgValue>>,
    pub(super) children: Vec<TaskId>,
    /// The dependencies and children held in this store, ended or not, for letting go of them at the
    /// end.
    pub(super) parents: Vec<Sequence>,
    /// Dependencies in another store.
    pub(super) foreign: Vec<TaskId>,
    pub(super) ended: Option<Arc<Ended>>,
    pub(super) history: Vec<HistoryEntry>,
}

impl Row {
    pub(super) fn new(sequence: Sequence, task: Arc<Task>) -> Self {
        Self {
            sequence,
            state: State::Pending,
            fence: None,
            attempts: 0,
            rescues: 0,
            started_at: None,
            unmet: 0,
            needed_by: 0,
            filed: false,
            due: task.options.run_at,
            cancel_requested: None,
            decided: None,
            children: Vec::new(),
            parents: Vec::new(),
            foreign: Vec::new(),
            ended: None,
            history: Vec::new(),
            task,
        }
    }

    pub(super) fn place(&self) -> Place {
        Place { priority: self.task.options.priority, sequence: self.sequence }
    }

    pub(super) fn ready(&self) -> Ready {
        Ready {
            queue: self.task.options.queue.clone(),
            place: self.place(),
            method: self.task.method.clone(),
        }
    }

    /// Whether any attempt was ever begun.
    pub(super) fn started(&self) -> bool {
        self.started_at.is_some()
    }

    /// When its time to live is over; only what was never started can expire.
    pub(super) fn expiry(&self) -> Option<Timestamp> {
        if self.started() { None } else { self.task.options.expires_at }
    }

    /// Enters `state`, which must be legal, and remembers when and why.
    pub(super) fn enter(&mut self, state: State, now: Timestamp, error: Option<String>) {
        assert!(
            self.history.is_empty() || self.state.may_become(state, self.started()),
            "{} may not become {state}",
            self.state
        );
        self.state = state;
        if self.history.len() == MAX_HISTORY {
            // How it came in says more than the oldest of many retries.
            self.history.remove(1);
        }
        self.history.push(HistoryEntry { state, at: now, attempt: self.attempts, error });
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            task: self.task.clone(),
            state: self.state,
            attempts: self.attempts,
            rescues: self.rescues,
            started_at: self.started_at,
            due_at: self.due,
            unmet: self.unmet,
            cancel_requested: self.cancel_requested.is_some(),
            outcome: self.ended.as_ref().map(|ended| ended.outcome.clone()),
            history: self.history.clone(),
            progress: (0.0, String::new()),
        }
    }
}
