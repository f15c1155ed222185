//! What a plan does with due occurrences, for any behaviour of clock and process.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use task_scheduler::clock::Timestamp;
use task_scheduler::models::{
    CatchUp, Digest, Durability, Name, Options, Overlap, QueueName, RetryPolicy, Rule, Schedule,
    ScheduleCounts, ScheduleStatus, Task, TaskId,
};
use task_scheduler::schedules::{Timetable, plan};

/// The start of the clock: a Sunday in March, when Berlin's clocks go forward at 01:00 UTC.
const BEGIN: u64 = 1_806_192_000_000_000;

fn rules() -> impl Strategy<Value = Rule> {
    let cron = prop::sample::select(vec![
        "* * * * *",
        "*/10 * * * * *",
        "30 2 * * *",
        "0 */3 * * *",
        "@daily",
        "0 12 * * MON",
    ]);
    let zone = prop::sample::select(vec!["UTC", "Europe/Berlin", "Australia/Lord_Howe"]);
    prop_oneof![
        (cron, zone).prop_map(|(rule, zone)| Rule::Cron {
            expression: rule.into(),
            time_zone: zone.into()
        }),
        (1_000_000..100_000_000_000_u64, 0..2 * BEGIN).prop_map(|(interval, anchor)| Rule::Every {
            interval: Duration::from_micros(interval),
            anchor: Timestamp::from_micros(anchor).unwrap(),
        }),
    ]
}

fn policies() -> impl Strategy<Value = CatchUp> {
    prop_oneof![Just(CatchUp::None), Just(CatchUp::Last), (1..=1_000_u32).prop_map(CatchUp::All),]
}

/// Clock changes between two plans: the clock ticks, stands still, or jumps an hour or a day
/// forward or back.
fn steps() -> impl Strategy<Value = i64> {
    const SECOND: i64 = 1_000_000;
    prop_oneof![
        4 => 0..2 * SECOND,
        4 => 0..200 * SECOND,
        1 => Just(3_600 * SECOND),
        1 => Just(-3_600 * SECOND),
        1 => Just(86_400 * SECOND),
        1 => Just(-86_400 * SECOND),
        1 => 0..40 * 86_400 * SECOND,
    ]
}

fn status(rule: Rule, catch_up: CatchUp, next: Option<Timestamp>) -> ScheduleStatus {
    let now = Timestamp::from_micros(BEGIN).unwrap();
    let task = Task {
        id: TaskId::parse("template", "x").unwrap(),
        method: "add".into(),
        args: Vec::new(),
        deps: Vec::new(),
        digest: Digest::of("add", &[], &[]),
        submitted_at: now,
        parent: None,
        options: Options {
            queue: QueueName::default(),
            priority: 0,
            run_at: None,
            expires_at: None,
            timeout: Duration::from_secs(1),
            retry: RetryPolicy::with_retries(3),
            durability: Durability::Durable,
            wait_for_dependencies: false,
            on_dependency_failure: Default::default(),
            labels: None,
            keys: None,
        },
    };
    let schedule = Schedule {
        name: Name::parse("s", "name").unwrap(),
        description: String::new(),
        rule,
        task: Arc::new(task),
        overlap: Overlap::Allow,
        catch_up,
        jitter: Duration::ZERO,
    };
    ScheduleStatus {
        schedule: Arc::new(schedule),
        revision: 1,
        enabled: true,
        next,
        created_at: now,
        updated_at: now,
        runs: Vec::new(),
        counts: ScheduleCounts::default(),
    }
}

proptest! {
    #[test]
    fn no_occurrence_runs_twice_and_none_is_lost_beyond_the_policy(
        rule in rules(),
        catch_up in policies(),
        steps in prop::collection::vec(steps(), 1..60),
    ) {
        let timetable = Timetable::of(&rule).unwrap();
        let begin = Timestamp::from_micros(BEGIN).unwrap();
        let mut now = begin;
        let mut status = status(rule, catch_up, timetable.next_after(begin));
        let mut last_run = begin;
        // The occurrences due by the latest time that the clock has shown.
        let (mut ran, mut missed) = (0, 0);
        let mut latest = begin;
        for step in steps {
            now = Timestamp::from_micros(now.as_micros().saturating_add_signed(step)).unwrap();
            latest = latest.max(now);
            let before = status.next;
            let Some(decision) = plan(&status, &timetable, now) else {
                prop_assert!(before.is_none_or(|next| next > now), "{before:?} was due at {now}");
                continue;
            };
            for run in &decision.runs {
                prop_assert!(*run > last_run, "{run} after {last_run}");
                prop_assert!(*run <= now, "{run} is early at {now}");
                let earlier = Timestamp::from_micros(run.as_micros() - 1).unwrap();
                prop_assert_eq!(timetable.next_after(earlier), Some(*run), "no time of the rule");
                last_run = *run;
            }
            if let Some((count, last)) = decision.missed {
                prop_assert!(count > 0 && last <= now && before.is_some_and(|due| last >= due));
                prop_assert!(decision.runs.iter().all(|run| *run > last));
                missed += count;
            }
            let most = match catch_up { CatchUp::All(most) => most as usize, _ => 1 };
            prop_assert!(decision.runs.len() <= most);
            prop_assert!(catch_up == CatchUp::None || !decision.runs.is_empty());
            ran += decision.runs.len() as u64;
            prop_assert!(decision.next > before && decision.next.is_none_or(|next| next > now));
            // A restart in between changes nothing: only the status is stored.
            status.next = decision.next;
        }
        let due = timetable.count(begin, latest);
        let last_look = status.next.map_or(0, |next| u64::from(next <= latest));
        // Occurrences that became due before the clock went back may be undecided.
        prop_assert!(ran + missed <= due, "{ran} ran and {missed} were missed of {due}");
        if last_look == 0 {
            prop_assert_eq!(ran + missed, due);
        }
    }
}
