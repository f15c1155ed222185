//! Schedules that are due at the start, many at once, and on a store that fails.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use task_scheduler::clock::{self, Timestamp};
use task_scheduler::models::{
    CatchUp, Digest, Durability, MAX_PAGE, Name, Options, Overlap, QueueName, Request, RetryPolicy,
    Rule, Schedule, ScheduleStatus, Task,
};
use task_scheduler::schedules::ScheduleRequest;
use task_scheduler::store::{Change, MemoryStore, NOTIFY_SLICE, OpenOptions, Store};
use task_scheduler::system::TaskSystem;

use crate::faulty::Faulty;
use crate::harness::*;

const HOUR: Duration = Duration::from_secs(3_600);
/// Time between two checks.
const POLL_INTERVAL: Duration = Duration::from_millis(2);
/// Nothing here takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

fn name(text: &str) -> Name {
    Name::parse(text, "name").expect("a valid name")
}

fn before(time: Timestamp, by: Duration) -> Timestamp {
    let micros = u64::try_from(by.as_micros()).expect("not so long");
    Timestamp::from_micros(time.as_micros() - micros).expect("after 1970")
}

/// A schedule that runs every hour, and was first due four and a half hours ago.
fn hourly(called: &str, catch_up: CatchUp, now: Timestamp) -> Change {
    let due = before(now, 4 * HOUR + HOUR / 2);
    let task = Task {
        id: id("template"),
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
            timeout: Duration::from_secs(60),
            retry: RetryPolicy::with_retries(0),
            durability: Durability::Durable,
            wait_for_dependencies: false,
            on_dependency_failure: Default::default(),
            labels: None,
            keys: None,
        },
    };
    let schedule = Schedule {
        name: name(called),
        description: String::new(),
        rule: Rule::Every { interval: HOUR, anchor: due },
        task: Arc::new(task),
        overlap: Overlap::Allow,
        catch_up,
        jitter: Duration::ZERO,
    };
    Change::SetSchedule { schedule: Arc::new(schedule), enabled: true, next: Some(due) }
}

/// A store with these changes.
async fn store_with(changes: Vec<Change>) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::default());
    let now = clock::now().wall;
    store
        .open(OpenOptions { now, quarantine_after: 0, notify_slice: NOTIFY_SLICE })
        .await
        .expect("it opens");
    store.commit(changes.into(), now).await.expect("it is stored");
    store
}

