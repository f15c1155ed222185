//! What became of a task.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::Code;
use crate::models::{ArgValue, State, Task};

/// The most entries of a task's history that are kept: the first and the latest.
pub const MAX_HISTORY: usize = 64;

/// Why a task, or one attempt of it, ended badly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The stable reason.
    pub code: Code,
    /// For people.
    pub message: String,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// With this result. Shared, because results can be large.
    Succeeded(Arc<ArgValue>),
    /// Well, without running: a decision when it was claimed.
    Skipped,
    /// Badly.
    Failed(Failure),
    /// Because somebody asked; why, for people.
    Cancelled(String),
    /// Before it was started.
    Expired,
}

/// A task's ending and what led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// How many attempts were made.
    pub attempts: u32,
    /// When the last attempt began, if there was one.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Timestamp,
}

impl Outcome {
    /// The state that the ending puts the task in.
    pub fn state(&self) -> State {
        match self.ending {
            Ending::Succeeded(_) | Ending::Skipped => State::Succeeded,
            Ending::Failed(_) => State::Failed,
            Ending::Cancelled(_) => State::Cancelled,
            Ending::Expired => State::Expired,
        }
    }

    /// The result, if it ended well and was not skipped.
    pub fn result(&self) -> Option<&ArgValue> {
        match &self.ending {
            Ending::Succeeded(result) => Some(result),
            _ => None,
        }
    }

    /// Why it did not end well, if it did not.
    pub fn failure(&self) -> Option<Failure> {
        match &self.ending {
            Ending::Succeeded(_) | Ending::Skipped => None,
            Ending::Failed(failure) => Some(failure.clone()),
            Ending::Cancelled(why) => Some(Failure { code: Code::Cancelled, message: why.clone() }),
            Ending::Expired => Some(Failure {
                code: Code::Expired,
                message: "its time to live was over before it started".into(),
            }),
        }
    }
}

/// A task that has its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// What was asked.
    pub task: Arc<Task>,
    /// What became of it.
    pub outcome: Outcome,
}

/// One step of a task's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The state it entered.
    pub state: State,
    /// When.
    pub at: Timestamp,
    /// The attempt under way or just over; 0 before the first.
    pub attempt: u32,
    /// What went wrong, if that is why.
    pub error: Option<String>,
}
