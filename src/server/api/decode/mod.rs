//! Requests: from the wire to the facade's words.
//!
//! Refuses what protobuf can say and no task can mean, naming the field as the wire has it. Bounds
//! on a task's own values and defaults are the gate's.

mod admin;
mod batch;
mod event_filter;
mod filter;
mod queue;
mod schedule;
mod task;
mod watch_interval;
mod webhook;

use std::time::Duration;

pub(super) use admin::{Resolve, resolve, retry_task};
pub(super) use batch::{Chain, Group, chain, group, requests};
pub(super) use event_filter::event_filter;
pub(super) use filter::{Listing, cancel, list, purge};
pub(super) use queue::{limits, queue};
pub(super) use schedule::{NEXT_TIMES, SCHEDULE, page_size, preview, schedule, schedule_name};
pub(super) use task::{cancels_on_disconnect, request, unattended};
pub(super) use watch_interval::watch_interval;
pub(super) use webhook::{webhook, webhooks};

use crate::clock::Timestamp;
use crate::error::Error;
use crate::models::TaskId;
use crate::pb;

/// The longest that a call may wait for a task to end.
const MAX_WAIT: Duration = Duration::from_secs(600);
/// The longest reason of a change by hand, in bytes. It is kept with every task that the change meets.
const MAX_REASON_BYTES: usize = 1_000;

/// Whose outcome is asked for, and how long the caller waits for it.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(super) fn result(message: &pb::ResultRequest) -> Result<(TaskId, Duration), Error> {
    Ok((TaskId::parse(&message.task_id, "task_id")?, wait(message.wait)?))
}

/// How long to wait for a task to end; nothing unless it was said.
fn wait(wait: Option<prost_types::Duration>) -> Result<Duration, Error> {
    let wait = duration(wait, "wait")?.unwrap_or_default();
    if wait > MAX_WAIT {
        return Err(Error::invalid("wait", format!("{wait:?}; at most 10 minutes are accepted")));
    }
    Ok(wait)
}

fn ids(texts: &[String], field: &str, max: usize) -> Result<Vec<TaskId>, Error> {
    at_most(texts.len(), max, field, "ids")?;
    let mut ids = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        // The place is written out only once it is known to be at fault.
        let id = TaskId::parse(text, field)
            .or_else(|_| TaskId::parse(text, &format!("{field}[{at}]")))?;
        ids.push(id);
    }
    Ok(ids)
}

fn at_most(count: usize, max: usize, field: &str, what: &str) -> Result<(), Error> {
    if count > max {
        return Err(Error::invalid(field, format!("{count} {what}; at most {max} are accepted")));
    }
    Ok(())
}

fn reason(text: String) -> Result<String, Error> {
    at_most(text.len(), MAX_REASON_BYTES, "reason", "bytes")?;
    Ok(text)
}

/// What is empty on the wire was not set.
fn set(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn timestamp(stamp: prost_types::Timestamp, field: &str) -> Result<Timestamp, Error> {
    let parts = (u64::try_from(stamp.seconds), u64::try_from(stamp.nanos));
    if let (Ok(seconds), Ok(nanos @ 0..1_000_000_000)) = parts
        && let Some(micros) = seconds.checked_mul(1_000_000)
        && let Some(time) = Timestamp::from_micros(micros.saturating_add(nanos / 1_000))
    {
        return Ok(time);
    }
    let shown = format!("{} s and {} ns", stamp.seconds, stamp.nanos);
    Err(Error::invalid(
        field,
        format!("{shown} since 1970 is no time that is accepted; expected 1970 to 9999"),
    ))
}

fn duration(value: Option<prost_types::Duration>, field: &str) -> Result<Option<Duration>, Error> {
    /// Ten thousand years, the bound that protobuf itself names.
    const MAX_SECONDS: u64 = 315_576_000_000;
    let Some(value) = value else { return Ok(None) };
    let parts = (u64::try_from(value.seconds), u32::try_from(value.nanos));
    if let (Ok(seconds @ 0..=MAX_SECONDS), Ok(nanos @ 0..1_000_000_000)) = parts {
        return Ok(Some(Duration::new(seconds, nanos)));
    }
    let shown = format!("{} s and {} ns", value.seconds, value.nanos);
    Err(Error::invalid(
        field,
        format!("{shown} is no length of time; expected 0 s or more, with 0 to 999999999 ns"),
    ))
}

fn unknown(number: i32, field: &str, expected: &str) -> Error {
    Error::invalid(field, format!("{number} has no meaning; expected {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_of_what_can_be_said_are_accepted() {
        let end = prost_types::Timestamp { seconds: 253_402_300_799, nanos: 999_999_999 };
        assert!(timestamp(end, "x").is_ok());
        assert_eq!(timestamp(prost_types::Timestamp::default(), "x"), Ok(Timestamp::EPOCH));
        let long = prost_types::Duration { seconds: 315_576_000_000, nanos: 999_999_999 };
        assert!(duration(Some(long), "x").is_ok());
        assert_eq!(duration(Some(prost_types::Duration::default()), "x"), Ok(Some(Duration::ZERO)));
    }

    #[test]
    fn a_call_waits_for_ten_minutes_at_most() {
        let asked = |seconds, nanos| pb::ResultRequest {
            task_id: "a".into(),
            wait: Some(prost_types::Duration { seconds, nanos }),
        };
        let check = |message: pb::ResultRequest, expected: Result<Duration, &str>| {
            let said = result(&message).map(|(_, wait)| wait).map_err(|error| error.message);
            assert_eq!(said, expected.map_err(str::to_owned));
        };
        check(pb::ResultRequest { task_id: "a".into(), wait: None }, Ok(Duration::ZERO));
        check(asked(0, 1), Ok(Duration::from_nanos(1)));
        check(asked(600, 0), Ok(MAX_WAIT));
        check(asked(600, 1), Err("wait: 600.000000001s; at most 10 minutes are accepted"));
        check(
            asked(-1, 0),
            Err(
                "wait: -1 s and 0 ns is no length of time; expected 0 s or more, with 0 to 999999999 ns",
            ),
        );
        let nobody = pb::ResultRequest::default();
        check(nobody, Err("task_id: empty; expected 1 to 255 bytes"));
    }
}
