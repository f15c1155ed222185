//! What came of a test's attempt.

use super::Recorded;
use crate::error::Error;
use crate::models::{ArgValue, Failure};
use crate::tasks::{Child, TaskError};

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct TestOutcome {
    /// How it ended.
    pub ending: TestEnding,
    /// What the body said meanwhile.
    pub heard: Recorded,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub enum TestEnding {
    /// It never began: a server would refuse the task.
    Refused(Error),
    /// Its handler decided that the body need not run.
    Skipped,
    /// Its handler wants these run first.
    Expanded(Vec<Child>),
    /// The body returned this.
    Succeeded(ArgValue),
    /// The body returned this error, which says what should happen then.
    Failed(TaskError),
    /// The body panicked (`PANICKED`), or its result or its arguments cannot be taken.
    Broken(Failure),
}

impl TestOutcome {
    /// What the body returned.
    ///
    /// # Panics
    /// When it did not succeed; the message says how it ended.
    #[track_caller]
    pub fn result(&self) -> &ArgValue {
        match &self.ending {
            TestEnding::Succeeded(result) => result,
            other => panic!("the task did not succeed: {other:?}"),
        }
    }

    /// The error that the body returned.
    ///
    /// # Panics
    /// When it ended in another way.
    #[track_caller]
    pub fn error(&self) -> &TaskError {
        match &self.ending {
            TestEnding::Failed(error) => error,
            other => panic!("the body returned no error: {other:?}"),
        }
    }
}