/// Waits until the schedule's status satisfies `so`.
async fn once(
    system: &TaskSystem,
    called: &str,
    so: impl Fn(&ScheduleStatus) -> bool,
) -> ScheduleStatus {
    let look = async {
        loop {
            match system.schedules().get(&name(called)).await {
                Ok(status) if so(&status) => return status,
                // The store may be set to fail.
                _ => tokio::time::sleep(POLL_INTERVAL).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the status is reached in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn missed_occurrences_follow_the_catch_up_policy() {
    let now = clock::now().wall;
    let store = store_with(vec![
        hourly("none", CatchUp::None, now),
        hourly("last", CatchUp::Last, now),
        hourly("all", CatchUp::All(3), now),
        hourly("more", CatchUp::All(1_000), now),
    ]);
    let system = start_on(options(), store.await).await;
    for (called, runs, missed) in [("none", 0, 5), ("last", 1, 4), ("all", 3, 2), ("more", 5, 0)] {
        let status = once(&system, called, |status| status.next > Some(now)).await;
        let counts = status.counts;
        assert_eq!((counts.executed, counts.missed), (runs, missed), "{called}: {status:?}");
        let latest = before(now, HOUR / 2);
        assert_eq!(status.next, Some(latest.plus(HOUR)), "{called}");
        let expected: Vec<Timestamp> =
            (0..runs).rev().map(|n| before(latest, HOUR * u32::try_from(n).unwrap())).collect();
        let ran: Vec<Timestamp> = status.runs.iter().map(|run| run.occurrence).collect();
        assert_eq!(ran, expected, "{called}");
    }
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_due_schedules_fire_while_other_tasks_run() {
    const MANY: usize = 10_000;
    let now = clock::now().wall;
    let due = |n: usize| hourly(&format!("s{n:05}"), CatchUp::Last, now);
    let options = task_scheduler::engine::Options { queue_length: 100, ..options() };
    let system = start_on(options, store_with((0..MANY).map(due).collect()).await).await;
    let mut served = 0;
    let mut after: Option<Name> = None;
    loop {
        // In its own queue: runs wait in theirs, however long it is.
        let other =
            with(request("add", &[served, 1]), |options| options.queue = Some("other".into()));
        let ended = system.tasks().submit(other).await.expect("it is served");
        assert_eq!(ended.outcome.result().unwrap().to_string(), (served + 1).to_string());
        served += 1;
        // By name, after those that have all run.
        let page = system.schedules().list(after.as_ref(), MAX_PAGE).await.expect("they are there");
        if page.iter().all(|status| status.counts.executed == 1) {
            match page.last() {
                Some(last) => after = Some(last.schedule.name.clone()),
                None => break,
            }
        }
    }
    assert!(served >= 10, "only {served} other tasks ran meanwhile");
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_store_delays_runs_and_loses_none() {
    let store = Arc::new(Faulty::default());
    let system = start_on(options(), store.clone()).await;
    let every = ScheduleRequest::every("s", Duration::from_secs(1), Request::of("add"))
        .overlap(Overlap::Allow)
        .catch_up(CatchUp::All(1_000));
    system.schedules().put(every).await.expect("it is defined");
    once(&system, "s", |status| status.counts.executed == 1).await;
    for _ in 0..2 {
        store.refused_reads.store(3, Ordering::SeqCst);
        store.refused_commits.store(2, Ordering::SeqCst);
        store.lost_answers.store(2, Ordering::SeqCst);
        let before = once(&system, "s", |_| true).await.counts.executed;
        once(&system, "s", |status| status.counts.executed > before).await;
    }
    let status = once(&system, "s", |_| true).await;
    for pair in status.runs.windows(2) {
        let apart = pair[1].occurrence.since(pair[0].occurrence);
        assert_eq!(apart, Duration::from_secs(1), "{status:?}");
    }
    assert_eq!((status.counts.missed, status.counts.failed), (0, 0), "{status:?}");
    assert_eq!(status.counts.executed, status.runs.len() as u64);
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_description_does_not_lose_a_due_run() {
    let now = clock::now().wall;
    let store = store_with(vec![hourly("s", CatchUp::All(9), now)]).await;
    // Nothing has run it yet.
    let planned = store.schedule(&name("s")).await.unwrap().expect("it is stored");
    let Rule::Every { anchor, .. } = planned.schedule.rule else { panic!("{planned:?}") };
    let system = start_on(options(), store).await;
    let changed = ScheduleRequest::every("s", HOUR, Request::of("add"))
        .overlap(Overlap::Allow)
        .catch_up(CatchUp::All(9))
        .description("another");
    let status = system.schedules().put(changed).await.expect("it is defined");
    assert_eq!(status.schedule.rule, Rule::Every { interval: HOUR, anchor });
    let status = once(&system, "s", |status| status.counts.executed >= 5).await;
    assert_eq!((&*status.schedule.description, status.counts.missed), ("another", 0));
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_occurrence_does_not_run_again_when_a_definition_resets_the_next_time() {
    let now = clock::now().wall;
    let due = || hourly("s", CatchUp::Last, now);
    let store = store_with(vec![due()]).await;
    for _ in 0..2 {
        let system = start_on(options(), store.clone()).await;
        let status = once(&system, "s", |status| status.next > Some(now)).await;
        let counts = status.counts;
        assert_eq!((counts.executed, counts.failed, counts.skipped), (1, 0, 0), "{status:?}");
        assert_eq!(status.runs.len(), 1);
        system.shutdown(PATIENCE).await;
        // The definition as read before the run.
        store.commit(vec![due()].into(), now).await.expect("it is stored");
    }
}
