//! Which tasks are meant: listings, cancels and purges.

use crate::error::Error;
use crate::models::{
    CancelRequest, MAX_LABEL_BYTES, MAX_METHOD_BYTES, MAX_PAGE, QueueName, Sequence, State,
    TaskFilter, TaskId,
};
use crate::pb;
use crate::server::api::decode::{at_most, ids, reason, set, timestamp, unknown};
use crate::server::api::page_token::PageTokens;

/// The most ids in one cancel or purge.
const MAX_IDS: usize = 1_000;
/// The tasks on a page where nobody says.
const PAGE: usize = 50;

/// One page of a listing, as it is asked for.
#[derive(Debug, PartialEq)]
pub(in crate::server::api) struct Listing {
    /// Which tasks.
    pub(in crate::server::api) filter: TaskFilter,
    /// Those before this one.
    pub(in crate::server::api) before: Option<Sequence>,
    /// At most so many.
    pub(in crate::server::api) limit: usize,
    /// Writes the token of the next page.
    pub(in crate::server::api) tokens: PageTokens,
}

/// Which page of which listing.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(in crate::server::api) fn list(message: pb::ListTasksRequest) -> Result<Listing, Error> {
    let tokens = PageTokens::of(&message);
    let before = match message.page_token.as_str() {
        "" => None,
        token => Some(tokens.read(token)?),
    };
    let limit = match usize::try_from(message.page_size).unwrap_or(usize::MAX) {
        0 => PAGE,
        limit => limit,
    };
    at_most(limit, MAX_PAGE, "page_size", "tasks")?;
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
        ..words(message.queue, message.method, message.tag)?
    };
    Ok(Listing { filter, before, limit, tokens })
}

