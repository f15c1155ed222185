//! Decodes which tasks a call selects: listings, cancels and purges.

use crate::error::Error;
use crate::models::{
    CancelRequest, MAX_LABEL_BYTES, MAX_METHOD_BYTES, QueueName, Sequence, State, TaskFilter,
    TaskId,
};
use crate::pb;
use crate::server::api::decode::{at_most, ids, page_size, reason};
use crate::server::api::page_token::PageTokens;
use crate::wire::{self, set, timestamp};

/// The most ids in one cancel or purge.
const MAX_IDS: usize = 1_000;

/// One page of a listing.
#[derive(Debug, PartialEq)]
pub(in crate::server::api) struct Listing {
    /// Which tasks are listed.
    pub(in crate::server::api) filter: TaskFilter,
    /// The page starts before this task.
    pub(in crate::server::api) before: Option<Sequence>,
    /// The most tasks of the page.
    pub(in crate::server::api) limit: usize,
    /// Encodes the token of the next page.
    pub(in crate::server::api) tokens: PageTokens,
}

/// Decodes a listing.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(in crate::server::api) fn list(message: pb::ListTasksRequest) -> Result<Listing, Error> {
    let tokens = PageTokens::of(&message);
    let before = match message.page_token.as_str() {
        "" => None,
        token => Some(tokens.decode(token)?),
    };
    let limit = page_size(message.page_size, "tasks")?;
    let parent = match message.parent_id.as_str() {
        "" => None,
        id => Some(TaskId::parse(id, "parent_id")?),
    };
    let submitted_after = message.submitted_after.map(|at| timestamp(at, "submitted_after"));
    let submitted_before = message.submitted_before.map(|at| timestamp(at, "submitted_before"));
    let filter = TaskFilter {
        states: states(&message.states)?,
        parent,
        submitted_after: submitted_after.transpose()?,
        submitted_before: submitted_before.transpose()?,
        ..common_filter(message.queue, message.method, message.tag)?
    };
    Ok(Listing { filter, before, limit, tokens })
}

/// Decodes a cancel request.
///
/// # Errors
/// `INVALID_ARGUMENT` when it selects nothing, names more than 1,000 ids, or a field is not valid.
pub(in crate::server::api) fn cancel(
    message: pb::CancelTasksRequest,
) -> Result<CancelRequest, Error> {
    let ids = ids(&message.task_ids, "task_ids", MAX_IDS)?;
    let filter = common_filter(message.queue, message.method, message.tag)?;
    let matching = (!filter.is_empty())
        .then(|| TaskFilter { states: TaskFilter::UNFINISHED.into(), ..filter });
    if ids.is_empty() && matching.is_none() {
        return Err(Error::invalid(
            "task_ids",
            "empty, and so are `tag`, `queue` and `method`; expected at least one of them",
        ));
    }
    Ok(CancelRequest { ids, matching, reason: reason(message.reason)? })
}

/// Decodes a purge request: the ids (none selects every task) and the filter.
///
/// # Errors
/// `INVALID_ARGUMENT` when nothing is set, or a field is not valid.
pub(in crate::server::api) fn purge(
    message: pb::PurgeTasksRequest,
) -> Result<(Vec<TaskId>, Option<TaskFilter>), Error> {
    let ids = ids(&message.task_ids, "task_ids", MAX_IDS)?;
    let states = states(&message.states)?;
    if let Some(at) = states.iter().position(|state| !state.has_ended()) {
        let field = format!("states[{at}]");
        let why = format!("{} is not a final state; expected {ENDED}", states[at]);
        return Err(Error::invalid(field, why));
    }
    let ended_before = message.ended_before.map(|at| timestamp(at, "ended_before")).transpose()?;
    let filter = TaskFilter {
        states,
        ended_before,
        ..common_filter(message.queue, message.method, message.tag)?
    };
    let matching = (!filter.is_empty()).then_some(filter);
    if ids.is_empty() && matching.is_none() {
        return Err(Error::invalid(
            "task_ids",
            "empty, and nothing else is set; expected ids, states, a queue, a method, a tag or a time",
        ));
    }
    // Only ended tasks can be purged; the filter says so explicitly.
    let matching = matching.map(|filter| match &*filter.states {
        [] => TaskFilter { states: ended().collect(), ..filter },
        _ => filter,
    });
    Ok((ids, matching))
}

/// The states that a purge accepts.
const ENDED: &str = "SUCCEEDED (5), FAILED (6), CANCELLED (7) or EXPIRED (8)";

fn ended() -> impl Iterator<Item = State> {
    State::ALL.into_iter().filter(|state| state.has_ended())
}

/// The filter fields that all three calls have.
fn common_filter(queue: String, method: String, tag: String) -> Result<TaskFilter, Error> {
    at_most(tag.len(), MAX_LABEL_BYTES, "tag", "bytes")?;
    at_most(method.len(), MAX_METHOD_BYTES, "method", "bytes")?;
    let queue = set(queue).map(|queue| QueueName::parse(&queue, "queue")).transpose()?;
    Ok(TaskFilter { queue, method: set(method), tag: set(tag), ..TaskFilter::default() })
}

