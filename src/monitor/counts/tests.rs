use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::error::Code;
use crate::models::{ArgValue, Ending, Failure, Fence, Outcome, Task, TaskFact::*, TaskMaker};
use crate::monitor::{MAX_METHODS, OTHERS, Percentiles};

fn at(millis: u64) -> Timestamp {
    Timestamp::EPOCH.plus(Duration::from_millis(millis))
}

fn counts() -> Counts {
    Counts::starting(Now { wall: at(5), steady: Duration::ZERO })
}

fn name(queue: &str) -> QueueName {
    QueueName::parse(queue, "").expect("a name")
}

fn task(queue: &str, method: &str) -> Arc<Task> {
    let task = TaskMaker::new("t").method(method).submitted_at(at(1_000));
    Arc::new(task.with(|options| options.queue = name(queue)).make())
}

fn ended(task: &Arc<Task>, ending: Ending, started: Option<u64>, ended: u64) -> TaskFact {
    let (started_at, ended_at) = (started.map(at), at(ended));
    let outcome = Outcome { ending, attempts: 1, started_at, ended_at };
    Ended(Arc::new(crate::models::Ended { task: task.clone(), outcome }))
}

fn succeeded() -> Ending {
    Ending::Succeeded(Arc::new(ArgValue::Null))
}

fn failure() -> Failure {
    Failure { code: Code::HandlerFailed, message: "no".into() }
}

const STARTED: TaskFact = Started { attempt: 1, fence: Fence { epoch: 1, counter: 1 } };

impl Counts {
    /// Observes facts of one task, 10 s after the start.
    fn observe_all(&self, task: &Arc<Task>, facts: impl IntoIterator<Item = TaskFact>) {
        for fact in facts {
            let event = Event { at: at(7_000), fact: Fact::Task(task.clone(), fact) };
            self.observe_with(&event, || Duration::from_secs(10));
        }
    }

    fn now(&self) -> CountsSnapshot {
        self.snapshot(Duration::from_secs(20))
    }
}

#[test]
fn every_task_is_counted_once_for_its_outcome() {
    let counts = counts();
    let retry = Retrying { attempt: 1, failure: Arc::new(failure()), due: at(9) };
    let (one, other) = (task("q", "m"), task("r", "n"));
    for (task, ending, facts) in [
        (&one, Some(succeeded()), vec![Accepted(State::Queued), STARTED, retry, Queued, STARTED]),
        (&one, Some(Ending::Skipped), vec![Accepted(State::Pending), STARTED]),
        (&one, Some(Ending::Failed(failure())), vec![Accepted(State::Queued), STARTED]),
        (&other, Some(Ending::Cancelled("why".into())), vec![Accepted(State::Queued), STARTED]),
        (&other, Some(Ending::Expired), vec![Accepted(State::Queued)]),
        (&other, None, vec![Accepted(State::Queued), STARTED, Requeued, Rescued { rescues: 1 }]),
    ] {
        counts.observe_all(task, facts);
        counts.observe_all(task, ending.map(|ending| ended(task, ending, Some(1), 2)));
    }
    let snapshot = counts.now();
    let expected = Totals {
        accepted: 6,
        started: 6,
        succeeded: 2,
        failed: 1,
        cancelled: 1,
        expired: 1,
        retried: 1,
    };
    assert_eq!(snapshot.totals, expected);
    // Within the 20 s since the start.
    let rates = |accepted, started, succeeded, failed| Rates {
        accepted: [f64::from(accepted) / 20.0; 2],
        started: [f64::from(started) / 20.0; 2],
        succeeded: [f64::from(succeeded) / 20.0; 2],
        failed: [f64::from(failed) / 20.0; 2],
    };
    assert_eq!(snapshot.rates, rates(6, 6, 2, 1));
    let queues = BTreeMap::from([(name("q"), rates(3, 4, 2, 1)), (name("r"), rates(3, 2, 0, 0))]);
    assert_eq!(snapshot.queues, queues);
    assert_eq!((snapshot.others, snapshot.started.wall), (Rates::default(), at(5)));
    let methods: Vec<_> = snapshot
        .methods
        .iter()
        .map(|it| (&*it.method, it.succeeded, it.failed, it.retried))
        .collect();
    assert_eq!(methods, [("m", 2, 1, 1), ("n", 0, 2, 0)]);
}

