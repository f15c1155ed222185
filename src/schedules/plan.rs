//! Decides which due occurrences of a schedule run, and which are missed.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::models::{CatchUp, MAX_CATCH_UP, ScheduleStatus};
use crate::schedules::Timetable;

/// With [`CatchUp::None`], an occurrence that is later than this is missed.
pub const MISSED_AFTER: Duration = Duration::from_secs(60);

/// What to do with the due occurrences of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The occurrences that run, earliest first.
    pub runs: Vec<Timestamp>,
    /// The number of missed occurrences and the last of them.
    pub missed: Option<(u64, Timestamp)>,
    /// The next time of the schedule, after now.
    pub next: Option<Timestamp>,
}

/// Plans the due occurrences of a schedule; `None` if none is due.
///
/// Due are the schedule's next time and every later occurrence up to now. The catch-up policy chooses:
/// `CatchUp::None` runs the latest one if it is at most [`MISSED_AFTER`] late, `Last` runs the latest
/// one, `All(n)` runs the latest `n`. The others are missed.
pub fn plan(status: &ScheduleStatus, timetable: &Timetable, now: Timestamp) -> Option<Plan> {
    let due = status.next.filter(|due| *due <= now)?;
    // The stored time is due even if the rule no longer names it: time zone data changes.
    let before = |until: Option<Timestamp>| match until {
        Some(until) => timetable.latest(due, until).or(Some(due)),
        None => None,
    };
    let total = timetable.count(due, now).saturating_add(1);
    let latest = before(Some(now)).unwrap_or(due);
    let max_runs = match status.schedule.catch_up {
        CatchUp::None => u32::from(now.since(latest) <= MISSED_AFTER),
        CatchUp::Last => 1,
        CatchUp::All(count) => count.min(MAX_CATCH_UP),
    };
    // Backwards from the latest occurrence.
    let mut back = std::iter::successors(Some(latest), |run| {
        if *run == due { None } else { before(just_before(*run)) }
    });
    let mut runs: Vec<Timestamp> = back.by_ref().take(max_runs as usize).collect();
    let missed = back.next().map(|last| {
        let count = total.saturating_sub(runs.len() as u64).max(1);
        (count, last)
    });
    runs.reverse();
    Some(Plan { runs, missed, next: timetable.next_after(now) })
}

