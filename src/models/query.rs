//! Task filters, for listing, cancelling and purging.

use crate::clock::Timestamp;
use crate::models::{QueueName, Sequence, Snapshot, State, Task, TaskId};

/// The most tasks on one page.
pub const MAX_PAGE: usize = 1_000;

/// Selects tasks. Every condition that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TaskFilter {
    /// The task is in one of these states; empty: in any state.
    pub states: Vec<State>,
    /// The task is or was in this queue.
    pub queue: Option<QueueName>,
    /// The task's method, as its caller wrote it.
    pub method: Option<String>,
    /// The task has this tag.
    pub tag: Option<String>,
    /// The task is a child of this task.
    pub parent: Option<TaskId>,
    /// The task was accepted after this time.
    pub submitted_after: Option<Timestamp>,
    /// The task was accepted before this time.
    pub submitted_before: Option<Timestamp>,
    /// The task ended before this time.
    pub ended_before: Option<Timestamp>,
}

impl TaskFilter {
    /// The states of a task that has not ended.
    pub const UNFINISHED: [State; 4] =
        [State::Pending, State::Queued, State::Running, State::Retrying];

    /// Whether the filter selects a task in this state, which ended at `ended_at` if it has.
    pub fn matches(&self, task: &Task, state: State, ended_at: Option<Timestamp>) -> bool {
        let none_or = |holds: Option<bool>| holds.unwrap_or(true);
        (self.states.is_empty() || self.states.contains(&state))
            && none_or(self.queue.as_ref().map(|queue| *queue == task.options.queue))
            && none_or(self.method.as_ref().map(|method| **method == *task.method))
            && none_or(self.tag.as_ref().map(|tag| task.options.tags().contains(tag)))
            && none_or(self.parent.as_ref().map(|parent| task.parent.as_ref() == Some(parent)))
            && none_or(self.submitted_after.map(|at| task.submitted_at > at))
            && none_or(self.submitted_before.map(|at| task.submitted_at < at))
            && none_or(self.ended_before.map(|at| ended_at.is_some_and(|ended| ended < at)))
    }

    /// Whether no condition is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One page of tasks, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskPage {
    /// The tasks.
    pub tasks: Vec<Snapshot>,
    /// The next page holds tasks before this one; `None` on the last page.
    pub next: Option<Sequence>,
}
