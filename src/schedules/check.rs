//! Checks of schedule requests.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::models::{
    CatchUp, MAX_CATCH_UP, MAX_DESCRIPTION_BYTES, MAX_INTERVAL, MIN_INTERVAL, Name, Overlap, Rule,
    Schedule, ScheduleStatus, Task,
};
use crate::schedules::{Cron, RuleRequest, ScheduleRequest, Timetable};

/// A schedule request that was checked, except for its task.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The schedule's name.
    pub name: Name,
    /// The rule in its stored form.
    pub rule: Rule,
    /// The occurrences of the rule. At least one is in the future.
    pub timetable: Timetable,
}

/// Checks a request except for its task. `existing` is the stored schedule with the same name.
///
/// # Errors
/// `INVALID_ARGUMENT` names every field at fault.
pub fn check(
    request: &ScheduleRequest,
    existing: Option<&ScheduleStatus>,
    now: Timestamp,
) -> Result<Definition, Error> {
    let name = Name::parse(&request.name, "name");
    let rule = rule(request, existing, now);
    let rest = check_rest(request);
    match (name, rule, rest) {
        (Ok(name), Ok((rule, timetable)), Ok(())) => Ok(Definition { name, rule, timetable }),
        (name, rule, rest) => {
            let problems = [name.err(), rule.err(), rest.err()].into_iter().flatten();
            Err(problems.reduce(merge).unwrap_or_else(|| unreachable!("one of them is an error")))
        }
    }
}

/// Merges the errors of two fields into one.
pub(super) fn merge(mut one: Error, other: Error) -> Error {
    one.message = format!("{}; {}", one.message, other.message);
    one.violations.extend(other.violations);
    one
}

/// Prefixes the field of each violation with `outer`, the field that contains them.
pub fn at_field(outer: &str, mut error: Error) -> Error {
    for violation in &mut error.violations {
        violation.field = format!("{outer}.{}", violation.field);
    }
    if !error.violations.is_empty() {
        let texts = error.violations.iter().map(|v| format!("{}: {}", v.field, v.description));
        error.message = texts.collect::<Vec<_>>().join("; ");
    }
    error
}

fn rule(
    request: &ScheduleRequest,
    existing: Option<&ScheduleStatus>,
    now: Timestamp,
) -> Result<(Rule, Timetable), Error> {
    let rule = match &request.rule {
        RuleRequest::Cron { expression, time_zone } => cron_rule(expression, time_zone)?,
        RuleRequest::Every { interval, anchor } => {
            check_interval(*interval)?;
            let anchor = anchor.or_else(|| anchor_of(existing?, *interval));
            Rule::Every { interval: *interval, anchor: anchor.unwrap_or_else(|| whole(now)) }
        }
    };
    let timetable = Timetable::of(&rule)?;
    if timetable.next_after(now).is_none() {
        let (field, shown) = match &rule {
            Rule::Cron { expression, .. } => ("cron.expression", format!("{expression:?}")),
            Rule::Every { anchor, .. } => ("interval.anchor", anchor.to_string()),
        };
        let why = format!("{shown} has no future occurrence; expected a rule that runs some day");
        return Err(Error::invalid(field, why));
    }
    Ok((rule, timetable))
}

impl Definition {
    /// The schedule to store, with the task template that the engine made of the request's task.
    pub fn schedule(self, request: ScheduleRequest, task: Arc<Task>) -> Schedule {
        Schedule {
            name: self.name,
            description: request.description,
            rule: self.rule,
            task,
            overlap: request.overlap,
            catch_up: request.catch_up,
            jitter: request.jitter,
        }
    }
}

/// The stored form: the expression with single spaces, the zone as the IANA database spells it.
fn cron_rule(expression: &str, time_zone: &str) -> Result<Rule, Error> {
    let cron = Cron::parse(expression, time_zone)?;
    let fields: Vec<&str> = expression.split_ascii_whitespace().collect();
    Ok(Rule::Cron { expression: fields.join(" "), time_zone: cron.zone_name().to_owned() })
}

