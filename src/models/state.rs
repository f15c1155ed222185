//! The states of a task and the one function that knows which changes are legal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Waits for its time or its dependencies.
    Pending,
    /// Can run.
    Queued,
    /// Its body runs.
    Running,
    /// Waits for the delay between two attempts.
    Retrying,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Stopped because somebody asked.
    Cancelled,
    /// Not started within its time to live.
    Expired,
}

impl State {
    /// Every state, in the order of a life.
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

    /// Whether a task in this state may go to `next`. `started` says whether any attempt was made:
    /// only a task that was never started can expire.
    ///
    /// `RetryTask` and `ResolveTask`, the two ways in which an outcome changes, are the only exits
    /// from a state that has ended; dependants that had ended only because of it come back with it.
    pub fn may_become(self, next: Self, started: bool) -> bool {
        use State::{Cancelled, Expired, Failed, Pending, Queued, Retrying, Running, Succeeded};
        match (self, next) {
            (_, Expired) => !started && matches!(self, Pending | Queued),
            (_, Cancelled) => !self.has_ended(),
            (Pending, Queued | Failed)
            // A task that is skipped when it is claimed passes through RUNNING.
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
