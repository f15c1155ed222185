//! Which tasks are meant: the filters of listings, cancels and purges.

use crate::clock::Timestamp;
use crate::models::{QueueName, Sequence, Snapshot, State, Task, TaskId};

/// The most tasks on one page of a listing.
pub const MAX_PAGE: usize = 1_000;

/// What a task must be to be meant. Everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TaskFilter {
    /// Any of these; empty: any at all.
    pub states: Vec<State>,
    /// Stands, or stood, in this queue.
    pub queue: Option<QueueName>,
    /// The method as it was asked for.
    pub method: Option<String>,
    /// Carries this tag.
    pub tag: Option<String>,
    /// Child of this task.
    pub parent: Option<TaskId>,
    /// Accepted after this time, or before that one.
    pub submitted_after: Option<Timestamp>,
    /// See above.
    pub submitted_before: Option<Timestamp>,
    /// Ended before this time.
    pub ended_before: Option<Timestamp>,
}

impl TaskFilter {
    /// The states of tasks that have not ended.
    pub const UNFINISHED: [State; 4] =
        [State::Pending, State::Queued, State::Running, State::Retrying];

    /// Whether a task in that state, which ended then if it has, is meant.
    pub fn matches(&self, task: &Task, state: State, ended_at: Option<Timestamp>) -> bool {
        let none_or = |held: Option<bool>| held.unwrap_or(true);
        (self.states.is_empty() || self.states.contains(&state))
            && none_or(self.queue.as_ref().map(|queue| *queue == task.options.queue))
            && none_or(self.method.as_ref().map(|method| **method == *task.method))
            && none_or(self.tag.as_ref().map(|tag| task.options.tags().contains(tag)))
            && none_or(self.parent.as_ref().map(|parent| task.parent.as_ref() == Some(parent)))
            && none_or(self.submitted_after.map(|at| task.submitted_at > at))
            && none_or(self.submitted_before.map(|at| task.submitted_at < at))
            && none_or(self.ended_before.map(|at| ended_at.is_some_and(|ended| ended < at)))
    }

    /// Whether it asks for nothing in particular.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One page of a listing, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskPage {
    /// What matches.
    pub tasks: Vec<Snapshot>,
    /// Where to go on: before this one. `None`: that was all.
    pub next: Option<Sequence>,
}
