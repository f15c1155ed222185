//! Answers: from the wire to the nouns.

use crate::client::ClientError;
use crate::clock::Timestamp;
use crate::models::{CancelVerdict, HistoryEntry, LogLevel, LogLine, State, TaskId};
use crate::pb;

/// A state that has to be there.
pub(super) fn state(call: &'static str, number: i32) -> Result<State, ClientError> {
    Ok(match pb::TaskState::try_from(number) {
        Ok(pb::TaskState::Pending) => State::Pending,
        Ok(pb::TaskState::Queued) => State::Queued,
        Ok(pb::TaskState::Running) => State::Running,
        Ok(pb::TaskState::Retrying) => State::Retrying,
        Ok(pb::TaskState::Succeeded) => State::Succeeded,
        Ok(pb::TaskState::Failed) => State::Failed,
        Ok(pb::TaskState::Cancelled) => State::Cancelled,
        Ok(pb::TaskState::Expired) => State::Expired,
        Ok(pb::TaskState::Unspecified) | Err(_) => {
            return Err(ClientError::BadAnswer { call, what: "an unknown state" });
        }
    })
}

/// A time that has to be there.
pub(super) fn time(
    call: &'static str,
    stamp: Option<prost_types::Timestamp>,
) -> Result<Timestamp, ClientError> {
    let read = |stamp: prost_types::Timestamp| {
        let seconds = u64::try_from(stamp.seconds).ok()?;
        let nanos = u64::try_from(stamp.nanos).ok()?;
        Timestamp::from_micros(seconds.checked_mul(1_000_000)?.checked_add(nanos / 1_000)?)
    };
    stamp.and_then(read).ok_or(ClientError::BadAnswer { call, what: "no time that can be read" })
}

/// An id that the server gave or gives back.
pub(super) fn id(call: &'static str, text: &str) -> Result<TaskId, ClientError> {
    TaskId::parse(text, "task_id")
        .map_err(|_| ClientError::BadAnswer { call, what: "no id of a task" })
}

/// A part of an answer that has to be there.
pub(super) fn part<T>(
    call: &'static str,
    part: Option<T>,
    what: &'static str,
) -> Result<T, ClientError> {
    part.ok_or(ClientError::BadAnswer { call, what })
}

/// A step of a task's life.
pub(super) fn history_entry(
    call: &'static str,
    entry: pb::HistoryEntry,
) -> Result<HistoryEntry, ClientError> {
    Ok(HistoryEntry {
        state: state(call, entry.state)?,
        at: time(call, entry.at)?,
        attempt: entry.attempt,
        error: (!entry.error.is_empty()).then_some(entry.error),
    })
}

/// A line of a task's log.
pub(super) fn log_line(call: &'static str, line: pb::LogLine) -> Result<LogLine, ClientError> {
    use pb::log_line::Level;
    let level = match line.level() {
        Level::Debug => LogLevel::Debug,
        // What a newer server calls otherwise is worth reading.
        Level::Unspecified | Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    };
    Ok(LogLine {
        number: line.number,
        at: time(call, line.at)?,
        level,
        attempt: line.attempt,
        text: line.text,
    })
}

/// What a cancel did to one task.
pub(super) fn cancel_outcome(
    outcome: &pb::CancelOutcome,
) -> Result<(TaskId, CancelVerdict), ClientError> {
    use pb::cancel_outcome::Verdict;
    const CALL: &str = "CancelTasks";
    let verdict = match outcome.verdict() {
        Verdict::Cancelled => CancelVerdict::Cancelled,
        Verdict::Requested => CancelVerdict::Requested,
        Verdict::AlreadyEnded => CancelVerdict::AlreadyEnded(state(CALL, outcome.state)?),
        Verdict::NotFound => CancelVerdict::NotFound,
        Verdict::Unspecified => {
            return Err(ClientError::BadAnswer { call: CALL, what: "an unknown verdict" });
        }
    };
    Ok((id(CALL, &outcome.task_id)?, verdict))
}

/// A point in time, to the wire.
pub(super) fn stamp(time: Timestamp) -> prost_types::Timestamp {
    let micros = time.as_micros();
    prost_types::Timestamp {
        seconds: (micros / 1_000_000).cast_signed(),
        nanos: i32::try_from(micros % 1_000_000 * 1_000).expect("less than a second"),
    }
}
