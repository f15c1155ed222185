//! How long ended tasks are kept.

use std::time::Duration;

/// How long ended tasks are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The limit for tasks that succeeded.
    pub succeeded: RetentionLimit,
    /// The limit for all others.
    pub others: RetentionLimit,
}

/// A retention limit: a task is deleted when it exceeds either bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionLimit {
    /// The longest time after the end.
    pub max_age: Duration,
    /// The highest number of tasks.
    pub max_count: usize,
}
