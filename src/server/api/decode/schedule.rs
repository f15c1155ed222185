//! Decodes requests about schedules.

use crate::clock::Timestamp;
use crate::error::Error;
use crate::server::api::decode::{at_most, request_without_wait};
use crate::system::{RuleRequest, STANDARD_CATCH_UP, ScheduleRequest};
use crate::wire::nested;
use crate::{pb, wire};

/// The field that holds a definition.
pub(in crate::server::api) const SCHEDULE: &str = "schedule";
/// How many run times an answer has unless the request sets another count, and at most.
pub(in crate::server::api) const NEXT_TIMES: usize = 5;
const MAX_TIMES: usize = 100;

/// Decodes the definition of a schedule.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(in crate::server::api) fn schedule(
    message: Option<pb::Schedule>,
) -> Result<ScheduleRequest, Error> {
    let message =
        message.ok_or_else(|| Error::invalid(SCHEDULE, "not set; expected a schedule"))?;
    definition(message).map_err(|error| nested(SCHEDULE, error))
}

/// Decodes a preview: the definition, the start and the count of the run times.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(in crate::server::api) fn preview(
    message: pb::PreviewScheduleRequest,
) -> Result<(ScheduleRequest, Option<Timestamp>, usize), Error> {
    let after = message.after.map(|after| wire::timestamp(after, "after")).transpose()?;
    let count = match usize::try_from(message.count).unwrap_or(usize::MAX) {
        0 => NEXT_TIMES,
        count => count,
    };
    at_most(count, MAX_TIMES, "count", "times")?;
    Ok((schedule(message.schedule)?, after, count))
}

fn definition(message: pb::Schedule) -> Result<ScheduleRequest, Error> {
    let task = message.task.ok_or_else(|| Error::invalid("task", "not set; expected a task"))?;
    let task = request_without_wait(task).map_err(|error| nested("task", error))?;
    Ok(ScheduleRequest {
        name: message.name,
        description: message.description,
        rule: rule(message.rule)?,
        task,
        overlap: wire::overlap(message.overlap, "overlap")?,
        catch_up: wire::catch_up(message.catch_up, message.max_catch_up, STANDARD_CATCH_UP)?,
        jitter: wire::duration(message.jitter, "jitter")?.unwrap_or_default(),
        enabled: Some(!message.disabled),
    })
}

fn rule(rule: Option<pb::schedule::Rule>) -> Result<RuleRequest, Error> {
    use pb::schedule::Rule as Wire;
    match rule {
        None => Err(Error::invalid("rule", "not set; expected `cron` or `interval`")),
        Some(Wire::Cron(pb::CronRule { expression, time_zone })) => {
            Ok(RuleRequest::Cron { expression, time_zone })
        }
        Some(Wire::Interval(pb::IntervalRule { every, anchor })) => {
            let interval = wire::duration(every, "interval.every")?.ok_or_else(|| {
                Error::invalid("interval.every", "not set; expected 1 s to 366 days")
            })?;
            let anchor = anchor.map(|at| wire::timestamp(at, "interval.anchor")).transpose()?;
            Ok(RuleRequest::Every { interval, anchor })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::models::{CatchUp, Overlap, Request};

    fn message(change: impl FnOnce(&mut pb::Schedule)) -> Option<pb::Schedule> {
        let mut message = pb::Schedule {
            name: "nightly".into(),
            rule: Some(pb::schedule::Rule::Cron(pb::CronRule {
                expression: "@daily".into(),
                time_zone: "Europe/Berlin".into(),
            })),
            task: Some(pb::TaskRequest { method: "add".into(), ..Default::default() }),
            ..Default::default()
        };
        change(&mut message);
        Some(message)
    }

    fn interval(seconds: i64, anchor: Option<i64>) -> Option<pb::schedule::Rule> {
        Some(pb::schedule::Rule::Interval(pb::IntervalRule {
            every: Some(prost_types::Duration { seconds, nanos: 0 }),
            anchor: anchor.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 }),
        }))
    }

    #[test]
    fn fields_that_are_not_set_have_defaults() {
        let add = Request::of("add");
        let expected =
            ScheduleRequest::cron_in("nightly", "Europe/Berlin", "@daily", add).enabled(true);
        assert_eq!(schedule(message(|_| ())), Ok(expected));
    }

    #[test]
    fn every_field_is_decoded() {
        let whole = message(|message| {
            message.description = "why".into();
            message.rule = interval(9, Some(3));
            message.overlap = pb::OverlapPolicy::Replace as i32;
            message.catch_up = pb::CatchUpPolicy::All as i32;
            message.max_catch_up = 7;
            message.jitter = Some(prost_types::Duration { seconds: 1, nanos: 5 });
            message.disabled = true;
        });
        let anchor = Timestamp::from_micros(3_000_000).unwrap();
        let expected = ScheduleRequest::every_from(
            "nightly",
            anchor,
            Duration::from_secs(9),
            Request::of("add"),
        )
        .description("why")
        .overlap(Overlap::Replace)
        .catch_up(CatchUp::All(7))
        .jitter(Duration::new(1, 5))
        .enabled(false);
        assert_eq!(schedule(whole), Ok(expected));
        let all = schedule(message(|message| message.catch_up = pb::CatchUpPolicy::All as i32));
        assert_eq!(all.unwrap().catch_up, CatchUp::All(100));
    }

    #[test]
    fn a_refusal_names_the_field_at_fault() {
        let check = |change: fn(&mut pb::Schedule), expected: &str| {
            let refused = schedule(message(change)).expect_err(expected);
            assert_eq!(refused.violations[0].field, format!("schedule.{expected}"));
        };
        check(|m| m.rule = None, "rule");
        check(|m| m.task = None, "task");
        check(|m| m.task.as_mut().unwrap().task_id = "a\0".into(), "task.task_id");
        check(|m| m.rule = interval(-1, None), "interval.every");
        check(
            |m| m.rule = Some(pb::schedule::Rule::Interval(pb::IntervalRule::default())),
            "interval.every",
        );
        check(|m| m.rule = interval(1, Some(-1)), "interval.anchor");
        check(|m| m.overlap = 4, "overlap");
        check(|m| m.catch_up = -1, "catch_up");
        check(|m| m.max_catch_up = 3, "max_catch_up");
        let missing = schedule(None).expect_err("refused").message;
        assert_eq!(missing, "schedule: not set; expected a schedule");
    }

    #[test]
    fn a_preview_has_at_most_a_hundred_times() {
        let preview = |count| {
            let schedule = message(|_| ());
            super::preview(pb::PreviewScheduleRequest { schedule, count, after: None })
        };
        assert_eq!(preview(0).map(|(.., count)| count), Ok(5));
        assert_eq!(preview(100).map(|(.., count)| count), Ok(100));
        let refused = preview(101).expect_err("refused").message;
        assert_eq!(refused, "count: 101 times; at most 100 are accepted");
    }
}
