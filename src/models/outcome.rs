//! The outcome of a task.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::Code;
use crate::models::{ArgValue, State, Task};

/// The most entries of a task's history that are kept: the first one and the latest ones.
pub const MAX_HISTORY: usize = 64;

/// Why a task or one of its attempts failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The stable reason.
    pub code: Code,
    /// The error message, for people.
    pub message: String,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// The handler returned this result. Shared, because results can be large.
    Succeeded(Arc<ArgValue>),
    /// The task succeeded without running: its handler decided so at the claim.
    Skipped,
    /// The task failed.
    Failed(Failure),
    /// The task was cancelled, for this reason.
    Cancelled(String),
    /// The task's time to live was over before its first attempt.
    Expired,
}

/// How and when a task ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// How many attempts were made.
    pub attempts: u32,
    /// When the last attempt started, if there was one.
    pub started_at: Option<Timestamp>,
    /// When the task ended.
    pub ended_at: Timestamp,
}

impl Outcome {
    /// The task's state after this ending.
    pub fn state(&self) -> State {
        match self.ending {
            Ending::Succeeded(_) | Ending::Skipped => State::Succeeded,
            Ending::Failed(_) => State::Failed,
            Ending::Cancelled(_) => State::Cancelled,
            Ending::Expired => State::Expired,
        }
    }

    /// The result, if the task succeeded and was not skipped.
    pub fn result(&self) -> Option<&ArgValue> {
        match &self.ending {
            Ending::Succeeded(result) => Some(result),
            _ => None,
        }
    }

    /// Why the task did not succeed, if it did not.
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

/// A task that has ended, and its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The task.
    pub task: Arc<Task>,
    /// The task's outcome.
    pub outcome: Outcome,
}

/// One transition in a task's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The state that the task entered.
    pub state: State,
    /// When it did.
    pub at: Timestamp,
    /// The number of the current or latest attempt; 0 before the first.
    pub attempt: u32,
    /// The error that caused the transition, if one did.
    pub error: Option<String>,
}
