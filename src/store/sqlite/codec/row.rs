//! The state of a task: all of a row except the request, and except what is large.

use std::sync::Arc;

use prost::Message;
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::Error as NoSuchCode;

use super::task::id;
use super::{Malformed, read_values, state_number, state_of, time, write_values};
use crate::clock::Timestamp;
use crate::error::Code;
use crate::models::{
    BlockedBy, Ended, Ending, Failure, Fence, HistoryEntry, Outcome, Sequence, State, Task, TaskId,
};
use crate::store::rules::Row;

#[derive(Clone, PartialEq, Message)]
struct StoredRow {
    /// Missing without a claim.
    #[prost(uint64, optional, tag = "1")]
    fence_epoch: Option<u64>,
    #[prost(uint64, tag = "2")]
    fence_counter: u64,
    #[prost(uint32, tag = "3")]
    attempts: u32,
    #[prost(uint32, tag = "4")]
    attempts_before_retry: u32,
    #[prost(uint32, tag = "5")]
    rescues: u32,
    #[prost(uint32, tag = "6")]
    crash_count: u32,
    #[prost(uint64, optional, tag = "7")]
    started_at: Option<u64>,
    #[prost(uint32, tag = "8")]
    unmet: u32,
    #[prost(uint32, tag = "9")]
    needed_by: u32,
    #[prost(uint64, optional, tag = "10")]
    due: Option<u64>,
    #[prost(uint64, optional, tag = "11")]
    expires_at: Option<u64>,
    #[prost(string, optional, tag = "12")]
    cancel_requested: Option<String>,
    /// [`RESOLVED_ARGS`], [`RESOLVED`] and so on.
    #[prost(uint32, tag = "13")]
    flags: u32,
    /// The bits: protobuf does not store a negative zero.
    #[prost(fixed64, tag = "14")]
    progress: u64,
    #[prost(string, tag = "15")]
    progress_message: String,
    #[prost(uint32, tag = "16")]
    log_lines: u32,
    #[prost(string, repeated, tag = "17")]
    children: Vec<String>,
    #[prost(uint64, repeated, tag = "18")]
    parents: Vec<u64>,
    #[prost(string, repeated, tag = "19")]
    foreign: Vec<String>,
    #[prost(uint64, optional, tag = "20")]
    child_of: Option<u64>,
    #[prost(uint64, optional, tag = "21")]
    keep_until: Option<u64>,
    #[prost(uint64, optional, tag = "22")]
    failed_for: Option<u64>,
    /// Three numbers for each entry: the state and whether an error belongs to it, the attempt,
    /// microseconds since the entry before.
    #[prost(sint64, repeated, tag = "23")]
    history: Vec<i64>,
    #[prost(string, repeated, tag = "24")]
    history_errors: Vec<String>,
    #[prost(message, optional, tag = "25")]
    outcome: Option<StoredOutcome>,
    #[prost(uint32, tag = "26")]
    history_dropped: u32,
}

const RESOLVED_ARGS: u32 = 1;
const CHECKPOINT: u32 = 2;
const RESOLVED: u32 = 4;
const HOLDS_KEY: u32 = 8;
const QUARANTINE_SLOT: u32 = 16;
const QUARANTINE_CANDIDATE: u32 = 32;
const SUSPENDED: u32 = 64;
const DEPENDANTS_PENDING: u32 = 128;
const BLOCKED_BY_KEY: u32 = 256;
const BLOCKED_BY_QUARANTINE: u32 = 512;

/// Added to the state of an entry with an error.
const WITH_ERROR: i64 = 1 << 8;

