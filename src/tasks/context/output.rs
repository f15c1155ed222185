//! Progress and log lines of a running handler. Buffered until the host takes them; writing never waits.

use std::mem;

use parking_lot::Mutex;

use super::TaskContext;
use crate::models::{LogLevel, LogLine, MAX_LOG_LINE_BYTES, MAX_LOG_LINES};

/// The longest progress message that is kept, in bytes.
pub const MAX_PROGRESS_MESSAGE_BYTES: usize = 1_024;

/// Replaces the last line that a task can have.
const DROPPED: &str = "the log is full: later lines of this task are dropped";

/// The progress of a handler, as it reports it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// From 0 to 1.
    pub fraction: f64,
    /// For people.
    pub message: String,
}

/// Why a progress report was refused.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("progress must be a number from 0 to 1, not {0}")]
pub struct BadProgress(pub f64);

/// The output since the host last took it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct UnwrittenOutput {
    /// The latest report, if it is new.
    pub(crate) progress: Option<Progress>,
    /// In the order of their numbers.
    pub(crate) lines: Vec<LogLine>,
}

/// The output of one attempt. Holds at most [`MAX_LOG_LINES`] lines, the most that a task can have.
#[derive(Debug)]
pub(super) struct OutputBuffer(Mutex<Output>);

#[derive(Debug)]
struct Output {
    progress: Progress,
    progress_is_new: bool,
    lines: Vec<LogLine>,
    /// The number of the task's last line.
    last_line: u32,
}

impl OutputBuffer {
    /// For an attempt of a task whose log has this many lines.
    pub(super) fn after(log_lines: u32) -> Self {
        Self(Mutex::new(Output {
            progress: Progress::default(),
            progress_is_new: false,
            lines: Vec::new(),
            last_line: log_lines,
        }))
    }
}

impl Output {
    fn is_new(&self) -> bool {
        self.progress_is_new || !self.lines.is_empty()
    }
}

impl TaskContext {
    /// Reports progress: a fraction from 0 to 1, and a message, which is cut at
    /// [`MAX_PROGRESS_MESSAGE_BYTES`]. Cheap enough for a loop: only the latest report is stored, at most
    /// four times a second.
    ///
    /// # Errors
    /// [`BadProgress`] when `fraction` is not a number from 0 to 1; the last report stays.
    pub fn update_progress(
        &self,
        fraction: f64,
        message: impl Into<String>,
    ) -> Result<(), BadProgress> {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(BadProgress(fraction));
        }
        let message = cut(message.into(), MAX_PROGRESS_MESSAGE_BYTES);
        self.write(|output| {
            output.progress = Progress { fraction, message };
            output.progress_is_new = true;
        });
        Ok(())
    }

    /// Short for [`update_progress`](Self::update_progress).
    ///
    /// # Errors
    /// The same.
    pub fn progress(&self, fraction: f64, message: impl Into<String>) -> Result<(), BadProgress> {
        self.update_progress(fraction, message)
    }

    /// The latest progress report.
    pub fn current_progress(&self) -> Progress {
        self.0.output.0.lock().progress.clone()
    }

    /// Adds a line to the task's log, which is stored with the task. To write to the server's log instead,
    /// use [`task_info!`](crate::task_info).
    ///
    /// A line is cut at [`MAX_LOG_LINE_BYTES`]. A task has at most [`MAX_LOG_LINES`] lines over all its
    /// attempts; the last one says that later lines are dropped.
    pub fn log(&self, level: LogLevel, text: impl Into<String>) {
        let text = cut(text.into(), MAX_LOG_LINE_BYTES);
        let at = self.0.host.now().wall;
        self.write(|output| {
            let number = output.last_line.saturating_add(1);
            let (level, text) = match number {
                ..MAX_LOG_LINES => (level, text),
                MAX_LOG_LINES => (LogLevel::Warn, DROPPED.to_owned()),
                _ => return,
            };
            output.last_line = number;
            output.lines.push(LogLine { number, at, level, attempt: self.0.number, text });
        });
    }

    /// Logs a detail for the author of the task: see [`log`](Self::log).
    pub fn log_debug(&self, text: impl Into<String>) {
        self.log(LogLevel::Debug, text);
    }

    /// Logs what happened: see [`log`](Self::log).
    pub fn log_info(&self, text: impl Into<String>) {
        self.log(LogLevel::Info, text);
    }

    /// Logs a problem that the handler recovered from: see [`log`](Self::log).
    pub fn log_warn(&self, text: impl Into<String>) {
        self.log(LogLevel::Warn, text);
    }

    /// Logs a problem that needs attention: see [`log`](Self::log).
    pub fn log_error(&self, text: impl Into<String>) {
        self.log(LogLevel::Error, text);
    }

    /// Takes the output since the last call. The host is notified when there is more.
    pub(crate) fn take_unwritten(&self) -> UnwrittenOutput {
        let output = &mut *self.0.output.0.lock();
        let is_new = mem::take(&mut output.progress_is_new);
        let progress = is_new.then(|| output.progress.clone());
        UnwrittenOutput { progress, lines: mem::take(&mut output.lines) }
    }

    /// Adds output, and notifies the host if it had taken everything before.
    fn write(&self, add: impl FnOnce(&mut Output)) {
        let is_first = {
            let output = &mut *self.0.output.0.lock();
            let was_new = output.is_new();
            add(output);
            !was_new && output.is_new()
        };
        if is_first {
            self.0.host.output_available(self.0.fence);
        }
    }
}

/// Cuts a text at a number of bytes, and frees the rest.
fn cut(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
        text.shrink_to_fit();
    }
    text
}
