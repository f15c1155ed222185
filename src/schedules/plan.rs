//! What becomes of the occurrences of a schedule that are due.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::models::{CatchUp, MAX_CATCH_UP, ScheduleStatus};
use crate::schedules::Timetable;

/// A run that is later than this was missed, as far as [`CatchUp::None`] is concerned.
pub const MISSED_AFTER: Duration = Duration::from_secs(60);

/// What is to be done about a schedule whose time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The occurrences that run, the earliest first.
    pub runs: Vec<Timestamp>,
    /// How many occurrences are left out, and the last of them.
    pub missed: Option<(u64, Timestamp)>,
    /// When it runs next: later than now, and than all of these.
    pub next: Option<Timestamp>,
}

/// What becomes of what is due; `None` if nothing is.
///
/// Due is what was planned, and every later occurrence that is not after now. The latest of them is
/// on time, however many there are; those before it were missed. `CatchUp::None` leaves those out,
/// and the latest as well if it is later than [`MISSED_AFTER`]; `Last` runs the latest alone;
/// `All(n)` runs the latest `n`.
pub fn plan(status: &ScheduleStatus, timetable: &Timetable, now: Timestamp) -> Option<Decision> {
    let due = status.next.filter(|due| *due <= now)?;
    // What was planned is due also if the rule's times are others by now: zones change their minds.
    let before = |until: Option<Timestamp>| match until {
        Some(until) => timetable.latest(due, until).or(Some(due)),
        None => None,
    };
    let total = timetable.count(due, now).saturating_add(1);
    let latest = before(Some(now)).unwrap_or(due);
    let most = match status.schedule.catch_up {
        CatchUp::None => u32::from(now.since(latest) <= MISSED_AFTER),
        CatchUp::Last => 1,
        CatchUp::All(most) => most.min(MAX_CATCH_UP),
    };
    // From the latest back; an instant earlier than each, the one before it.
    let mut back = std::iter::successors(Some(latest), |run| {
        if *run == due { None } else { before(just_before(*run)) }
    });
    let mut runs: Vec<Timestamp> = back.by_ref().take(most as usize).collect();
    let missed = back.next().map(|last| {
        let count = total.saturating_sub(runs.len() as u64).max(1);
        (count, last)
    });
    runs.reverse();
    Some(Decision { runs, missed, next: timetable.next_after(now) })
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

    fn decide(rule: &Rule, catch_up: CatchUp, next: Timestamp, now: Timestamp) -> Option<Decision> {
        plan(&status(rule, catch_up, Some(next)), &Timetable::of(rule).unwrap(), now)
    }

    #[test]
    fn nothing_is_decided_before_the_time_has_come() {
        assert_eq!(decide(&every_minute(), CatchUp::Last, at(120), at(119)), None);
        let rule = every_minute();
        let disabled = status(&rule, CatchUp::Last, None);
        assert_eq!(plan(&disabled, &Timetable::of(&rule).unwrap(), at(120)), None);
    }

    #[test]
    fn what_is_on_time_runs_under_every_policy() {
        for catch_up in [CatchUp::None, CatchUp::Last, CatchUp::All(5)] {
            for late in [0, 59] {
                let decision = decide(&every_minute(), catch_up, at(120), at(120 + late));
                let expected = Decision { runs: vec![at(120)], missed: None, next: Some(at(180)) };
                assert_eq!(decision, Some(expected), "{catch_up:?}, {late} s late");
            }
        }
    }

    #[test]
    fn after_an_outage_the_policy_says_what_runs() {
        // Due at 120, 180, 240 and 300.
        let check = |catch_up, now, runs: &[u64], missed: Option<(u64, u64)>| {
            let expected = Decision {
                runs: runs.iter().map(|run| at(*run)).collect(),
                missed: missed.map(|(count, last)| (count, at(last))),
                next: Some(at(360)),
            };
            let decided = decide(&every_minute(), catch_up, at(120), at(now));
            assert_eq!(decided, Some(expected), "{catch_up:?} at {now}");
        };
        check(CatchUp::Last, 330, &[300], Some((3, 240)));
        check(CatchUp::None, 330, &[300], Some((3, 240)));
        check(CatchUp::All(1), 330, &[300], Some((3, 240)));
        check(CatchUp::All(3), 330, &[180, 240, 300], Some((1, 120)));
        check(CatchUp::All(4), 330, &[120, 180, 240, 300], None);
        check(CatchUp::All(1_000), 330, &[120, 180, 240, 300], None);
    }

    #[test]
    fn without_catch_up_the_latest_is_left_out_too_once_it_is_late() {
        let hourly = Rule::Every { interval: Duration::from_secs(3_600), anchor: at(0) };
        let check = |now, runs: &[u64], missed: Option<(u64, u64)>| {
            let expected = Decision {
                runs: runs.iter().map(|run| at(*run)).collect(),
                missed: missed.map(|(count, last)| (count, at(last))),
                next: Some(at(10_800)),
            };
            assert_eq!(decide(&hourly, CatchUp::None, at(7_200), at(now)), Some(expected));
        };
        check(7_200 + MISSED_AFTER.as_secs(), &[7_200], None);
        check(7_201 + MISSED_AFTER.as_secs(), &[], Some((1, 7_200)));
    }

    #[test]
    fn a_year_of_seconds_is_made_up_for_without_going_through_it() {
        let year = 365 * 24 * 3_600;
        let every = Rule::Every { interval: Duration::from_secs(1), anchor: at(0) };
        let cron =
            Rule::Cron { expression: "* * * * * *".into(), time_zone: "Europe/Berlin".into() };
        for rule in [every, cron] {
            let (due, now) = (at(1_000_000_000), at(1_000_000_000 + year));
            let decision = decide(&rule, CatchUp::All(1_000), due, now).unwrap();
            let runs: Vec<Timestamp> =
                (0..1_000).map(|n| at(1_000_000_001 + year - 1_000 + n)).collect();
            let missed = Some((year + 1 - 1_000, at(1_000_000_000 + year - 1_000)));
            assert_eq!(decision, Decision { runs, missed, next: Some(at(1_000_000_001 + year)) });
        }
    }

    #[test]
    fn what_was_planned_runs_also_if_the_rule_names_other_times_by_now() {
        // A zone that changed its mind between two versions of this program.
        let rule = Rule::Cron { expression: "0 12 * * *".into(), time_zone: "UTC".into() };
        let (odd, noon) = (at(11 * 3_600), at(12 * 3_600));
        let decided = decide(&rule, CatchUp::Last, odd, at(11 * 3_600 + 1));
        assert_eq!(decided, Some(Decision { runs: vec![odd], missed: None, next: Some(noon) }));
        let decided = decide(&rule, CatchUp::All(9), odd, noon);
        let next = Some(at(36 * 3_600));
        assert_eq!(decided, Some(Decision { runs: vec![odd, noon], missed: None, next }));
    }

    #[test]
    fn the_last_time_of_all_has_none_after_it() {
        let end = Timestamp::from_micros(253_402_300_799_000_000).unwrap();
        let rule = Rule::Every { interval: Duration::from_secs(60), anchor: end };
        let decided = decide(&rule, CatchUp::Last, end, end);
        assert_eq!(decided, Some(Decision { runs: vec![end], missed: None, next: None }));
    }
}