fn just_before(time: Timestamp) -> Option<Timestamp> {
    Timestamp::from_micros(time.as_micros().checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::models::{Name, Overlap, Rule, Schedule, ScheduleCounts};
    use crate::schedules::run::tests::template;

    const SECOND: u64 = 1_000_000;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * SECOND).unwrap()
    }

    fn status(rule: &Rule, catch_up: CatchUp, next: Option<Timestamp>) -> ScheduleStatus {
        ScheduleStatus {
            schedule: Arc::new(Schedule {
                name: Name::parse("beat", "name").unwrap(),
                description: String::new(),
                rule: rule.clone(),
                task: Arc::new(template()),
                overlap: Overlap::Allow,
                catch_up,
                jitter: Duration::ZERO,
            }),
            revision: 1,
            enabled: true,
            next,
            created_at: at(0),
            updated_at: at(0),
            runs: Vec::new(),
            counts: ScheduleCounts::default(),
        }
    }

    fn every_minute() -> Rule {
        Rule::Every { interval: Duration::from_secs(60), anchor: at(0) }
    }

    fn planned(rule: &Rule, catch_up: CatchUp, next: Timestamp, now: Timestamp) -> Option<Plan> {
        plan(&status(rule, catch_up, Some(next)), &Timetable::of(rule).unwrap(), now)
    }

    #[test]
    fn nothing_is_planned_before_the_next_time() {
        assert_eq!(planned(&every_minute(), CatchUp::Last, at(120), at(119)), None);
        let rule = every_minute();
        let disabled = status(&rule, CatchUp::Last, None);
        assert_eq!(plan(&disabled, &Timetable::of(&rule).unwrap(), at(120)), None);
    }

    #[test]
    fn an_occurrence_on_time_runs_under_every_policy() {
        for catch_up in [CatchUp::None, CatchUp::Last, CatchUp::All(5)] {
            for late in [0, 59] {
                let found = planned(&every_minute(), catch_up, at(120), at(120 + late));
                let expected = Plan { runs: vec![at(120)], missed: None, next: Some(at(180)) };
                assert_eq!(found, Some(expected), "{catch_up:?}, {late} s late");
            }
        }
    }

    #[test]
    fn after_downtime_the_catch_up_policy_decides_what_runs() {
        // Due at 120, 180, 240 and 300.
        let check = |catch_up, now, runs: &[u64], missed: Option<(u64, u64)>| {
            let expected = Plan {
                runs: runs.iter().map(|run| at(*run)).collect(),
                missed: missed.map(|(count, last)| (count, at(last))),
                next: Some(at(360)),
            };
            let found = planned(&every_minute(), catch_up, at(120), at(now));
            assert_eq!(found, Some(expected), "{catch_up:?} at {now}");
        };
        check(CatchUp::Last, 330, &[300], Some((3, 240)));
        check(CatchUp::None, 330, &[300], Some((3, 240)));
        check(CatchUp::All(1), 330, &[300], Some((3, 240)));
        check(CatchUp::All(3), 330, &[180, 240, 300], Some((1, 120)));
        check(CatchUp::All(4), 330, &[120, 180, 240, 300], None);
        check(CatchUp::All(1_000), 330, &[120, 180, 240, 300], None);
    }

    #[test]
    fn without_catch_up_a_late_occurrence_is_missed_too() {
        let hourly = Rule::Every { interval: Duration::from_secs(3_600), anchor: at(0) };
        let check = |now, runs: &[u64], missed: Option<(u64, u64)>| {
            let expected = Plan {
                runs: runs.iter().map(|run| at(*run)).collect(),
                missed: missed.map(|(count, last)| (count, at(last))),
                next: Some(at(10_800)),
            };
            assert_eq!(planned(&hourly, CatchUp::None, at(7_200), at(now)), Some(expected));
        };
        check(7_200 + MISSED_AFTER.as_secs(), &[7_200], None);
        check(7_201 + MISSED_AFTER.as_secs(), &[], Some((1, 7_200)));
    }

    #[test]
    fn a_year_of_missed_seconds_is_counted_without_enumeration() {
        let year = 365 * 24 * 3_600;
        let every = Rule::Every { interval: Duration::from_secs(1), anchor: at(0) };
        let cron =
            Rule::Cron { expression: "* * * * * *".into(), time_zone: "Europe/Berlin".into() };
        for rule in [every, cron] {
            let (due, now) = (at(1_000_000_000), at(1_000_000_000 + year));
            let found = planned(&rule, CatchUp::All(1_000), due, now).unwrap();
            let runs: Vec<Timestamp> =
                (0..1_000).map(|n| at(1_000_000_001 + year - 1_000 + n)).collect();
            let missed = Some((year + 1 - 1_000, at(1_000_000_000 + year - 1_000)));
            assert_eq!(found, Plan { runs, missed, next: Some(at(1_000_000_001 + year)) });
        }
    }

    #[test]
    fn the_stored_next_time_runs_even_if_the_rule_no_longer_names_it() {
        // As after an update of the time zone data.
        let rule = Rule::Cron { expression: "0 12 * * *".into(), time_zone: "UTC".into() };
        let (odd, noon) = (at(11 * 3_600), at(12 * 3_600));
        let found = planned(&rule, CatchUp::Last, odd, at(11 * 3_600 + 1));
        assert_eq!(found, Some(Plan { runs: vec![odd], missed: None, next: Some(noon) }));
        let found = planned(&rule, CatchUp::All(9), odd, noon);
        let next = Some(at(36 * 3_600));
        assert_eq!(found, Some(Plan { runs: vec![odd, noon], missed: None, next }));
    }

    #[test]
    fn the_last_representable_time_has_no_next_time() {
        let end = Timestamp::from_micros(253_402_300_799_000_000).unwrap();
        let rule = Rule::Every { interval: Duration::from_secs(60), anchor: end };
        let found = planned(&rule, CatchUp::Last, end, end);
        assert_eq!(found, Some(Plan { runs: vec![end], missed: None, next: None }));
    }
}
