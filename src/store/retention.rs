//! How long ended tasks are kept.

use std::time::Duration;

/// How long tasks that ended are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Those that succeeded.
    pub succeeded: RetentionLimit,
    /// The others.
    pub others: RetentionLimit,
}

/// How long tasks that ended in one way are kept: until either bound is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionLimit {
    /// After its end.
    pub max_age: Duration,
    /// The most of them.
    pub max_count: usize,
}
