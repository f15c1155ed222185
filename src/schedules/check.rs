//! What people define is checked before it is kept.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::models::{
    CatchUp, MAX_CATCH_UP, MAX_DESCRIPTION_BYTES, MAX_INTERVAL, MIN_INTERVAL, Name, Overlap, Rule,
    Schedule, ScheduleStatus, Task,
};
use crate::schedules::{Cron, RuleRequest, ScheduleRequest, Timetable};

/// A definition that holds, but for the task.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its name.
    pub name: Name,
    /// When it runs.
    pub rule: Rule,
    /// The rule, understood. It names at least one time to come.
    pub timetable: Timetable,
}

/// Checks all of a definition but the task. `existing` is the schedule with its name, if there is one.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming every field at fault.
pub fn check(
    request: &ScheduleRequest,
    existing: Option<&ScheduleStatus>,
    now: Timestamp,
) -> Result<Checked, Error> {
    let name = Name::parse(&request.name, "name");
    let rule = rule(request, existing, now);
    let rest = check_rest(request);
    match (name, rule, rest) {
        (Ok(name), Ok((rule, timetable)), Ok(())) => Ok(Checked { name, rule, timetable }),
        (name, rule, rest) => {
            let problems = [name.err(), rule.err(), rest.err()].into_iter().flatten();
            Err(problems.reduce(together).unwrap_or_else(|| unreachable!("one of them is wrong")))
        }
    }
}

/// One refusal for what is wrong in two fields.
pub(super) fn together(mut one: Error, other: Error) -> Error {
    one.message = format!("{}; {}", one.message, other.message);
    one.violations.extend(other.violations);
    one
}

/// The error as it is about the field `outer` of a larger whole.
pub fn within(outer: &str, mut error: Error) -> Error {
    for violation in &mut error.violations {
        violation.field = format!("{outer}.{}", violation.field);
    }
    if !error.violations.is_empty() {
        let said = error.violations.iter().map(|v| format!("{}: {}", v.field, v.description));
        error.message = said.collect::<Vec<_>>().join("; ");
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
        let why = format!("{shown} names no time to come; expected a rule that runs some day");
        return Err(Error::invalid(field, why));
    }
    Ok((rule, timetable))
}

impl Checked {
    /// The schedule, with the task that the engine made of the one that was asked for.
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

/// The rule as it is kept: the expression without spare spaces, the zone as the database writes it.
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

/// That of a schedule which runs so often already: a new definition does not move its times.
fn anchor_of(existing: &ScheduleStatus, interval: Duration) -> Option<Timestamp> {
    match existing.schedule.rule {
        Rule::Every { interval: before, anchor } if before == interval => Some(anchor),
        _ => None,
    }
}

/// The second that a time is in.
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
    problems.into_iter().reduce(together).map_or(Ok(()), Err)
}

/// What is made up for comes in at once, so that a policy that keeps runs apart leaves one of them.
fn check_overlap(request: &ScheduleRequest) -> Option<Error> {
    let does = match (request.catch_up, request.overlap) {
        (CatchUp::None | CatchUp::Last, _) | (_, Overlap::Allow) => return None,
        (CatchUp::All(_), Overlap::Skip) => "`skip` leaves out all but the first",
        (CatchUp::All(_), Overlap::Replace) => "`replace` cancels all but the last",
    };
    let why = format!("all needs `overlap: allow`: they are made up for at once, and {does}");
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
            let said: Vec<(&str, &str)> =
                error.violations.iter().map(|v| (&*v.field, &*v.description)).collect();
            assert_eq!(said, expected);
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
                "\"0 0 31 2 *\" names no time to come; expected a rule that runs some day",
            )],
        );
        check(
            cron_in("Mars", "@daily"),
            &[(
                "cron.time_zone",
                "no time zone \"Mars\" is known; expected a name of the IANA database, such as Europe/Berlin",
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
                    "\"@often\": no macro; expected one of @yearly, @annually, @monthly, @weekly, @daily, @hourly",
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
    fn all_that_was_missed_is_not_promised_where_runs_may_not_overlap() {
        for (overlap, expected) in [
            (
                Overlap::Skip,
                "all needs `overlap: allow`: they are made up for at once, and `skip` leaves out all \
                 but the first",
            ),
            (
                Overlap::Replace,
                "all needs `overlap: allow`: they are made up for at once, and `replace` cancels all \
                 but the last",
            ),
        ] {
            let request = every(1).overlap(overlap).catch_up(CatchUp::All(2));
            let error = check(&request, None, now()).expect_err("refused");
            assert_eq!(error, Error::invalid("catch_up", expected));
        }
        assert!(check(&every(1).overlap(Overlap::Skip), None, now()).is_ok());
    }

    #[test]
    fn the_bounds_themselves_are_accepted() {
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
    fn a_rule_is_kept_tidy_and_without_an_anchor_begins_with_the_second_of_its_definition() {
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
    fn what_is_within_something_larger_is_named_as_its_field() {
        let error = within("schedule", Error::invalid("name", "empty"));
        assert_eq!(error, Error::invalid("schedule.name", "empty"));
        let plain = Error::new(crate::error::Code::MethodNotFound, "no such method");
        assert_eq!(within("schedule", plain.clone()), plain);
    }
}