fn states(numbers: &[i32]) -> Result<Vec<State>, Error> {
    at_most(numbers.len(), State::ALL.len(), "states", "states")?;
    let state = |(at, number): (usize, &i32)| wire::state(*number, &format!("states[{at}]"));
    numbers.iter().enumerate().map(state).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn at(seconds: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds, nanos: 0 })
    }

    fn second(seconds: u64) -> Option<Timestamp> {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_cancel_selects_something_and_not_too_much() {
        let check = |change: fn(&mut pb::CancelTasksRequest), expected: &str| {
            let mut message = pb::CancelTasksRequest { tag: "x".into(), ..Default::default() };
            change(&mut message);
            let refused = cancel(message).expect_err(expected);
            assert_eq!(refused.violations[0].field, expected);
        };
        check(|m| m.tag.clear(), "task_ids");
        check(|m| m.task_ids = vec!["a".into(); 1_001], "task_ids");
        check(|m| m.task_ids = vec!["a".into(), "\n".into()], "task_ids[1]");
        check(|m| m.tag = "x".repeat(101), "tag");
        check(|m| m.reason = "x".repeat(1_001), "reason");
        let nothing = cancel(pb::CancelTasksRequest::default()).expect_err("refused").message;
        assert_eq!(
            nothing,
            "task_ids: empty, and so are `tag`, `queue` and `method`; expected at least one of them"
        );
        let valid = pb::CancelTasksRequest {
            task_ids: vec!["a".into()],
            reason: "why".into(),
            ..Default::default()
        };
        let expected = CancelRequest {
            ids: vec![TaskId::parse("a", "x").unwrap()],
            matching: None,
            reason: "why".into(),
        };
        assert_eq!(cancel(valid), Ok(expected));
    }

    #[test]
    fn a_cancel_by_filter_selects_unfinished_tasks() {
        let message = pb::CancelTasksRequest {
            queue: "mail".into(),
            method: "send".into(),
            tag: "red".into(),
            ..Default::default()
        };
        let expected = TaskFilter {
            states: TaskFilter::UNFINISHED.into(),
            queue: Some(QueueName::parse("mail", "x").unwrap()),
            method: Some("send".into()),
            tag: Some("red".into()),
            ..Default::default()
        };
        assert_eq!(cancel(message).unwrap().matching, Some(expected));
    }

    #[test]
    fn every_field_of_a_listing_is_decoded() {
        let message = pb::ListTasksRequest {
            states: vec![1, 8],
            queue: "mail".into(),
            method: "send".into(),
            tag: "red".into(),
            parent_id: "p".into(),
            submitted_after: at(1),
            submitted_before: at(2),
            page_size: 1_000,
            page_token: String::new(),
        };
        let tokens = PageTokens::of(&message);
        let expected = Listing {
            filter: TaskFilter {
                states: vec![State::Pending, State::Expired],
                queue: Some(QueueName::parse("mail", "x").unwrap()),
                method: Some("send".into()),
                tag: Some("red".into()),
                parent: Some(TaskId::parse("p", "x").unwrap()),
                submitted_after: second(1),
                submitted_before: second(2),
                ended_before: None,
            },
            before: None,
            limit: 1_000,
            tokens,
        };
        let next = expected.tokens.encode(Sequence(7));
        assert_eq!(list(message.clone()), Ok(expected));
        let message = pb::ListTasksRequest { page_token: next, page_size: 3, ..message };
        let listing = list(message).unwrap();
        assert_eq!((listing.before, listing.limit), (Some(Sequence(7)), 3));

        let listing = list(pb::ListTasksRequest::default()).unwrap();
        assert_eq!(
            (listing.filter, listing.before, listing.limit),
            (TaskFilter::default(), None, 50)
        );
    }

    #[test]
    fn an_invalid_listing_is_refused_by_field() {
        let check = |change: fn(&mut pb::ListTasksRequest), expected: &str| {
            let mut message = pb::ListTasksRequest::default();
            change(&mut message);
            let refused = list(message).expect_err(expected);
            assert_eq!(refused.violations[0].field, expected);
        };
        check(|m| m.page_size = 1_001, "page_size");
        check(|m| m.states = vec![1, 0], "states[1]");
        check(|m| m.states = vec![9], "states[0]");
        check(|m| m.states = vec![1; 9], "states");
        check(|m| m.tag = "t".repeat(101), "tag");
        check(|m| m.method = "m".repeat(256), "method");
        check(|m| m.parent_id = "a\0b".into(), "parent_id");
        check(|m| m.submitted_after = at(-1), "submitted_after");
        check(|m| m.page_token = "forged".into(), "page_token");
    }

    #[test]
    fn a_purge_selects_ended_tasks_and_names_something() {
        let check = |change: fn(&mut pb::PurgeTasksRequest), expected: &str| {
            let mut message = pb::PurgeTasksRequest::default();
            change(&mut message);
            assert_eq!(purge(message).expect_err("refused").message, expected);
        };
        check(
            |_| (),
            "task_ids: empty, and nothing else is set; expected ids, states, a queue, a method, a tag or a time",
        );
        check(
            |m| m.states = vec![6, 2],
            "states[1]: QUEUED is not a final state; expected SUCCEEDED (5), FAILED (6), CANCELLED (7) or EXPIRED (8)",
        );
        check(
            |m| m.task_ids = vec!["a".into(); 1_001],
            "task_ids: 1001 ids; at most 1000 are accepted",
        );
        let a = TaskId::parse("a", "x").unwrap();
        let by_id = pb::PurgeTasksRequest { task_ids: vec!["a".into()], ..Default::default() };
        assert_eq!(purge(by_id), Ok((vec![a], None)));
        let by_time = pb::PurgeTasksRequest { ended_before: at(3), ..Default::default() };
        let expected = TaskFilter {
            states: vec![State::Succeeded, State::Failed, State::Cancelled, State::Expired],
            ended_before: second(3),
            ..Default::default()
        };
        assert_eq!(purge(by_time), Ok((Vec::new(), Some(expected))));
        let failed = pb::PurgeTasksRequest { states: vec![6], ..Default::default() };
        let expected = TaskFilter { states: vec![State::Failed], ..Default::default() };
        assert_eq!(purge(failed), Ok((Vec::new(), Some(expected))));
    }
}