#[test]
fn tasks_that_were_resolved_or_retried_manually_are_not_counted() {
    let counts = counts();
    let task = task("q", "m");
    let Ended(outcome) = ended(&task, succeeded(), Some(1), 2) else { unreachable!() };
    counts.observe_all(&task, [Resolved(outcome), Retried, Queued]);
    assert_eq!(counts.now().totals, Totals::default());
    assert_eq!(counts.now().methods, []);
}

#[test]
fn latency_ends_at_the_last_attempt_and_duration_is_that_attempt() {
    let check = |run_at: Option<u64>, ending: Ending, started: Option<u64>, expected| {
        let counts = counts();
        let mut task = (*task("q", "m")).clone();
        task.options.run_at = run_at.map(at);
        let task = Arc::new(task);
        counts.observe_all(&task, [ended(&task, ending, started, 5_000)]);
        let method = &counts.now().methods[0];
        let one = |time: Percentiles| {
            assert_eq!((time.p50, time.p99), (time.max, time.max));
            (time.count == 1).then_some(time.max.as_millis())
        };
        assert_eq!(one(method.latency).zip(one(method.duration)), expected);
    };
    check(None, succeeded(), Some(4_000), Some((3_000, 1_000)));
    check(Some(3_500), succeeded(), Some(4_000), Some((500, 1_000)));
    check(Some(10), succeeded(), Some(4_000), Some((3_000, 1_000)));
    check(None, Ending::Failed(failure()), Some(4_000), Some((3_000, 1_000)));
    // A clock that was set back.
    check(None, succeeded(), Some(900), Some((0, 4_100)));
    check(None, Ending::Failed(failure()), None, None);
    check(None, Ending::Cancelled(String::new()), Some(4_000), None);
    check(None, Ending::Skipped, Some(4_000), None);
    check(None, Ending::Expired, None, None);
}

#[test]
fn the_steady_clock_is_read_once_a_second_and_after_the_wall_clock_is_set_back() {
    let counts = counts();
    let task = task("q", "m");
    let mut read = 0;
    for (millis, reads) in [(5_000, 1), (5_999, 1), (6_000, 2), (6_500, 2), (6_499, 2), (900, 3)] {
        let event = Event { at: at(millis), fact: Fact::Task(task.clone(), STARTED) };
        counts.observe_with(&event, || {
            read += 1;
            Duration::from_secs(1)
        });
        assert_eq!(read, reads, "at {millis} ms");
    }
    assert_eq!(counts.now().totals.started, 6);
}

#[test]
fn counts_of_all_threads_are_summed() {
    let counts = counts();
    std::thread::scope(|scope| {
        for _ in 0..3 * SHARDS {
            scope.spawn(|| {
                let task = task("q", "m");
                for _ in 0..100 {
                    counts.observe_all(
                        &task,
                        [Accepted(State::Queued), ended(&task, succeeded(), None, 9)],
                    );
                }
            });
        }
    });
    let (snapshot, all) = (counts.now(), 300 * SHARDS as u64);
    assert_eq!((snapshot.totals.accepted, snapshot.totals.succeeded), (all, all));
    assert_eq!(snapshot.methods[0].succeeded, all);
    assert_eq!(snapshot.queues[&name("q")].accepted, [all as f64 / 20.0; 2]);
}

#[test]
fn methods_and_queues_beyond_the_bounds_are_counted_as_one() {
    let counts = counts();
    let all = MAX_METHODS.max(MAX_QUEUES) + 3;
    for number in 0..all {
        let task = task(&format!("q{number}"), &format!("m{number}"));
        counts.observe_all(&task, [Accepted(State::Queued), ended(&task, succeeded(), Some(1), 2)]);
    }
    let snapshot = counts.now();
    assert_eq!(snapshot.methods.len(), MAX_METHODS + 1);
    let others = snapshot.methods.last().expect("there are some");
    assert_eq!((&*others.method, others.succeeded), (OTHERS, (all - MAX_METHODS) as u64));
    assert_eq!(others.duration.count, others.succeeded);
    assert_eq!(snapshot.queues.len(), MAX_QUEUES);
    let beyond = (all - MAX_QUEUES) as f64;
    assert_eq!(snapshot.others.accepted, [beyond / 20.0; 2]);
    assert_eq!(snapshot.rates.accepted, [all as f64 / 20.0; 2]);
    // Known queues keep their own counters.
    counts.observe_all(&task("q0", "m0"), [Accepted(State::Queued)]);
    assert_eq!(counts.now().queues[&name("q0")].accepted, [2.0 / 20.0; 2]);
}
