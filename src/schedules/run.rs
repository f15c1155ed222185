//! Runs of a schedule: tasks that are made of the schedule's task template.

use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

use siphasher::sip::SipHasher13;

use crate::clock::Timestamp;
use crate::models::{Labels, MAX_INTERVAL, Options, RUN_INITIATOR, Schedule, Task, TaskId};

/// The task for an occurrence, submitted now. The same occurrence always gets the same id and the same
/// jitter.
pub fn run(schedule: &Schedule, occurrence: Timestamp, now: Timestamp) -> Arc<Task> {
    let id = format!("{RUN_INITIATOR}{}/{occurrence}", schedule.name);
    let start = occurrence.plus(delay(&id, schedule.jitter));
    let reason = format!("the occurrence at {occurrence}");
    Arc::new(task(schedule, id, reason, (start > now).then_some(start), now))
}

/// The task for a manual run, submitted now, without jitter. Its id contains `manual` and is unique.
pub fn manual_run(schedule: &Schedule, now: Timestamp) -> Arc<Task> {
    let id = format!("{RUN_INITIATOR}{}/manual/{}", schedule.name, TaskId::generate());
    Arc::new(task(schedule, id, format!("triggered at {now}"), None, now))
}

/// Whether two task templates produce the same runs.
pub fn same_template(one: &Task, other: &Task) -> bool {
    let ttl = |task: &Task| task.options.expires_at.map(|at| at.since(task.submitted_at));
    let options = |task: &Task| Options { expires_at: None, ..task.options.clone() };
    one.method == other.method
        && one.digest == other.digest
        && ttl(one) == ttl(other)
        && options(one) == options(other)
}

fn task(
    schedule: &Schedule,
    id: String,
    reason: String,
    run_at: Option<Timestamp>,
    now: Timestamp,
) -> Task {
    let template = &schedule.task;
    let id = TaskId::parse(&id, "id").expect("names, times and separators form a valid id");
    let mut options = template.options.clone();
    // The time to live begins when the run can start.
    let ttl = options.expires_at.map(|expires| expires.since(template.submitted_at));
    options.expires_at = ttl.map(|ttl| run_at.unwrap_or(now).plus(ttl));
    options.run_at = run_at;
    let labels = options.labels.get_or_insert_with(|| Box::new(Labels::default()));
    labels.initiator = format!("{RUN_INITIATOR}{}", schedule.name);
    labels.reason = reason;
    Task { id, submitted_at: now, options, ..Task::clone(template) }
}

/// A fraction of the jitter derived from the id, the same on every machine and in every version.
fn delay(id: &str, jitter: Duration) -> Duration {
    let mut hasher = SipHasher13::new();
    hasher.write(id.as_bytes());
    let range = jitter.min(MAX_INTERVAL).as_micros() + 1;
    let micros = (u128::from(hasher.finish()) * range) >> 64;
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::models::{CatchUp, Digest, Durability, Name, Overlap, QueueName, RetryPolicy, Rule};

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).unwrap()
    }

    /// A task template as the engine makes it.
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
        let task = run(&schedule(Duration::ZERO, |_| ()), at(86_400), at(86_401));
        assert_eq!(task.id.as_str(), "schedule/nightly/1970-01-02T00:00:00Z");
        assert_eq!(task.submitted_at, at(86_401));
        assert_eq!(task.options.run_at, None);
        let labels = task.options.labels.as_ref().unwrap();
        assert_eq!(labels.initiator, "schedule/nightly");
        assert_eq!(labels.reason, "the occurrence at 1970-01-02T00:00:00Z");
        assert!(task.options.expires_at.is_none());
    }

    #[test]
    fn two_manual_runs_at_the_same_time_are_two_tasks() {
        let schedule = schedule(Duration::from_secs(60), |_| ());
        let [one, other] = [(); 2].map(|()| manual_run(&schedule, at(7)));
        assert_ne!(one.id, other.id);
        assert!(one.id.as_str().starts_with("schedule/nightly/manual/"), "{}", one.id);
        assert_eq!(one.options.run_at, None, "no jitter");
        assert_eq!(
            one.options.labels.as_ref().unwrap().reason,
            "triggered at 1970-01-01T00:00:07Z"
        );
    }

    #[test]
    fn the_time_to_live_begins_when_the_run_can_start() {
        let with_ttl = |task: &mut Task| task.options.expires_at = Some(at(130));
        let task = run(&schedule(Duration::ZERO, with_ttl), at(500), at(501));
        assert_eq!(task.options.expires_at, Some(at(531)));
        let late = run(&schedule(Duration::from_secs(3_600), with_ttl), at(500), at(500));
        let start = late.options.run_at.unwrap();
        assert_eq!(late.options.expires_at, Some(start.plus(Duration::from_secs(30))));
    }

    #[test]
    fn jitter_is_derived_from_the_id_and_stays_within_its_limit() {
        let hour = Duration::from_secs(3_600);
        let schedule = schedule(hour, |_| ());
        let start = |n: u64| run(&schedule, at(n), at(n)).options.run_at.map(|at| at.as_micros());
        // Existing runs have these start times; another hash would change them.
        assert_eq!(
            [1, 2, 3].map(start),
            [Some(3_458_946_997), Some(1_455_746_585), Some(3_509_823_310)]
        );
        let delays: Vec<u64> = (0..1_000).map(|n| start(n).unwrap_or(0) - n * 1_000_000).collect();
        assert!(delays.iter().all(|delay| Duration::from_micros(*delay) <= hour));
        let first_half = delays.iter().filter(|delay| **delay < 1_800_000_000).count();
        assert!((400..600).contains(&first_half), "{first_half} of 1000");
        // A start in the past is dropped.
        assert_eq!(run(&schedule, at(1), at(4_000)).options.run_at, None);
    }

    #[test]
    fn templates_are_compared_without_their_id_and_submission_time() {
        let submitted_later = |task: &mut Task| {
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
            submitted_later(task);
            task.options.expires_at = Some(at(930));
        });
        assert!(same_template(&first, &same));
        for other in [
            of(&|task| task.options.expires_at = Some(at(131))),
            of(&|task| task.options.expires_at = None),
            of(&|task| task.options.priority = 1),
            of(&|task| task.method = "sub".into()),
            of(&|task| task.digest = Digest::of("add", &[1.into()], &[])),
        ] {
            assert!(!same_template(&first, &other), "{other:?}");
        }
    }
}
