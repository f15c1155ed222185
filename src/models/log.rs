//! What a body writes down while it runs.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// The most log lines that are kept with a task. The last one says that later ones were dropped.
pub const MAX_LOG_LINES: u32 = 1_000;
/// The longest log line, in bytes; what is longer is cut.
pub const MAX_LOG_LINE_BYTES: usize = 4 << 10;

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Of interest to whoever wrote the body.
    Debug,
    /// What happened.
    Info,
    /// A recovered oddity.
    Warn,
    /// Somebody should look.
    Error,
}

/// One line of a task's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Counts the task's lines, from 1.
    pub number: u32,
    /// When it was written.
    pub at: Timestamp,
    /// How much it matters.
    pub level: LogLevel,
    /// The attempt that wrote it.
    pub attempt: u32,
    /// At most [`MAX_LOG_LINE_BYTES`].
    pub text: String,
}