/// Which tasks to cancel.
///
/// # Errors
/// `INVALID_ARGUMENT` when it names none, too many, or something that cannot be.
pub(in crate::server::api) fn cancel(
    message: pb::CancelTasksRequest,
) -> Result<CancelRequest, Error> {
    let ids = ids(&message.task_ids, "task_ids", MAX_IDS)?;
    let filter = words(message.queue, message.method, message.tag)?;
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

/// Which tasks that have ended to forget: those that are named, if any are, and match.
///
/// # Errors
/// `INVALID_ARGUMENT` when nothing is set, or to what cannot be.
pub(in crate::server::api) fn purge(
    message: pb::PurgeTasksRequest,
) -> Result<(Vec<TaskId>, Option<TaskFilter>), Error> {
    let ids = ids(&message.task_ids, "task_ids", MAX_IDS)?;
    let states = states(&message.states)?;
    if let Some(at) = states.iter().position(|state| !state.has_ended()) {
        let field = format!("states[{at}]");
        let why = format!("{} is not an end; expected {ENDED}", states[at]);
        return Err(Error::invalid(field, why));
    }
    let ended_before = message.ended_before.map(|at| timestamp(at, "ended_before")).transpose()?;
    let filter =
        TaskFilter { states, ended_before, ..words(message.queue, message.method, message.tag)? };
    let matching = (!filter.is_empty()).then_some(filter);
    if ids.is_empty() && matching.is_none() {
        return Err(Error::invalid(
            "task_ids",
            "empty, and nothing else is set; expected ids, states, a queue, a method, a tag or a time",
        ));
    }
    // Nothing else can be purged, so that the filter says it too.
    let matching = matching.map(|filter| match &*filter.states {
        [] => TaskFilter { states: ended().collect(), ..filter },
        _ => filter,
    });
    Ok((ids, matching))
}

/// The states that a purge can name.
const ENDED: &str = "SUCCEEDED (5), FAILED (6), CANCELLED (7) or EXPIRED (8)";

fn ended() -> impl Iterator<Item = State> {
    State::ALL.into_iter().filter(|state| state.has_ended())
}

/// What the three calls have in common.
fn words(queue: String, method: String, tag: String) -> Result<TaskFilter, Error> {
    at_most(tag.len(), MAX_LABEL_BYTES, "tag", "bytes")?;
    at_most(method.len(), MAX_METHOD_BYTES, "method", "bytes")?;
    let queue = set(queue).map(|queue| QueueName::parse(&queue, "queue")).transpose()?;
    Ok(TaskFilter { queue, method: set(method), tag: set(tag), ..TaskFilter::default() })
}

fn states(numbers: &[i32]) -> Result<Vec<State>, Error> {
    at_most(numbers.len(), State::ALL.len(), "states", "states")?;
    let state = |(at, number): (usize, &i32)| {
        state(*number)
            .ok_or_else(|| unknown(*number, &format!("states[{at}]"), "PENDING (1) to EXPIRED (8)"))
    };
    numbers.iter().enumerate().map(state).collect()
}

fn state(number: i32) -> Option<State> {
    use pb::TaskState as Wire;
    Some(match Wire::try_from(number).ok()? {
        Wire::Unspecified => return None,
        Wire::Pending => State::Pending,
        Wire::Queued => State::Queued,
        Wire::Running => State::Running,
        Wire::Retrying => State::Retrying,
        Wire::Succeeded => State::Succeeded,
        Wire::Failed => State::Failed,
        Wire::Cancelled => State::Cancelled,
        Wire::Expired => State::Expired,
    })
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
    fn a_cancel_names_something_and_not_too_much() {
        let check = |message: pb::CancelTasksRequest, expected: &str| {
            assert_eq!(cancel(message).expect_err("refused").message, expected);
        };
        let empty = pb::CancelTasksRequest::default();
        check(
            empty.clone(),
            "task_ids: empty, and so are `tag`, `queue` and `method`; expected at least one of them",
        );
        check(
            pb::CancelTasksRequest { task_ids: vec!["a".into(); 1_001], ..empty.clone() },
            "task_ids: 1001 ids; at most 1000 are accepted",
        );
        check(
            pb::CancelTasksRequest { task_ids: vec!["a".into(), "\n".into()], ..empty.clone() },
            r"task_ids[1]: contains the control character '\n'; printable text is accepted",
        );
        check(
            pb::CancelTasksRequest { tag: "x".repeat(101), ..empty.clone() },
            "tag: 101 bytes; at most 100 are accepted",
        );
        check(
            pb::CancelTasksRequest { tag: "x".into(), reason: "x".repeat(1_001), ..empty.clone() },
            "reason: 1001 bytes; at most 1000 are accepted",
        );
        let sound =
            pb::CancelTasksRequest { task_ids: vec!["a".into()], reason: "why".into(), ..empty };
        let expected = CancelRequest {
            ids: vec![TaskId::parse("a", "x").unwrap()],
            matching: None,
            reason: "why".into(),
        };
        assert_eq!(cancel(sound), Ok(expected));
    }

    #[test]
    fn a_cancel_by_words_means_what_has_not_ended() {
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
    fn every_part_of_a_listing_has_its_place() {
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
        let next = expected.tokens.write(Sequence(7));
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
    fn listings_that_mean_nothing_are_refused_by_name() {
        let check = |change: fn(&mut pb::ListTasksRequest), expected: &str| {
            let mut message = pb::ListTasksRequest::default();
            change(&mut message);
            assert_eq!(list(message).expect_err("refused").message, expected);
        };
        check(|m| m.page_size = 1_001, "page_size: 1001 tasks; at most 1000 are accepted");
        check(|m| m.page_size = u32::MAX, "page_size: 4294967295 tasks; at most 1000 are accepted");
        check(
            |m| m.states = vec![1, 0],
            "states[1]: 0 has no meaning; expected PENDING (1) to EXPIRED (8)",
        );
        check(
            |m| m.states = vec![9],
            "states[0]: 9 has no meaning; expected PENDING (1) to EXPIRED (8)",
        );
        check(|m| m.states = vec![1; 9], "states: 9 states; at most 8 are accepted");
        check(|m| m.tag = "t".repeat(101), "tag: 101 bytes; at most 100 are accepted");
        check(|m| m.method = "m".repeat(256), "method: 256 bytes; at most 255 are accepted");
        check(
            |m| m.parent_id = "a\0b".into(),
            r"parent_id: contains the control character '\0'; printable text is accepted",
        );
        check(
            |m| m.submitted_after = at(-1),
            "submitted_after: -1 s and 0 ns since 1970 is no time that is accepted; expected 1970 to 9999",
        );
        check(
            |m| m.page_token = "forged".into(),
            "page_token: \"forged\" is no token of this listing; expected the next_page_token of an answer to the same question",
        );
    }

    #[test]
    fn a_purge_means_what_has_ended_and_is_said_to() {
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
            "states[1]: QUEUED is not an end; expected SUCCEEDED (5), FAILED (6), CANCELLED (7) or EXPIRED (8)",
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