#[derive(Clone, PartialEq, Message)]
struct StoredOutcome {
    /// 0: succeeded, 1: skipped, 2: failed, 3: cancelled, 4: expired.
    #[prost(uint32, tag = "1")]
    ending: u32,
    #[prost(bytes = "vec", tag = "2")]
    result: Vec<u8>,
    #[prost(string, tag = "3")]
    code: String,
    #[prost(string, tag = "4")]
    message: String,
    /// Missing if equal to the row's.
    #[prost(message, optional, tag = "5")]
    attempts: Option<StoredAttempts>,
    #[prost(uint64, tag = "6")]
    ended_at: u64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct StoredAttempts {
    #[prost(uint32, tag = "1")]
    attempts: u32,
    #[prost(uint64, optional, tag = "2")]
    started_at: Option<u64>,
}

/// Appends the state of a task.
pub(in super::super) fn write_row(row: &Row, out: &mut Vec<u8>) {
    let texts = |ids: &[TaskId]| ids.iter().map(|id| id.as_str().to_owned()).collect();
    let mut history = Vec::with_capacity(3 * row.history.len());
    let mut history_errors = Vec::new();
    let mut before = 0;
    for entry in &row.history {
        let at = entry.at.as_micros().cast_signed();
        let with_error = if entry.error.is_some() { WITH_ERROR } else { 0 };
        history.extend([
            state_number(entry.state) + with_error,
            i64::from(entry.attempt),
            at - before,
        ]);
        history_errors.extend(entry.error.clone());
        before = at;
    }
    let stored = StoredRow {
        fence_epoch: row.fence.map(|fence| fence.epoch),
        fence_counter: row.fence.map_or(0, |fence| fence.counter),
        attempts: row.attempts,
        attempts_before_retry: row.attempts_before_retry,
        rescues: row.rescues,
        crash_count: row.crash_count,
        started_at: row.started_at.map(Timestamp::as_micros),
        unmet: row.unmet,
        needed_by: row.needed_by,
        due: row.due.map(Timestamp::as_micros),
        expires_at: row.expires_at.map(Timestamp::as_micros),
        cancel_requested: row.cancel_requested.clone(),
        flags: flags(row),
        progress: row.progress.0.to_bits(),
        progress_message: row.progress.1.clone(),
        log_lines: row.log_lines,
        children: texts(&row.children),
        parents: row.parents.iter().map(|parent| parent.0).collect(),
        foreign: texts(&row.foreign),
        child_of: row.child_of.map(|parent| parent.0),
        keep_until: row.keep_until.map(Timestamp::as_micros),
        failed_for: row.failed_for.map(|parent| parent.0),
        history,
        history_errors,
        outcome: row.ended.as_ref().map(|ended| store_outcome(&ended.outcome, row)),
        history_dropped: row.history_dropped,
    };
    stored.encode(out).expect("a vector grows");
}

fn flags(row: &Row) -> u32 {
    let all = [
        (RESOLVED_ARGS, row.resolved_args.is_some()),
        (CHECKPOINT, row.checkpoint.is_some()),
        (RESOLVED, row.resolved),
        (HOLDS_KEY, row.holds_key),
        (QUARANTINE_SLOT, row.quarantine_slot),
        (QUARANTINE_CANDIDATE, row.quarantine_candidate),
        (SUSPENDED, row.suspended),
        (DEPENDANTS_PENDING, row.dependants_pending),
        (BLOCKED_BY_KEY, row.blocked_by == Some(BlockedBy::ConcurrencyKey)),
        (BLOCKED_BY_QUARANTINE, row.blocked_by == Some(BlockedBy::Quarantine)),
    ];
    all.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag).sum()
}

fn store_outcome(outcome: &Outcome, row: &Row) -> StoredOutcome {
    let mut stored = StoredOutcome {
        ended_at: outcome.ended_at.as_micros(),
        attempts: (outcome.attempts != row.attempts || outcome.started_at != row.started_at).then(
            || StoredAttempts {
                attempts: outcome.attempts,
                started_at: outcome.started_at.map(Timestamp::as_micros),
            },
        ),
        ..StoredOutcome::default()
    };
    match &outcome.ending {
        Ending::Succeeded(result) => write_values([&**result], &mut stored.result),
        Ending::Skipped => stored.ending = 1,
        Ending::Failed(Failure { code, message }) => {
            stored.ending = 2;
            code.as_str().clone_into(&mut stored.code);
            stored.message.clone_from(message);
        }
        Ending::Cancelled(reason) => {
            stored.ending = 3;
            stored.message.clone_from(reason);
        }
        Ending::Expired => stored.ending = 4,
    }
    stored
}

/// Which side tables have an entry for a row.
pub(in super::super) struct SideTables {
    pub(in super::super) resolved_args: bool,
    pub(in super::super) checkpoint: bool,
}

