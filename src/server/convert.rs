//! Requests: from the wire to the facade's words.
//!
//! Refuses what protobuf can say and no task can mean, naming the field as the wire has it. Bounds
//! on values and defaults are the gate's.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::models::wrappers::decode_args;
use crate::models::{
    Asked, CancelRequest, Durability, Labels, MAX_DEPENDENCIES, MAX_LABEL_BYTES,
    OnDependencyFailure, Request, TaskId, When,
};
use crate::pb;

/// The most tasks in one call.
const MAX_TASKS: usize = 10_000;
/// The most ids in one cancel.
const MAX_CANCEL_IDS: usize = 1_000;
/// The longest reason of a cancel, in bytes. It is kept with every task that the cancel meets.
const MAX_REASON_BYTES: usize = 1_000;

/// A task as its caller asks for it.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(super) fn request(message: pb::TaskRequest) -> Result<Request, Error> {
    let id = match message.task_id.as_str() {
        "" => None,
        id => Some(TaskId::parse(id, "task_id")?),
    };
    let deps = ids(&message.deps, "deps", MAX_DEPENDENCIES)?;
    if let Some(id) = &id
        && let Some(at) = deps.iter().position(|dep| dep == id)
    {
        return Err(Error::invalid(
            format!("deps[{at}]"),
            "the task's own id; a task cannot wait for itself",
        ));
    }
    let options = message.options.map(options).transpose()?.map(Box::new);
    Ok(Request { id, method: message.method, args: decode_args(message.args)?, deps, options })
}

/// Many tasks, each asked for or refused on its own. Nobody waits for them, so none can be
/// cancelled when its caller goes away.
///
/// # Errors
/// `INVALID_ARGUMENT` when they are too many for one call.
pub(super) fn requests(
    message: pb::EnqueueTasksRequest,
) -> Result<Vec<Result<Request, Error>>, Error> {
    at_most(message.tasks.len(), MAX_TASKS, "tasks", "tasks")?;
    Ok(message.tasks.into_iter().map(unattended).collect())
}

/// A task whose caller does not wait for its end.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(super) fn unattended(message: pb::TaskRequest) -> Result<Request, Error> {
    if cancels_on_disconnect(&message) {
        return Err(Error::invalid(
            "options.cancel_on_disconnect",
            "set, but this call does not wait for the task; only SubmitTask does",
        ));
    }
    request(message)
}

/// Whether the task is to be cancelled when its caller goes away.
pub(super) fn cancels_on_disconnect(message: &pb::TaskRequest) -> bool {
    message.options.as_ref().is_some_and(|options| options.cancel_on_disconnect)
}

/// Which tasks to cancel.
///
/// # Errors
/// `INVALID_ARGUMENT` when it names none, too many, or something that is no id.
pub(super) fn cancel(message: pb::CancelTasksRequest) -> Result<CancelRequest, Error> {
    let ids = ids(&message.task_ids, "task_ids", MAX_CANCEL_IDS)?;
    if ids.is_empty() && message.tag.is_empty() {
        return Err(Error::invalid(
            "task_ids",
            "empty, and so is `tag`; expected ids, a tag or both",
        ));
    }
    at_most(message.tag.len(), MAX_LABEL_BYTES, "tag", "bytes")?;
    at_most(message.reason.len(), MAX_REASON_BYTES, "reason", "bytes")?;
    Ok(CancelRequest { ids, tag: set(message.tag), reason: message.reason })
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

fn options(message: pb::TaskOptions) -> Result<Asked, Error> {
    let retry = message.retry.unwrap_or_default();
    Ok(Asked {
        queue: set(message.queue),
        priority: message.priority,
        start: when((message.run_at, "options.run_at"), (message.delay, "options.delay"))?,
        expiry: when((message.expires_at, "options.expires_at"), (message.ttl, "options.ttl"))?,
        timeout: duration(message.timeout, "options.timeout")?,
        retries: retry.retries,
        backoff_base: duration(retry.base, "options.retry.base")?,
        backoff_multiplier: retry.multiplier,
        backoff_max: duration(retry.max, "options.retry.max")?,
        jitter: retry.jitter,
        wait_for_dependencies: message.wait_for_dependencies,
        on_dependency_failure: on_dependency_failure(message.on_dependency_failure)?,
        durability: durability(message.durability)?,
        labels: Labels {
            tags: message.tags,
            initiator: message.initiator,
            reason: message.reason,
            source_system: message.source_system,
            correlation_id: message.correlation_id,
        },
    })
}

/// What is empty on the wire was not set.
fn set(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn when(
    (at, at_field): (Option<prost_types::Timestamp>, &str),
    (after, after_field): (Option<prost_types::Duration>, &str),
) -> Result<Option<When>, Error> {
    match (at, after) {
        (None, None) => Ok(None),
        (Some(at), None) => timestamp(at, at_field).map(|at| Some(When::At(at))),
        (None, after) => Ok(duration(after, after_field)?.map(When::After)),
        (Some(_), Some(_)) => Err(Error::invalid(
            after_field,
            format!("set together with {at_field}; expected one of them"),
        )),
    }
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

fn on_dependency_failure(number: i32) -> Result<Option<OnDependencyFailure>, Error> {
    use pb::OnDependencyFailure as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Unspecified) => Ok(None),
        Ok(Wire::Fail) => Ok(Some(OnDependencyFailure::Fail)),
        Ok(Wire::Run) => Ok(Some(OnDependencyFailure::Run)),
        Err(_) => Err(unknown(number, "options.on_dependency_failure", "FAIL (1) or RUN (2)")),
    }
}

fn durability(number: i32) -> Result<Option<Durability>, Error> {
    use pb::Durability as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Unspecified) => Ok(None),
        Ok(Wire::Durable) => Ok(Some(Durability::Durable)),
        Ok(Wire::Ephemeral) => Ok(Some(Durability::Ephemeral)),
        Err(_) => Err(unknown(number, "options.durability", "DURABLE (1) or EPHEMERAL (2)")),
    }
}

