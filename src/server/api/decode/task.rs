//! One task that is asked for.

use crate::error::Error;
use crate::models::wrappers::decode_args;
use crate::models::{
    Durability, Keys, Labels, MAX_DEPENDENCIES, OnConflict, OnDependencyFailure, Request,
    StartTime, TaskId, TaskOptions, Unique,
};
use crate::pb;
use crate::server::api::decode::{duration, ids, set, timestamp, unknown};

/// A task as its caller asks for it.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(in crate::server::api) fn request(message: pb::TaskRequest) -> Result<Request, Error> {
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

/// A task whose caller does not wait for its end.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(in crate::server::api) fn unattended(message: pb::TaskRequest) -> Result<Request, Error> {
    if cancels_on_disconnect(&message) {
        return Err(Error::invalid(
            "options.cancel_on_disconnect",
            "set, but this call does not wait for the task; only SubmitTask does",
        ));
    }
    request(message)
}

/// Whether the task is to be cancelled when its caller goes away.
pub(in crate::server::api) fn cancels_on_disconnect(message: &pb::TaskRequest) -> bool {
    message.options.as_ref().is_some_and(|options| options.cancel_on_disconnect)
}

fn options(message: pb::TaskOptions) -> Result<TaskOptions, Error> {
    let retry = message.retry.unwrap_or_default();
    Ok(TaskOptions {
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
        keys: Keys {
            concurrency: set(message.concurrency_key),
            unique: message.unique.map(unique).transpose()?,
        },
    })
}

fn unique(message: pb::Unique) -> Result<Unique, Error> {
    Ok(Unique {
        key: message.key,
        window: duration(message.window, "options.unique.window")?,
        on_conflict: on_conflict(message.on_conflict)?,
    })
}

fn on_conflict(number: i32) -> Result<OnConflict, Error> {
    use pb::unique::OnConflict as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Unspecified | Wire::ReturnFirst) => Ok(OnConflict::ReturnFirst),
        Ok(Wire::Replace) => Ok(OnConflict::Replace),
        Ok(Wire::Refuse) => Ok(OnConflict::Refuse),
        Err(_) => {
            let expected = "RETURN_FIRST (1), REPLACE (2) or REFUSE (3)";
            Err(unknown(number, "options.unique.on_conflict", expected))
        }
    }
}

fn when(
    (at, at_field): (Option<prost_types::Timestamp>, &str),
    (after, after_field): (Option<prost_types::Duration>, &str),
) -> Result<Option<StartTime>, Error> {
    match (at, after) {
        (None, None) => Ok(None),
        (Some(at), None) => timestamp(at, at_field).map(|at| Some(StartTime::At(at))),
        (None, after) => Ok(duration(after, after_field)?.map(StartTime::After)),
        (Some(_), Some(_)) => Err(Error::invalid(
            after_field,
            format!("set together with {at_field}; expected one of them"),
        )),
    }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Timestamp;

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
            concurrency_key: "customer-7".into(),
            unique: Some(pb::Unique {
                key: "month's end".into(),
                window: Some(seconds(3)),
                on_conflict: pb::unique::OnConflict::Replace as i32,
            }),
        };
        let expected = TaskOptions {
            queue: Some("mail".into()),
            priority: Some(-3),
            start: Some(StartTime::At(Timestamp::from_micros(1_000_002).unwrap())),
            expiry: Some(StartTime::After(Duration::from_secs(60))),
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
            keys: Keys {
                concurrency: Some("customer-7".into()),
                unique: Some(Unique {
                    key: "month's end".into(),
                    window: Some(Duration::from_secs(3)),
                    on_conflict: OnConflict::Replace,
                }),
            },
        };
        assert_eq!(options(wire), Ok(expected));
        assert_eq!(options(pb::TaskOptions::default()), Ok(TaskOptions::default()));
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
        let unique =
            |window, on_conflict| Some(pb::Unique { key: "k".into(), window, on_conflict });
        check(
            refused_option(|o| o.unique = unique(None, 4)),
            "options.unique.on_conflict: 4 has no meaning; expected RETURN_FIRST (1), REPLACE (2) or REFUSE (3)",
        );
        check(
            refused_option(|o| o.unique = unique(span(-1, 0), 0)),
            &no_span("options.unique.window", "-1 s and 0 ns"),
        );
        check(
            refused_option(|o| o.cancel_on_disconnect = true),
            "options.cancel_on_disconnect: set, but this call does not wait for the task; only SubmitTask does",
        );
    }
}
