//! Requests: from the nouns to the wire.

use std::time::Duration;

use prost_types::Any;

use crate::client::TaskBuilder;
use crate::client::answers::stamp;
use crate::error::Error;
use crate::models::{
    Durability, Labels, OnConflict, OnDependencyFailure, QueueLimits, Rate, StartTime, State,
    TaskOptions, Unique,
};
use crate::pb;

/// A task as the wire has it.
///
/// # Errors
/// `INVALID_ARGUMENT` for a time that the wire cannot say.
pub(super) fn task(id: &str, task: TaskBuilder) -> Result<pb::TaskRequest, Error> {
    let TaskBuilder { id: _, method, args, deps, asked, cancel_on_disconnect } = task;
    let plain = asked == TaskOptions::default() && !cancel_on_disconnect;
    let options = if plain { None } else { Some(options(asked, cancel_on_disconnect)?) };
    let args = args.iter().map(Any::from).collect();
    Ok(pb::TaskRequest { task_id: id.into(), method, args, deps, is_async: false, options })
}

fn options(asked: TaskOptions, cancel_on_disconnect: bool) -> Result<pb::TaskOptions, Error> {
    let Labels { tags, initiator, reason, source_system, correlation_id } = asked.labels;
    let (run_at, delay) = when(asked.start, "options.delay")?;
    let (expires_at, ttl) = when(asked.expiry, "options.ttl")?;
    let retry = pb::RetryPolicy {
        retries: asked.retries,
        base: span(asked.backoff_base, "options.retry.base")?,
        multiplier: asked.backoff_multiplier,
        max: span(asked.backoff_max, "options.retry.max")?,
        jitter: asked.jitter,
    };
    Ok(pb::TaskOptions {
        queue: asked.queue.unwrap_or_default(),
        priority: asked.priority,
        run_at,
        delay,
        expires_at,
        ttl,
        timeout: span(asked.timeout, "options.timeout")?,
        retry: (retry != pb::RetryPolicy::default()).then_some(retry),
        tags,
        wait_for_dependencies: asked.wait_for_dependencies,
        on_dependency_failure: match asked.on_dependency_failure {
            None => pb::OnDependencyFailure::Unspecified,
            Some(OnDependencyFailure::Fail) => pb::OnDependencyFailure::Fail,
            Some(OnDependencyFailure::Run) => pb::OnDependencyFailure::Run,
        } as i32,
        durability: match asked.durability {
            None => pb::Durability::Unspecified,
            Some(Durability::Durable) => pb::Durability::Durable,
            Some(Durability::Ephemeral) => pb::Durability::Ephemeral,
        } as i32,
        cancel_on_disconnect,
        initiator,
        reason,
        source_system,
        correlation_id,
        concurrency_key: asked.keys.concurrency.unwrap_or_default(),
        unique: asked.keys.unique.map(unique).transpose()?,
    })
}

fn unique(unique: Unique) -> Result<pb::Unique, Error> {
    let on_conflict = match unique.on_conflict {
        OnConflict::ReturnFirst => pb::unique::OnConflict::ReturnFirst,
        OnConflict::Replace => pb::unique::OnConflict::Replace,
        OnConflict::Refuse => pb::unique::OnConflict::Refuse,
    };
    let window = span(unique.window, "options.unique.window")?;
    Ok(pb::Unique { key: unique.key, window, on_conflict: on_conflict as i32 })
}

type Times = (Option<prost_types::Timestamp>, Option<prost_types::Duration>);

fn when(when: Option<StartTime>, field: &str) -> Result<Times, Error> {
    Ok(match when {
        None => (None, None),
        Some(StartTime::At(time)) => (Some(stamp(time)), None),
        Some(StartTime::After(length)) => (None, span(Some(length), field)?),
    })
}

/// A length of time.
///
/// # Errors
/// `INVALID_ARGUMENT` beyond protobuf's 10,000 years.
pub(super) fn span(
    length: Option<Duration>,
    field: &str,
) -> Result<Option<prost_types::Duration>, Error> {
    /// Ten thousand years, the bound that protobuf itself names.
    const MAX_SECONDS: u64 = 315_576_000_000;
    let Some(length) = length else { return Ok(None) };
    if length.as_secs() > MAX_SECONDS {
        return Err(Error::invalid(
            field,
            format!("{length:?}; at most 10,000 years are accepted"),
        ));
    }
    Ok(Some(prost_types::Duration {
        seconds: length.as_secs().cast_signed(),
        nanos: length.subsec_nanos().cast_signed(),
    }))
}

