//! What a body says while it runs, for people: how far it is, and log lines. Kept here until the host
//! takes it; saying never waits.

use std::mem;

use parking_lot::Mutex;

use super::TaskContext;
use crate::models::{LogLevel, LogLine, MAX_LOG_LINE_BYTES, MAX_LOG_LINES};

/// The longest progress message that is kept, in bytes.
pub const MAX_PROGRESS_MESSAGE_BYTES: usize = 1_024;

/// Stands in the place of the last line that is kept with a task.
const DROPPED: &str = "the log is full: what the task says from here on is dropped";

/// How far a body says it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// From 0 to 1.
    pub fraction: f64,
    /// For people.
    pub message: String,
}

/// Why a progress report was not taken.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("progress must be a number from 0 to 1, not {0}")]
pub struct BadProgress(pub f64);

/// What a body said since the host last asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct UnwrittenOutput {
    /// The latest, if there is a new one.
    pub(crate) progress: Option<Progress>,
    /// In the order of their numbers.
    pub(crate) lines: Vec<LogLine>,
}

/// The words of one attempt. Holds at most [`MAX_LOG_LINES`] lines: a task has no more.
#[derive(Debug)]
pub(super) struct OutputBuffer(Mutex<Words>);

#[derive(Debug)]
struct Words {
    progress: Progress,
    progress_is_new: bool,
    lines: Vec<LogLine>,
    /// The number of the task's last line.
    last_line: u32,
}

impl OutputBuffer {
    /// By an attempt of a task that has so many lines.
    pub(super) fn after(log_lines: u32) -> Self {
        Self(Mutex::new(Words {
            progress: Progress::default(),
            progress_is_new: false,
            lines: Vec::new(),
            last_line: log_lines,
        }))
    }
}

impl Words {
    fn is_new(&self) -> bool {
        self.progress_is_new || !self.lines.is_empty()
    }
}

impl TaskContext {
    /// Says how far the body is, from 0 to 1, and what it is doing. The message is cut at
    /// [`MAX_PROGRESS_MESSAGE_BYTES`].
    ///
    /// Cheap enough for a loop: whoever watches is told of the latest now and then.
    ///
    /// # Errors
    /// [`BadProgress`] when `fraction` is not a number from 0 to 1; nothing changes then.
    pub fn update_progress(
        &self,
        fraction: f64,
        message: impl Into<String>,
    ) -> Result<(), BadProgress> {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(BadProgress(fraction));
        }
        let message = cut(message.into(), MAX_PROGRESS_MESSAGE_BYTES);
        self.say(|words| {
            words.progress = Progress { fraction, message };
            words.progress_is_new = true;
        });
        Ok(())
    }

    /// [`update_progress`](Self::update_progress) in a word.
    ///
    /// # Errors
    /// The same.
    pub fn progress(&self, fraction: f64, message: impl Into<String>) -> Result<(), BadProgress> {
        self.update_progress(fraction, message)
    }

    /// What the body last said.
    pub fn current_progress(&self) -> Progress {
        self.0.output.0.lock().progress.clone()
    }

    /// Adds a line to the task's log, which is kept with the task and shown to those who look at it.
    /// (What goes to the server's own log is written with [`task_info!`](crate::task_info).)
    ///
    /// Lines are cut at [`MAX_LOG_LINE_BYTES`]. At most [`MAX_LOG_LINES`] are kept, those of earlier
    /// attempts included; the last of them says that later ones were dropped.
    pub fn log(&self, level: LogLevel, text: impl Into<String>) {
        let text = cut(text.into(), MAX_LOG_LINE_BYTES);
        let at = self.0.host.now().wall;
        self.say(|words| {
            let number = words.last_line.saturating_add(1);
            let (level, text) = match number {
                ..MAX_LOG_LINES => (level, text),
                MAX_LOG_LINES => (LogLevel::Warn, DROPPED.to_owned()),
                _ => return,
            };
            words.last_line = number;
            words.lines.push(LogLine { number, at, level, attempt: self.0.number, text });
        });
    }

    /// A line of interest to whoever wrote the body: see [`log`](Self::log).
    pub fn log_debug(&self, text: impl Into<String>) {
        self.log(LogLevel::Debug, text);
    }

    /// A line that says what happened: see [`log`](Self::log).
    pub fn log_info(&self, text: impl Into<String>) {
        self.log(LogLevel::Info, text);
    }

    /// A line about an oddity that the body got over: see [`log`](Self::log).
    pub fn log_warn(&self, text: impl Into<String>) {
        self.log(LogLevel::Warn, text);
    }

    /// A line that somebody should look at: see [`log`](Self::log).
    pub fn log_error(&self, text: impl Into<String>) {
        self.log(LogLevel::Error, text);
    }

    /// Takes what the body said since this was last asked. The host is told when there is more.
    pub(crate) fn take_unwritten(&self) -> UnwrittenOutput {
        let words = &mut *self.0.output.0.lock();
        let is_new = mem::take(&mut words.progress_is_new);
        let progress = is_new.then(|| words.progress.clone());
        UnwrittenOutput { progress, lines: mem::take(&mut words.lines) }
    }

    /// Takes a word down, and tells the host of the first one that it has not taken.
    fn say(&self, word: impl FnOnce(&mut Words)) {
        let is_first = {
            let words = &mut *self.0.output.0.lock();
            let knows = words.is_new();
            word(words);
            !knows && words.is_new()
        };
        if is_first {
            self.0.host.output_available(self.0.fence);
        }
    }
}

/// At most so many bytes of a text, and no memory for what was cut.
fn cut(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
        text.shrink_to_fit();
    }
    text
}
