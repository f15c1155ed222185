//! What a run of a schedule is: a task of its own, made of the schedule's.

use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

use siphasher::sip::SipHasher13;

use crate::clock::Timestamp;
use crate::models::{Labels, MAX_INTERVAL, Options, RUN_INITIATOR, Schedule, Task, TaskId};

/// The run for an occurrence, if it is accepted now. The same occurrence always has the same id and
/// the same jitter.
pub fn run(schedule: &Schedule, occurrence: Timestamp, now: Timestamp) -> Arc<Task> {
    let id = format!("{RUN_INITIATOR}{}/{occurrence}", schedule.name);
    let start = occurrence.plus(delay(&id, schedule.jitter));
    let reason = format!("the occurrence at {occurrence}");
    Arc::new(made(schedule, id, reason, (start > now).then_some(start), now))
}

/// A run that somebody asked for beside the rule, now.
pub fn run_by_hand(schedule: &Schedule, now: Timestamp) -> Arc<Task> {
    let id = format!("{RUN_INITIATOR}{}/by-hand/{}", schedule.name, TaskId::generate());
    Arc::new(made(schedule, id, format!("triggered at {now}"), None, now))
}

/// Whether two schedules' tasks would be the same runs.
pub fn same_task(one: &Task, other: &Task) -> bool {
    let lives = |task: &Task| task.options.expires_at.map(|at| at.since(task.submitted_at));
    let options = |task: &Task| Options { expires_at: None, ..task.options.clone() };
    one.method == other.method
        && one.digest == other.digest
        && lives(one) == lives(other)
        && options(one) == options(other)
}

fn made(
    schedule: &Schedule,
    id: String,
    reason: String,
    run_at: Option<Timestamp>,
    now: Timestamp,
) -> Task {
    let template = &schedule.task;
    let id = TaskId::parse(&id, "id").expect("a name, a time and what joins them are a sound id");
    let mut options = template.options.clone();
    // Its time to live counts from when it can start.
    let lives = options.expires_at.map(|expires| expires.since(template.submitted_at));
    options.expires_at = lives.map(|lives| run_at.unwrap_or(now).plus(lives));
    options.run_at = run_at;
    let labels = options.labels.get_or_insert_with(|| Box::new(Labels::default()));
    labels.initiator = format!("{RUN_INITIATOR}{}", schedule.name);
    labels.reason = reason;
    Task { id, submitted_at: now, options, ..Task::clone(template) }
}

/// A part of the jitter that follows from the id, the same for ever and on every machine.
fn delay(id: &str, jitter: Duration) -> Duration {
    let mut hasher = SipHasher13::new();
    hasher.write(id.as_bytes());
    let most = jitter.min(MAX_INTERVAL).as_micros() + 1;
    let micros = (u128::from(hasher.finish()) * most) >> 64;
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::models::{CatchUp, Digest, Durability, Name, Overlap, QueueName, RetryPolicy, Rule};

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).unwrap()
    }

    /// A task as the engine makes it of what was asked.
    pub(in crate::schedules) fn template() -> Task {
        Task {
            id: TaskId::parse("template", "x").unwrap(),
            method: "add".into(),
            args: Vec::new(),
            deps: Vec::new(),
            digest: Digest::of("add", &[], &[]),
            submitted_at: at(100),
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
        }
    }

    fn schedule(jitter: Duration, change: impl FnOnce(&mut Task)) -> Schedule {
        let mut task = template();
        change(&mut task);
        Schedule {
            name: Name::parse("nightly", "name").unwrap(),
            description: String::new(),
            rule: Rule::Every { interval: Duration::from_secs(60), anchor: at(0) },
            task: Arc::new(task),
            overlap: Overlap::default(),
            catch_up: CatchUp::default(),
            jitter,
        }
    }

    #[test]
    fn a_run_is_named_after_its_schedule_and_its_occurrence() {
        let made = run(&schedule(Duration::ZERO, |_| ()), at(86_400), at(86_401));
        assert_eq!(made.id.as_str(), "schedule/nightly/1970-01-02T00:00:00Z");
        assert_eq!(made.submitted_at, at(86_401));
        assert_eq!(made.options.run_at, None);
        let labels = made.options.labels.as_ref().unwrap();
        assert_eq!(labels.initiator, "schedule/nightly");
        assert_eq!(labels.reason, "the occurrence at 1970-01-02T00:00:00Z");
        assert!(made.options.expires_at.is_none());
    }

    #[test]
    fn two_runs_by_hand_in_one_moment_are_two_tasks() {
        let schedule = schedule(Duration::from_secs(60), |_| ());
        let [one, other] = [(); 2].map(|()| run_by_hand(&schedule, at(7)));
        assert_ne!(one.id, other.id);
        assert!(one.id.as_str().starts_with("schedule/nightly/by-hand/"), "{}", one.id);
        assert_eq!(one.options.run_at, None, "at once, whatever the jitter");
        assert_eq!(
            one.options.labels.as_ref().unwrap().reason,
            "triggered at 1970-01-01T00:00:07Z"
        );
    }

    #[test]
    fn a_time_to_live_counts_from_when_the_run_can_start() {
        let lives = |task: &mut Task| task.options.expires_at = Some(at(130));
        let made = run(&schedule(Duration::ZERO, lives), at(500), at(501));
        assert_eq!(made.options.expires_at, Some(at(531)));
        let late = run(&schedule(Duration::from_secs(3_600), lives), at(500), at(500));
        let start = late.options.run_at.unwrap();
        assert_eq!(late.options.expires_at, Some(start.plus(Duration::from_secs(30))));
    }

    #[test]
    fn jitter_follows_from_the_id_and_stays_within_its_bound() {
        let hour = Duration::from_secs(3_600);
        let schedule = schedule(hour, |_| ());
        let start = |n: u64| run(&schedule, at(n), at(n)).options.run_at.map(|at| at.as_micros());
        // Stored runs have these; another hash would move them.
        assert_eq!(
            [1, 2, 3].map(start),
            [Some(3_458_946_997), Some(1_455_746_585), Some(3_509_823_310)]
        );
        let delays: Vec<u64> = (0..1_000).map(|n| start(n).unwrap_or(0) - n * 1_000_000).collect();
        assert!(delays.iter().all(|delay| Duration::from_micros(*delay) <= hour));
        let first_half = delays.iter().filter(|delay| **delay < 1_800_000_000).count();
        assert!((400..600).contains(&first_half), "{first_half} of 1000");
        // One whose start is over starts at once.
        assert_eq!(run(&schedule, at(1), at(4_000)).options.run_at, None);
    }

    #[test]
    fn the_same_task_is_told_from_another_whenever_it_was_asked_for() {
        let asked_later = |task: &mut Task| {
            task.id = TaskId::generate();
            task.submitted_at = at(900);
        };
        let of = |change: &dyn Fn(&mut Task)| {
            let mut task = template();
            task.options.expires_at = Some(at(130));
            change(&mut task);
            task
        };
        let first = of(&|_| ());
        let same = of(&|task| {
            asked_later(task);
            task.options.expires_at = Some(at(930));
        });
        assert!(same_task(&first, &same));
        for other in [
            of(&|task| task.options.expires_at = Some(at(131))),
            of(&|task| task.options.expires_at = None),
            of(&|task| task.options.priority = 1),
            of(&|task| task.method = "sub".into()),
            of(&|task| task.digest = Digest::of("add", &[1.into()], &[])),
        ] {
            assert!(!same_task(&first, &other), "{other:?}");
        }
    }
}