/// A state's number.
pub(super) fn state(state: State) -> i32 {
    let state = match state {
        State::Pending => pb::TaskState::Pending,
        State::Queued => pb::TaskState::Queued,
        State::Running => pb::TaskState::Running,
        State::Retrying => pb::TaskState::Retrying,
        State::Succeeded => pb::TaskState::Succeeded,
        State::Failed => pb::TaskState::Failed,
        State::Cancelled => pb::TaskState::Cancelled,
        State::Expired => pb::TaskState::Expired,
    };
    state as i32
}

/// A queue's limits.
pub(super) fn limits(limits: &QueueLimits) -> pb::QueueLimits {
    pb::QueueLimits {
        weight: limits.weight,
        concurrency: limits.concurrency.unwrap_or(0),
        max_length: limits.max_length,
        rate: limits.rate.map(rate),
        concurrency_per_key: limits.concurrency_per_key,
        rate_per_key: limits.rate_per_key.map(rate),
    }
}

fn rate(rate: Rate) -> pb::RateLimit {
    let per = prost_types::Duration {
        seconds: rate.per.as_secs().cast_signed(),
        nanos: rate.per.subsec_nanos().cast_signed(),
    };
    pb::RateLimit { count: rate.count, per: Some(per) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn a_plain_task_has_no_options() {
        let wire = task("t", TaskBuilder::new("add").args([1, 2])).expect("it can be said");
        let expected = pb::TaskRequest {
            task_id: "t".into(),
            method: "add".into(),
            args: [1, 2].map(|number| Any::from(&number.into())).into(),
            ..Default::default()
        };
        assert_eq!(wire, expected);
    }

    #[test]
    fn every_option_has_its_place() {
        let seconds = Duration::from_secs;
        let builder = TaskBuilder::new("add")
            .queue("mail")
            .priority(-3)
            .run_at(Timestamp::from_micros(1_000_002).expect("a time"))
            .ttl(seconds(60))
            .timeout(seconds(5))
            .retries(0)
            .backoff(seconds(2), 1.5, seconds(9))
            .jitter(0.0)
            .tag("a")
            .tag("b")
            .wait_for_dependencies()
            .on_dependency_failure(OnDependencyFailure::Run)
            .ephemeral()
            .cancel_on_disconnect()
            .initiator("ann")
            .reason("why")
            .source_system("shop")
            .correlation_id("c-1")
            .concurrency_key("k")
            .unique_for("u", seconds(3), OnConflict::Replace);
        let span = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        let expected = pb::TaskOptions {
            queue: "mail".into(),
            priority: Some(-3),
            run_at: Some(prost_types::Timestamp { seconds: 1, nanos: 2_000 }),
            delay: None,
            expires_at: None,
            ttl: span(60),
            timeout: span(5),
            retry: Some(pb::RetryPolicy {
                retries: Some(0),
                base: span(2),
                multiplier: Some(1.5),
                max: span(9),
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
            concurrency_key: "k".into(),
            unique: Some(pb::Unique {
                key: "u".into(),
                window: span(3),
                on_conflict: pb::unique::OnConflict::Replace as i32,
            }),
        };
        assert_eq!(task("t", builder).expect("it can be said").options, Some(expected));
    }

    #[test]
    fn the_last_word_on_a_time_counts() {
        let at = Timestamp::from_micros(1_000_000).expect("a time");
        let stamp = Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
        let builder = TaskBuilder::new("add");
        let check = |builder: TaskBuilder, expected: (Times, Times)| {
            let options = task("t", builder).expect("it can be said").options.expect("options");
            let start = (options.run_at, options.delay);
            assert_eq!((start, (options.expires_at, options.ttl)), expected);
        };
        let second = Duration::from_secs(1);
        let span = Some(prost_types::Duration { seconds: 1, nanos: 0 });
        let nothing = (None, None);
        check(builder.clone().delay(second).run_at(at), ((stamp, None), nothing));
        check(builder.clone().run_at(at).delay(second), ((None, span), nothing));
        check(builder.clone().ttl(second).expires_at(at), (nothing, (stamp, None)));
        check(builder.expires_at(at).ttl(second), (nothing, (None, span)));
    }

    #[test]
    fn a_time_that_the_wire_cannot_say_is_refused() {
        let refused = task("t", TaskBuilder::new("add").delay(Duration::MAX)).expect_err("refused");
        assert_eq!(refused.violations[0].field, "options.delay");
    }
}
