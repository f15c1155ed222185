//! The outcome of an attempt in a test.

use super::Recorded;
use crate::error::Error;
use crate::models::{ArgValue, Failure};
use crate::tasks::{Child, TaskError};

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct TestOutcome {
    /// How the attempt ended.
    pub ending: TestEnding,
    /// The output and the host calls of the handler.
    pub recorded: Recorded,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub enum TestEnding {
    /// A server would refuse the task: its arguments do not fit the signature.
    Refused(Error),
    /// `decide` returned [`Decision::Skip`](crate::tasks::Decision::Skip).
    Skipped,
    /// `decide` returned [`Decision::Expand`](crate::tasks::Decision::Expand) with these children.
    Expanded(Vec<Child>),
    /// The handler returned this result.
    Succeeded(ArgValue),
    /// The handler returned this error.
    Failed(TaskError),
    /// The handler panicked (`PANICKED`), or its result or its resolved arguments were refused.
    Broken(Failure),
}

impl TestOutcome {
    /// The result of the handler.
    ///
    /// # Panics
    /// When the handler did not succeed; the message has the ending.
    #[track_caller]
    pub fn result(&self) -> &ArgValue {
        match &self.ending {
            TestEnding::Succeeded(result) => result,
            other => panic!("the task did not succeed: {other:?}"),
        }
    }

    /// The error that the handler returned.
    ///
    /// # Panics
    /// When the attempt ended in another way.
    #[track_caller]
    pub fn error(&self) -> &TaskError {
        match &self.ending {
            TestEnding::Failed(error) => error,
            other => panic!("the handler returned no error: {other:?}"),
        }
    }
}
