//! What happens to a task, to those who watch it.

use crate::models::{LogLevel, LogLine, Update};
use crate::pb;
use crate::pb::watch_task_response::Update as StreamItem;
use crate::server::api::encode::{history_entry, result, stamp};

/// One update of WatchTask.
pub(in crate::server::api) fn update(cursor: String, update: Update) -> pb::WatchTaskResponse {
    let told = match update {
        Update::Entered(entry) => StreamItem::Entered(history_entry(entry)),
        Update::Progress(fraction, message) => {
            StreamItem::Progress(pb::Progress { fraction, message })
        }
        Update::Log(line) => StreamItem::Log(log_line(line)),
        Update::Outcome(outcome) => StreamItem::Outcome(result(&outcome)),
    };
    pb::WatchTaskResponse { cursor, update: Some(told) }
}

fn log_line(line: LogLine) -> pb::LogLine {
    use pb::log_line::Level;
    let level = match line.level {
        LogLevel::Debug => Level::Debug,
        LogLevel::Info => Level::Info,
        LogLevel::Warn => Level::Warn,
        LogLevel::Error => Level::Error,
    };
    pb::LogLine {
        number: line.number,
        at: Some(stamp(line.at)),
        level: level as i32,
        attempt: line.attempt,
        text: line.text,
    }
}
