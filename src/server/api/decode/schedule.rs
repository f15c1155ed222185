//! Schedules, as they are defined over the wire.

use crate::clock::Timestamp;
use crate::error::Error;
use crate::models::{CatchUp, MAX_PAGE, Name, Overlap};
use crate::pb;
use crate::schedules::{RuleRequest, STANDARD_CATCH_UP, ScheduleRequest, within};
use crate::server::api::decode::{at_most, duration, timestamp, unattended, unknown};

/// What every field of a definition is within.
pub(in crate::server::api) const SCHEDULE: &str = "schedule";
/// How many times are shown where nobody says, and at most.
pub(in crate::server::api) const NEXT_TIMES: usize = 5;
const MAX_TIMES: usize = 100;
/// The schedules on a page where nobody says.
const PAGE: usize = 50;

/// Which schedule is meant.
///
/// # Errors
/// `INVALID_ARGUMENT` when it is no name of a schedule.
pub(in crate::server::api) fn schedule_name(name: &str) -> Result<Name, Error> {
    Name::parse(name, "name")
}

/// A schedule as its caller asks for it.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(in crate::server::api) fn schedule(
    message: Option<pb::Schedule>,
) -> Result<ScheduleRequest, Error> {
    let message =
        message.ok_or_else(|| Error::invalid(SCHEDULE, "not set; expected a schedule"))?;
    definition(message).map_err(|error| within(SCHEDULE, error))
}

/// What is to be previewed, from when on and how many times.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(in crate::server::api) fn preview(
    message: pb::PreviewScheduleRequest,
) -> Result<(ScheduleRequest, Option<Timestamp>, usize), Error> {
    let after = message.after.map(|after| timestamp(after, "after")).transpose()?;
    let count = match usize::try_from(message.count).unwrap_or(usize::MAX) {
        0 => NEXT_TIMES,
        count => count,
    };
    at_most(count, MAX_TIMES, "count", "times")?;
    Ok((schedule(message.schedule)?, after, count))
}

/// How many schedules to list.
///
/// # Errors
/// `INVALID_ARGUMENT` when they are too many.
pub(in crate::server::api) fn page_size(size: u32) -> Result<usize, Error> {
    let limit = match usize::try_from(size).unwrap_or(usize::MAX) {
        0 => PAGE,
        limit => limit,
    };
    at_most(limit, MAX_PAGE, "page_size", "schedules")?;
    Ok(limit)
}

fn definition(message: pb::Schedule) -> Result<ScheduleRequest, Error> {
    let task = message.task.ok_or_else(|| Error::invalid("task", "not set; expected a task"))?;
    let task = unattended(task).map_err(|error| within("task", error))?;
    Ok(ScheduleRequest {
        name: message.name,
        description: message.description,
        rule: rule(message.rule)?,
        task,
        overlap: overlap(message.overlap)?,
        catch_up: catch_up(message.catch_up, message.max_catch_up)?,
        jitter: duration(message.jitter, "jitter")?.unwrap_or_default(),
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
            let interval = duration(every, "interval.every")?.ok_or_else(|| {
                Error::invalid("interval.every", "not set; expected 1 s to 366 days")
            })?;
            let anchor = anchor.map(|at| timestamp(at, "interval.anchor")).transpose()?;
            Ok(RuleRequest::Every { interval, anchor })
        }
    }
}

fn overlap(number: i32) -> Result<Overlap, Error> {
    use pb::OverlapPolicy as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Unspecified | Wire::Skip) => Ok(Overlap::Skip),
        Ok(Wire::Allow) => Ok(Overlap::Allow),
        Ok(Wire::Replace) => Ok(Overlap::Replace),
        Err(_) => Err(unknown(number, "overlap", "ALLOW (1), SKIP (2) or REPLACE (3)")),
    }
}

fn catch_up(number: i32, most: u32) -> Result<CatchUp, Error> {
    use pb::CatchUpPolicy as Wire;
    let policy = match Wire::try_from(number) {
        Ok(Wire::Unspecified | Wire::Last) => CatchUp::Last,
        Ok(Wire::None) => CatchUp::None,
        Ok(Wire::All) if most == 0 => return Ok(CatchUp::All(STANDARD_CATCH_UP)),
        Ok(Wire::All) => return Ok(CatchUp::All(most)),
        Err(_) => return Err(unknown(number, "catch_up", "NONE (1), LAST (2) or ALL (3)")),
    };
    if most != 0 {
        let why = format!("{most}, but `catch_up` is not ALL; expected both or neither");
        return Err(Error::invalid("max_catch_up", why));
    }
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::models::Request;

    fn asked(change: impl FnOnce(&mut pb::Schedule)) -> Option<pb::Schedule> {
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
    fn what_is_not_set_is_the_standard() {
        let add = Request::of("add");
        let expected =
            ScheduleRequest::cron_in("nightly", "Europe/Berlin", "@daily", add).enabled(true);
        assert_eq!(schedule(asked(|_| ())), Ok(expected));
    }

    #[test]
    fn every_field_has_its_place() {
        let whole = asked(|message| {
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
        let all = schedule(asked(|message| message.catch_up = pb::CatchUpPolicy::All as i32));
        assert_eq!(all.unwrap().catch_up, CatchUp::All(100));
    }

    #[test]
    fn what_means_nothing_is_refused_by_name() {
        let check = |message: Option<pb::Schedule>, expected: &str| {
            assert_eq!(schedule(message).expect_err("refused").message, expected);
        };
        check(None, "schedule: not set; expected a schedule");
        check(asked(|m| m.rule = None), "schedule.rule: not set; expected `cron` or `interval`");
        check(asked(|m| m.task = None), "schedule.task: not set; expected a task");
        check(
            asked(|m| m.task.as_mut().unwrap().task_id = "a\0".into()),
            r"schedule.task.task_id: contains the control character '\0'; printable text is accepted",
        );
        check(
            asked(|m| m.rule = interval(-1, None)),
            "schedule.interval.every: -1 s and 0 ns is no length of time; expected 0 s or more, with 0 to 999999999 ns",
        );
        check(
            asked(|m| m.rule = Some(pb::schedule::Rule::Interval(pb::IntervalRule::default()))),
            "schedule.interval.every: not set; expected 1 s to 366 days",
        );
        check(
            asked(|m| m.rule = interval(1, Some(-1))),
            "schedule.interval.anchor: -1 s and 0 ns since 1970 is no time that is accepted; expected 1970 to 9999",
        );
        check(
            asked(|m| m.overlap = 4),
            "schedule.overlap: 4 has no meaning; expected ALLOW (1), SKIP (2) or REPLACE (3)",
        );
        check(
            asked(|m| m.catch_up = -1),
            "schedule.catch_up: -1 has no meaning; expected NONE (1), LAST (2) or ALL (3)",
        );
        check(
            asked(|m| m.max_catch_up = 3),
            "schedule.max_catch_up: 3, but `catch_up` is not ALL; expected both or neither",
        );
        assert_eq!(page_size(1_000), Ok(1_000));
        assert_eq!(page_size(0), Ok(50));
        assert!(page_size(1_001).is_err());
        let many = pb::PreviewScheduleRequest { count: 101, ..Default::default() };
        let refused = preview(many).expect_err("refused").message;
        assert_eq!(refused, "count: 101 times; at most 100 are accepted");
    }
}
