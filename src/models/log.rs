//! The log lines that a handler writes while it runs.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// The most log lines that are kept for a task. The last one says that later lines were dropped.
pub const MAX_LOG_LINES: u32 = 1_000;
/// The longest log line, in bytes; longer lines are cut.
pub const MAX_LOG_LINE_BYTES: usize = 4 << 10;

/// The severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For the handler's author.
    Debug,
    /// Normal operation.
    Info,
    /// Unexpected, but recovered.
    Warn,
    /// An operator should look at it.
    Error,
}

/// One line of a task's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The line's number within the task, from 1.
    pub number: u32,
    /// When it was written.
    pub at: Timestamp,
    /// The severity.
    pub level: LogLevel,
    /// The number of the attempt that wrote it.
    pub attempt: u32,
    /// The text, at most [`MAX_LOG_LINE_BYTES`].
    pub text: String,
}
