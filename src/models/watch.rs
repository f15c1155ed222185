//! The updates of a watched task, and the cursor to resume watching.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::models::{HistoryEntry, LogLine, Outcome};

/// The longest cursor as text, in bytes.
pub const MAX_CURSOR_BYTES: usize = 64;

/// How many updates of a task a watcher has seen. Its text form: `3:12:2.5e-1`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WatchCursor {
    /// The number of history entries.
    pub history: u32,
    /// The number of the last log line.
    pub log: u32,
    /// The last reported progress, from 0 to 1.
    pub progress: f64,
}

impl fmt::Display for WatchCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{:e}", self.history, self.log, self.progress)
    }
}

impl FromStr for WatchCursor {
    type Err = Error;

    /// # Errors
    /// `INVALID_ARGUMENT` for the field `cursor`, unless [`Display`](fmt::Display) wrote the text.
    fn from_str(text: &str) -> Result<Self, Error> {
        read(text).ok_or_else(|| {
            let shown: String = text.chars().take(MAX_CURSOR_BYTES).collect();
            Error::invalid("cursor", format!("{shown:?} is no cursor; expected one from an update"))
        })
    }
}

fn read(text: &str) -> Option<WatchCursor> {
    if text.len() > MAX_CURSOR_BYTES {
        return None;
    }
    let (history, rest) = text.split_once(':')?;
    let (log, progress) = rest.split_once(':')?;
    let cursor = WatchCursor {
        history: history.parse().ok()?,
        log: log.parse().ok()?,
        progress: progress.parse().ok().filter(|progress| (0.0..=1.0).contains(progress))?,
    };
    // Each number must have the one form that `Display` writes.
    (cursor.to_string() == text).then_some(cursor)
}

/// One update of a watched task.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// The task entered a state.
    Entered(HistoryEntry),
    /// The handler reported progress: a fraction from 0 to 1 and a message.
    Progress(f64, String),
    /// The handler wrote a log line.
    Log(LogLine),
    /// The task ended; the last update.
    Outcome(Outcome),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        for progress in [0.0, 1.0, 0.1, 1.0 / 3.0, f64::MIN_POSITIVE, 5e-324] {
            let cursor = WatchCursor { history: u32::MAX, log: u32::MAX, progress };
            let text = cursor.to_string();
            assert_eq!(text.parse(), Ok(cursor), "{text}");
        }
        assert_eq!(WatchCursor { history: 3, log: 12, progress: 0.25 }.to_string(), "3:12:2.5e-1");
        assert_eq!("0:0:0e0".parse(), Ok(WatchCursor::default()));
    }

    #[test]
    fn an_invalid_cursor_is_refused() {
        let long = "1".repeat(1_000);
        for text in [
            "",
            ":",
            "::",
            "1:2",
            "1:2:",
            "1:2:0e0:4",
            "-1:2:0e0",
            "+1:2:0e0",
            "01:2:0e0",
            "1:2:0",
            "1:2:NaN",
            "1:2:inf",
            "1:2:1.5e0",
            "1:2:-1e-1",
            "4294967296:2:0e0",
            " 1:2:0e0",
            &long,
        ] {
            let refused = text.parse::<WatchCursor>().expect_err(text);
            let shown: String = text.chars().take(MAX_CURSOR_BYTES).collect();
            let expected = format!("cursor: {shown:?} is no cursor; expected one from an update");
            assert_eq!(refused.message, expected);
        }
    }
}
