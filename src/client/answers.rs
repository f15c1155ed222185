//! Decodes answers: what the server must send, and what this client cannot read.

use crate::client::ClientError;
use crate::error::Error;
use crate::models::{CancelVerdict, HistoryEntry, LogLine, State, TaskId};
use crate::{pb, wire};

/// The state in an answer of `call`.
pub(super) fn state(call: &'static str, number: i32) -> Result<State, ClientError> {
    read(call, wire::state(number, "state"), "an unknown state")
}

/// The task id in an answer of `call`.
pub(super) fn id(call: &'static str, text: &str) -> Result<TaskId, ClientError> {
    read(call, TaskId::parse(text, "task_id"), "an invalid task id")
}

/// A part of an answer that must be set.
pub(super) fn part<T>(
    call: &'static str,
    part: Option<T>,
    what: &'static str,
) -> Result<T, ClientError> {
    part.ok_or(ClientError::BadAnswer { call, what })
}

/// An entry of a task's history.
pub(super) fn history_entry(
    call: &'static str,
    entry: pb::HistoryEntry,
) -> Result<HistoryEntry, ClientError> {
    read(call, wire::history_entry(entry), "an unreadable history entry")
}

/// A line of a task's log.
pub(super) fn log_line(call: &'static str, line: pb::LogLine) -> Result<LogLine, ClientError> {
    read(call, wire::log_line(line), "an unreadable log line")
}

/// The outcome of a cancel request for one task.
pub(super) fn cancel_outcome(
    outcome: &pb::CancelOutcome,
) -> Result<(TaskId, CancelVerdict), ClientError> {
    read("CancelTasks", wire::cancel_outcome(outcome), "an unreadable cancel outcome")
}

fn read<T>(
    call: &'static str,
    value: Result<T, Error>,
    what: &'static str,
) -> Result<T, ClientError> {
    value.map_err(|_| ClientError::BadAnswer { call, what })
}