fn unknown(number: i32, field: &str, expected: &str) -> Error {
    Error::invalid(field, format!("{number} has no meaning; expected {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(change: impl FnOnce(&mut pb::TaskRequest)) -> pb::TaskRequest {
        let mut message = pb::TaskRequest { method: "add".into(), ..Default::default() };
        change(&mut message);
        message
    }

    fn refusal(change: impl FnOnce(&mut pb::TaskRequest)) -> String {
        unattended(wire(change)).expect_err("refused").message
    }

    fn refused_option(change: impl FnOnce(&mut pb::TaskOptions)) -> String {
        let mut options = pb::TaskOptions::default();
        change(&mut options);
        refusal(|message| message.options = Some(options))
    }

    #[test]
    fn a_plain_request_asks_for_nothing_that_it_did_not_say() {
        let expected = Request { method: "add".into(), ..Request::default() };
        assert_eq!(request(wire(|message| message.is_async = true)), Ok(expected));
    }

    #[test]
    fn every_option_has_its_place() {
        let seconds = |seconds| prost_types::Duration { seconds, nanos: 0 };
        let wire = pb::TaskOptions {
            queue: "mail".into(),
            priority: Some(-3),
            run_at: Some(prost_types::Timestamp { seconds: 1, nanos: 2_999 }),
            delay: None,
            expires_at: None,
            ttl: Some(seconds(60)),
            timeout: Some(seconds(5)),
            retry: Some(pb::RetryPolicy {
                retries: Some(0),
                base: Some(seconds(2)),
                multiplier: Some(1.5),
                max: Some(seconds(9)),
                jitter: Some(0.0),
            }),
            tags: vec!["a".into(), "b".into()],
            wait_for_dependencies: true,
            on_dependency_failure: pb::OnDependencyFailure::Run as i32,
            durability: pb::Durability::Ephemeral as i32,
            cancel_on_disconnect: true,
            initiator: "ann".into(),
            reason: "why".into(),
            source_system: "shop".into(),
            correlation_id: "c-1".into(),
        };
        let expected = Asked {
            queue: Some("mail".into()),
            priority: Some(-3),
            start: Some(When::At(Timestamp::from_micros(1_000_002).unwrap())),
            expiry: Some(When::After(Duration::from_secs(60))),
            timeout: Some(Duration::from_secs(5)),
            retries: Some(0),
            backoff_base: Some(Duration::from_secs(2)),
            backoff_multiplier: Some(1.5),
            backoff_max: Some(Duration::from_secs(9)),
            jitter: Some(0.0),
            wait_for_dependencies: true,
            on_dependency_failure: Some(OnDependencyFailure::Run),
            durability: Some(Durability::Ephemeral),
            labels: Labels {
                tags: vec!["a".into(), "b".into()],
                initiator: "ann".into(),
                reason: "why".into(),
                source_system: "shop".into(),
                correlation_id: "c-1".into(),
            },
        };
        assert_eq!(options(wire), Ok(expected));
        assert_eq!(options(pb::TaskOptions::default()), Ok(Asked::default()));
    }

    #[test]
    fn ids_are_checked_where_they_stand() {
        let long = "x".repeat(10_000);
        assert_eq!(
            refusal(|message| message.task_id = "a\0b".into()),
            r"task_id: contains the control character '\0'; printable text is accepted"
        );
        assert_eq!(
            refusal(|message| message.task_id = long),
            "task_id: 10000 bytes long; at most 255 are accepted"
        );
        assert_eq!(
            refusal(|message| message.deps = vec!["a".into(), String::new()]),
            "deps[1]: empty; expected 1 to 255 bytes"
        );
        assert_eq!(
            refusal(|message| message.deps = vec!["a".into(); 100_000]),
            "deps: 100000 ids; at most 1000 are accepted"
        );
        assert_eq!(
            refusal(|message| {
                message.task_id = "me".into();
                message.deps = vec!["you".into(), "me".into()];
            }),
            "deps[1]: the task's own id; a task cannot wait for itself"
        );
    }

    #[test]
    fn options_that_mean_nothing_are_refused_by_name() {
        let span = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
        let at = |seconds, nanos| Some(prost_types::Timestamp { seconds, nanos });
        let check = |message: String, expected: &str| assert_eq!(message, expected);
        let no_span = |field: &str, shown: &str| {
            format!(
                "{field}: {shown} is no length of time; expected 0 s or more, with 0 to 999999999 ns"
            )
        };
        let no_time = |field: &str, shown: &str| {
            format!(
                "{field}: {shown} since 1970 is no time that is accepted; expected 1970 to 9999"
            )
        };

        check(
            refused_option(|o| o.delay = span(-1, 0)),
            &no_span("options.delay", "-1 s and 0 ns"),
        );
        check(refused_option(|o| o.ttl = span(0, -1)), &no_span("options.ttl", "0 s and -1 ns"));
        check(
            refused_option(|o| o.timeout = span(-5, 0)),
            &no_span("options.timeout", "-5 s and 0 ns"),
        );
        check(
            refused_option(|o| o.timeout = span(0, 1_000_000_000)),
            &no_span("options.timeout", "0 s and 1000000000 ns"),
        );
        check(
            refused_option(|o| o.delay = span(i64::MAX, 0)),
            &no_span("options.delay", "9223372036854775807 s and 0 ns"),
        );
        let retry = |base, max| Some(pb::RetryPolicy { base, max, ..Default::default() });
        check(
            refused_option(|o| o.retry = retry(span(-1, 0), None)),
            &no_span("options.retry.base", "-1 s and 0 ns"),
        );
        check(
            refused_option(|o| o.retry = retry(None, span(i64::MIN, 0))),
            &no_span("options.retry.max", "-9223372036854775808 s and 0 ns"),
        );

        check(
            refused_option(|o| o.run_at = at(-1, 0)),
            &no_time("options.run_at", "-1 s and 0 ns"),
        );
        check(
            refused_option(|o| o.expires_at = at(i64::MAX, 0)),
            &no_time("options.expires_at", "9223372036854775807 s and 0 ns"),
        );
        check(
            refused_option(|o| o.run_at = at(253_402_300_800, 0)),
            &no_time("options.run_at", "253402300800 s and 0 ns"),
        );
        check(
            refused_option(|o| o.run_at = at(0, 1_000_000_000)),
            &no_time("options.run_at", "0 s and 1000000000 ns"),
        );

        check(
            refused_option(|o| (o.run_at, o.delay) = (at(1, 0), span(1, 0))),
            "options.delay: set together with options.run_at; expected one of them",
        );
        check(
            refused_option(|o| (o.expires_at, o.ttl) = (at(1, 0), span(1, 0))),
            "options.ttl: set together with options.expires_at; expected one of them",
        );
        check(
            refused_option(|o| o.durability = 9),
            "options.durability: 9 has no meaning; expected DURABLE (1) or EPHEMERAL (2)",
        );
        check(
            refused_option(|o| o.on_dependency_failure = -1),
            "options.on_dependency_failure: -1 has no meaning; expected FAIL (1) or RUN (2)",
        );
        check(
            refused_option(|o| o.cancel_on_disconnect = true),
            "options.cancel_on_disconnect: set, but this call does not wait for the task; only SubmitTask does",
        );
    }

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
    fn a_cancel_names_something_and_not_too_much() {
        let check = |message: pb::CancelTasksRequest, expected: &str| {
            assert_eq!(cancel(message).expect_err("refused").message, expected);
        };
        let empty = pb::CancelTasksRequest::default();
        check(empty.clone(), "task_ids: empty, and so is `tag`; expected ids, a tag or both");
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
            tag: None,
            reason: "why".into(),
        };
        assert_eq!(cancel(sound), Ok(expected));
    }

    #[test]
    fn one_bad_task_of_many_is_refused_alone() {
        let message = pb::EnqueueTasksRequest {
            tasks: vec![wire(|_| ()), wire(|message| message.task_id = "\t".into()), wire(|_| ())],
        };
        let sound: Vec<bool> = requests(message).unwrap().iter().map(Result::is_ok).collect();
        assert_eq!(sound, [true, false, true]);

        let message = pb::EnqueueTasksRequest { tasks: vec![wire(|_| ()); 10_001] };
        assert_eq!(
            requests(message).expect_err("refused").message,
            "tasks: 10001 tasks; at most 10000 are accepted"
        );
    }
}