/// Decodes a row, without what is in side tables.
///
/// # Errors
/// [`Malformed`].
pub(in super::super) fn read_row(
    sequence: Sequence,
    task: Arc<Task>,
    state: State,
    stored: &[u8],
) -> Result<(Row, SideTables), Malformed> {
    let stored = StoredRow::decode(stored)?;
    let ids = |texts: &[String]| texts.iter().map(|text| id(text)).collect::<Result<_, _>>();
    let has = |flag| stored.flags & flag != 0;
    let started_at = stored.started_at.map(time).transpose()?;
    let history = read_history(&stored.history, stored.history_errors)?;
    let ended = match stored.outcome {
        None => None,
        Some(outcome) => {
            let outcome = read_outcome(outcome, stored.attempts, started_at)?;
            Some(Arc::new(Ended { task: task.clone(), outcome }))
        }
    };
    let counter = stored.fence_counter;
    let row = Row {
        sequence,
        task,
        state,
        fence: stored.fence_epoch.map(|epoch| Fence { epoch, counter }),
        attempts: stored.attempts,
        attempts_before_retry: stored.attempts_before_retry,
        rescues: stored.rescues,
        crash_count: stored.crash_count,
        started_at,
        unmet: stored.unmet,
        needed_by: stored.needed_by,
        due: stored.due.map(time).transpose()?,
        expires_at: stored.expires_at.map(time).transpose()?,
        cancel_requested: stored.cancel_requested,
        resolved_args: None,
        checkpoint: None,
        progress: (f64::from_bits(stored.progress), stored.progress_message),
        log_lines: stored.log_lines,
        children: ids(&stored.children)?,
        parents: stored.parents.into_iter().map(Sequence).collect(),
        foreign: ids(&stored.foreign)?,
        child_of: stored.child_of.map(Sequence),
        holds_key: has(HOLDS_KEY),
        quarantine_candidate: has(QUARANTINE_CANDIDATE),
        quarantine_slot: has(QUARANTINE_SLOT),
        suspended: has(SUSPENDED),
        blocked_by: match (has(BLOCKED_BY_KEY), has(BLOCKED_BY_QUARANTINE)) {
            (true, _) => Some(BlockedBy::ConcurrencyKey),
            (_, true) => Some(BlockedBy::Quarantine),
            _ => None,
        },
        keep_until: stored.keep_until.map(time).transpose()?,
        dependants_pending: has(DEPENDANTS_PENDING),
        resolved: has(RESOLVED),
        failed_for: stored.failed_for.map(Sequence),
        ended,
        history,
        history_dropped: stored.history_dropped,
    };
    Ok((row, SideTables { resolved_args: has(RESOLVED_ARGS), checkpoint: has(CHECKPOINT) }))
}

fn read_history(numbers: &[i64], errors: Vec<String>) -> Result<Vec<HistoryEntry>, Malformed> {
    let mut errors = errors.into_iter();
    let mut at = 0_i64;
    let entries = numbers.chunks(3).map(|entry| {
        let &[state, attempt, since] = entry else {
            return Err(Malformed::Wrong("incomplete history entry"));
        };
        at = at.wrapping_add(since);
        Ok(HistoryEntry {
            state: state_of(state % WITH_ERROR).ok_or(Malformed::Wrong("unknown state"))?,
            at: time(at.cast_unsigned())?,
            attempt: u32::try_from(attempt).map_err(|_| Malformed::Wrong("invalid attempt"))?,
            error: if state >= WITH_ERROR { errors.next() } else { None },
        })
    });
    entries.collect()
}

fn read_outcome(
    stored: StoredOutcome,
    attempts: u32,
    started_at: Option<Timestamp>,
) -> Result<Outcome, Malformed> {
    let ending = match stored.ending {
        0 => {
            let result = read_values(&stored.result)?.pop();
            Ending::Succeeded(Arc::new(result.ok_or(Malformed::Wrong("missing result"))?))
        }
        1 => Ending::Skipped,
        2 => Ending::Failed(Failure { code: code(&stored.code), message: stored.message }),
        3 => Ending::Cancelled(stored.message),
        4 => Ending::Expired,
        _ => return Err(Malformed::Wrong("unknown ending")),
    };
    let (attempts, started_at) = match stored.attempts {
        None => (attempts, started_at),
        Some(own) => (own.attempts, own.started_at.map(time).transpose()?),
    };
    Ok(Outcome { ending, attempts, started_at, ended_at: time(stored.ended_at)? })
}

/// An unknown code, written by a later version, reads as `Internal`.
fn code(name: &str) -> Code {
    let read: Result<Code, NoSuchCode> = Code::deserialize(name.into_deserializer());
    read.unwrap_or(Code::Internal)
}
