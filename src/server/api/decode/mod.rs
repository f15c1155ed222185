//! Decodes requests: from protobuf messages to the facade's arguments.
//!
//! Decoding refuses what protobuf can express and no task can mean, and names the field as the wire
//! has it. The engine checks the bounds of a task's own values and applies defaults.

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
pub(super) use event_filter::{category, event_filter};
pub(super) use filter::{Listing, cancel, list, purge};
pub(super) use queue::{limits, queue};
pub(super) use schedule::{NEXT_TIMES, SCHEDULE, preview, schedule};
pub(super) use task::{cancels_on_disconnect, request, request_without_wait};
pub(super) use watch_interval::watch_interval;
pub(super) use webhook::webhook;

use crate::error::Error;
use crate::models::{MAX_PAGE, TaskId};
use crate::{pb, wire};

/// The longest time that a call may wait for a task to end.
const MAX_WAIT: Duration = Duration::from_secs(600);
/// The longest reason of an administrative change, in bytes. The server keeps it with every task
/// that it changes.
const MAX_REASON_BYTES: usize = 1_000;
/// The length of a page where the request sets none.
const DEFAULT_PAGE: usize = 50;

/// The task of a GetResult request, and how long the caller waits for its end.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(super) fn result(message: &pb::ResultRequest) -> Result<(TaskId, Duration), Error> {
    Ok((TaskId::parse(&message.task_id, "task_id")?, wait(message.wait)?))
}

/// The length of a page of `noun`s: 1 to [`MAX_PAGE`], 50 unless set.
///
/// # Errors
/// `INVALID_ARGUMENT` when it is longer.
pub(super) fn page_size(size: u32, noun: &str) -> Result<usize, Error> {
    let limit = match usize::try_from(size).unwrap_or(usize::MAX) {
        0 => DEFAULT_PAGE,
        limit => limit,
    };
    at_most(limit, MAX_PAGE, "page_size", noun)?;
    Ok(limit)
}

/// How long to wait for a task to end; zero unless set.
fn wait(wait: Option<prost_types::Duration>) -> Result<Duration, Error> {
    let wait = wire::duration(wait, "wait")?.unwrap_or_default();
    if wait > MAX_WAIT {
        return Err(Error::invalid("wait", format!("{wait:?}; at most 10 minutes are accepted")));
    }
    Ok(wait)
}

fn ids(texts: &[String], field: &str, max: usize) -> Result<Vec<TaskId>, Error> {
    at_most(texts.len(), max, field, "ids")?;
    let mut ids = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        // The path is formatted only for an id that is refused.
        let id = TaskId::parse(text, field)
            .or_else(|_| TaskId::parse(text, &format!("{field}[{at}]")))?;
        ids.push(id);
    }
    Ok(ids)
}

fn at_most(count: usize, max: usize, field: &str, noun: &str) -> Result<(), Error> {
    if count > max {
        return Err(Error::invalid(field, format!("{count} {noun}; at most {max} are accepted")));
    }
    Ok(())
}

fn reason(text: String) -> Result<String, Error> {
    at_most(text.len(), MAX_REASON_BYTES, "reason", "bytes")?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_waits_for_at_most_ten_minutes() {
        let request = |seconds, nanos| pb::ResultRequest {
            task_id: "a".into(),
            wait: Some(prost_types::Duration { seconds, nanos }),
        };
        let check = |message: pb::ResultRequest, expected: Result<Duration, &str>| {
            let wait = result(&message).map(|(_, wait)| wait).map_err(|error| error.message);
            assert_eq!(wait, expected.map_err(str::to_owned));
        };
        check(pb::ResultRequest { task_id: "a".into(), wait: None }, Ok(Duration::ZERO));
        check(request(0, 1), Ok(Duration::from_nanos(1)));
        check(request(600, 0), Ok(MAX_WAIT));
        check(request(600, 1), Err("wait: 600.000000001s; at most 10 minutes are accepted"));
        check(pb::ResultRequest::default(), Err("task_id: empty; expected 1 to 255 bytes"));
        assert_eq!(result(&request(-1, 0)).expect_err("refused").violations[0].field, "wait");
    }

    #[test]
    fn a_page_has_fifty_entries_unless_set_and_at_most_a_thousand() {
        assert_eq!(page_size(0, "tasks"), Ok(50));
        assert_eq!(page_size(1_000, "tasks"), Ok(1_000));
        let refused = page_size(u32::MAX, "tasks").expect_err("refused").message;
        assert_eq!(refused, "page_size: 4294967295 tasks; at most 1000 are accepted");
    }
}
