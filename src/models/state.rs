//! The states of a task, and which transitions are legal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// The task waits for its time or its dependencies.
    Pending,
    /// The task can run and waits for a slot.
    Queued,
    /// The handler runs.
    Running,
    /// The task waits for its backoff between two attempts.
    Retrying,
    /// The task succeeded.
    Succeeded,
    /// The task failed: it is a dead letter until it is retried, resolved, purged or pruned.
    Failed,
    /// The task was cancelled.
    Cancelled,
    /// The task did not start within its time to live.
    Expired,
}

impl State {
    /// Every state, in the order of a task's life.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Queued,
        Self::Running,
        Self::Retrying,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
    ];

    /// Whether the task has its outcome.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::Expired)
    }

    /// Whether the transition from this state to `next` is legal. `started` is whether any attempt was made:
    /// only a task that never started can expire.
    ///
    /// Only `RetryTask` and `ResolveTask` change an outcome; dependants that failed because of the task
    /// follow it.
    pub fn may_become(self, next: Self, started: bool) -> bool {
        use State::{Cancelled, Expired, Failed, Pending, Queued, Retrying, Running, Succeeded};
        match (self, next) {
            (_, Expired) => !started && matches!(self, Pending | Queued),
            (_, Cancelled) => !self.has_ended(),
            (Pending, Queued | Failed)
            // A task that is skipped at its claim passes through RUNNING.
            | (Queued, Running | Failed)
            | (Running, Succeeded | Failed | Retrying | Pending | Queued)
            | (Retrying, Queued) => true,
            (ended, Pending | Queued | Succeeded) => ended.has_ended(),
            _ => false,
        }
    }

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Retrying => "RETRYING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Expired => "EXPIRED",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