fn check_interval(interval: Duration) -> Result<(), Error> {
    let refuse = |why: &str| Err(Error::invalid("interval.every", format!("{interval:?}; {why}")));
    if !(MIN_INTERVAL..=MAX_INTERVAL).contains(&interval) {
        return refuse("expected 1 s to 366 days");
    }
    if !interval.subsec_nanos().is_multiple_of(1_000) {
        return refuse("expected whole microseconds");
    }
    Ok(())
}

/// The anchor of a stored schedule with the same interval: redefining a schedule does not move its times.
fn anchor_of(existing: &ScheduleStatus, interval: Duration) -> Option<Timestamp> {
    match existing.schedule.rule {
        Rule::Every { interval: before, anchor } if before == interval => Some(anchor),
        _ => None,
    }
}

/// Truncates to whole seconds.
fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_micros(time.as_micros() / 1_000_000 * 1_000_000).unwrap_or(time)
}

fn check_rest(request: &ScheduleRequest) -> Result<(), Error> {
    let mut problems = Vec::new();
    let description = request.description.len();
    if description > MAX_DESCRIPTION_BYTES {
        let why = format!("{description} bytes long; at most {MAX_DESCRIPTION_BYTES} are accepted");
        problems.push(Error::invalid("description", why));
    }
    if let CatchUp::All(most) = request.catch_up
        && !(1..=MAX_CATCH_UP).contains(&most)
    {
        let why = format!("{most}; expected 1 to {MAX_CATCH_UP}");
        problems.push(Error::invalid("max_catch_up", why));
    }
    problems.extend(check_overlap(request));
    if request.jitter > MAX_INTERVAL {
        let why = format!("{:?}; at most 366 days are accepted", request.jitter);
        problems.push(Error::invalid("jitter", why));
    }
    problems.into_iter().reduce(merge).map_or(Ok(()), Err)
}

