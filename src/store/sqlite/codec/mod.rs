//! The encoding of what columns do not hold: protobuf messages, so that fields can come and go
//! without rewriting rows. A field number is never reused.
//!
//! Values that SQL queries use are in columns, and only there. Columns keep the names of the
//! schema's first version (`asked` is the request, `line` the queue of a claimable task):
//! [`schema`](super::schema) has the list. Names of message fields are not stored.

mod row;
mod schedule;
mod settings;
mod task;
#[cfg(test)]
mod tests;
mod value;
mod webhook;

pub(super) use row::{SideTables, read_row, write_row};
pub(super) use schedule::{
    read_schedule, read_schedule_state, write_schedule, write_schedule_state,
};
pub(super) use settings::{read_settings, write_settings};
pub(super) use task::{Columns, read_task, write_task};
pub(super) use value::{read_values, write_values};
pub(super) use webhook::{read_webhook, write_webhook};

use crate::clock::Timestamp;
use crate::models::{LogLevel, State};

/// Why bytes cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error(transparent)]
    Prost(#[from] prost::DecodeError),
    #[error("{0}")]
    Wrong(&'static str),
}

pub(super) const RUNNING: i64 = 2;
pub(super) const SUCCEEDED: i64 = 4;

pub(super) fn state_number(state: State) -> i64 {
    match state {
        State::Pending => 0,
        State::Queued => 1,
        State::Running => RUNNING,
        State::Retrying => 3,
        State::Succeeded => SUCCEEDED,
        State::Failed => 5,
        State::Cancelled => 6,
        State::Expired => 7,
    }
}

pub(super) fn state_of(number: i64) -> Option<State> {
    State::ALL.into_iter().find(|state| state_number(*state) == number)
}

pub(super) fn level_number(level: LogLevel) -> i64 {
    match level {
        LogLevel::Debug => 0,
        LogLevel::Info => 1,
        LogLevel::Warn => 2,
        LogLevel::Error => 3,
    }
}

/// An unknown level, written by a later version, reads as `Error`.
pub(super) fn level_of(number: i64) -> LogLevel {
    match number {
        0 => LogLevel::Debug,
        1 => LogLevel::Info,
        2 => LogLevel::Warn,
        _ => LogLevel::Error,
    }
}

/// Microseconds, as columns hold them. They fit: the latest time is in the year 9999.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_micros().cast_signed()
}

/// The time in a column or field.
pub(super) fn time(micros: u64) -> Result<Timestamp, Malformed> {
    Timestamp::from_micros(micros).ok_or(Malformed::Wrong("time after the year 9999"))
}