/// Missed occurrences are caught up at once, so an overlap policy other than `allow` would drop all but one.
fn check_overlap(request: &ScheduleRequest) -> Option<Error> {
    let does = match (request.catch_up, request.overlap) {
        (CatchUp::None | CatchUp::Last, _) | (_, Overlap::Allow) => return None,
        (CatchUp::All(_), Overlap::Skip) => "`skip` drops all but the first",
        (CatchUp::All(_), Overlap::Replace) => "`replace` cancels all but the last",
    };
    let why = format!("all needs `overlap: allow`: missed runs start at once, and {does}");
    Some(Error::invalid("catch_up", why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Request;

    fn now() -> Timestamp {
        Timestamp::from_micros(1_796_000_000_500_000).unwrap()
    }

    fn every(seconds: u64) -> ScheduleRequest {
        ScheduleRequest::every("beat", Duration::from_secs(seconds), Request::of("add"))
    }

    fn cron(expression: &str) -> ScheduleRequest {
        ScheduleRequest::cron("nightly", expression, Request::of("add"))
    }

    fn cron_in(time_zone: &str, expression: &str) -> ScheduleRequest {
        ScheduleRequest::cron_in("nightly", time_zone, expression, Request::of("add"))
    }

    #[test]
    fn every_field_at_fault_is_named() {
        let check = |request: ScheduleRequest, expected: &[(&str, &str)]| {
            let error = check(&request, None, now()).expect_err("refused");
            let found: Vec<(&str, &str)> =
                error.violations.iter().map(|v| (&*v.field, &*v.description)).collect();
            assert_eq!(found, expected);
        };
        check(every(0), &[("interval.every", "0ns; expected 1 s to 366 days")]);
        let mut short = every(1);
        short.rule = RuleRequest::Every { interval: Duration::from_millis(999), anchor: None };
        check(short.clone(), &[("interval.every", "999ms; expected 1 s to 366 days")]);
        short.rule = RuleRequest::Every { interval: Duration::new(1, 1), anchor: None };
        check(short, &[("interval.every", "1.000000001s; expected whole microseconds")]);
        check(
            every(366 * 86_400 + 1),
            &[("interval.every", "31622401s; expected 1 s to 366 days")],
        );
        check(
            cron("0 0 31 2 *"),
            &[(
                "cron.expression",
                "\"0 0 31 2 *\" has no future occurrence; expected a rule that runs some day",
            )],
        );
        check(
            cron_in("Mars", "@daily"),
            &[(
                "cron.time_zone",
                "unknown time zone \"Mars\"; expected a name of the IANA database, such as Europe/Berlin",
            )],
        );
        let mut all = cron("@often").description("x".repeat(1_025)).catch_up(CatchUp::All(0));
        all.overlap = Overlap::Allow;
        all.name = "a b".into();
        check(
            all.jitter(Duration::from_secs(366 * 86_400 + 1)),
            &[
                ("name", "\"a b\" is no name; expected 1 to 80 letters, digits, `_`, `-` or `.`"),
                (
                    "cron.expression",
                    "\"@often\": unknown macro; expected one of @yearly, @annually, @monthly, @weekly, @daily, @hourly",
                ),
                ("description", "1025 bytes long; at most 1024 are accepted"),
                ("max_catch_up", "0; expected 1 to 1000"),
                ("jitter", "31622401s; at most 366 days are accepted"),
            ],
        );
        check(
            every(1).overlap(Overlap::Allow).catch_up(CatchUp::All(1_001)),
            &[("max_catch_up", "1001; expected 1 to 1000")],
        );
    }

    #[test]
    fn catching_up_all_is_refused_where_runs_may_not_overlap() {
        for (overlap, expected) in [
            (
                Overlap::Skip,
                "all needs `overlap: allow`: missed runs start at once, and `skip` drops all but the first",
            ),
            (
                Overlap::Replace,
                "all needs `overlap: allow`: missed runs start at once, and `replace` cancels all but the \
                 last",
            ),
        ] {
            let request = every(1).overlap(overlap).catch_up(CatchUp::All(2));
            let error = check(&request, None, now()).expect_err("refused");
            assert_eq!(error, Error::invalid("catch_up", expected));
        }
        assert!(check(&every(1).overlap(Overlap::Skip), None, now()).is_ok());
    }

    #[test]
    fn the_limits_themselves_are_accepted() {
        for sound in [
            every(1),
            every(366 * 86_400),
            every(1).description("x".repeat(1_024)).jitter(Duration::from_secs(366 * 86_400)),
            every(1).overlap(Overlap::Allow).catch_up(CatchUp::All(1)),
            every(1).overlap(Overlap::Allow).catch_up(CatchUp::All(1_000)),
        ] {
            assert!(check(&sound, None, now()).is_ok(), "{sound:?}");
        }
    }

    #[test]
    fn a_rule_is_normalised_and_an_interval_without_an_anchor_begins_at_the_second_of_its_definition()
     {
        let rule = |request| check(&request, None, now()).unwrap().rule;
        let daily = Rule::Cron { expression: "@daily".into(), time_zone: "UTC".into() };
        assert_eq!(rule(cron("@daily")), daily);
        assert_eq!(
            rule(cron_in("europe/berlin", " 0  4 * *  mon ")),
            Rule::Cron { expression: "0 4 * * mon".into(), time_zone: "Europe/Berlin".into() },
        );
        let anchor = Timestamp::from_micros(1_796_000_000_000_000).unwrap();
        assert_eq!(rule(every(7)), Rule::Every { interval: Duration::from_secs(7), anchor },);
    }

    #[test]
    fn violations_are_prefixed_with_the_field_that_contains_them() {
        let error = at_field("schedule", Error::invalid("name", "empty"));
        assert_eq!(error, Error::invalid("schedule.name", "empty"));
        let plain = Error::new(crate::error::Code::MethodNotFound, "no such method");
        assert_eq!(at_field("schedule", plain.clone()), plain);
    }
}
