//! The cost of counting one event, against an observer that does nothing.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use task_scheduler::clock::Timestamp;
use task_scheduler::events::Observer as _;
use task_scheduler::models::{
    ArgValue, Ended, Ending, Event, Fact, Fence, Outcome, State, Task, TaskFact,
};
use task_scheduler::monitor::Counts;
use task_scheduler::testing::TaskMaker;

/// The events of a task that succeeds.
fn life(method: &str) -> Vec<Event> {
    let task: Arc<Task> = Arc::new(TaskMaker::new("t").method(method).make());
    let at = Timestamp::EPOCH;
    let ending = Ending::Succeeded(Arc::new(ArgValue::Null));
    let outcome = Outcome { ending, attempts: 1, started_at: Some(at), ended_at: at };
    let ended = Arc::new(Ended { task: task.clone(), outcome });
    let facts = [
        TaskFact::Accepted(State::Queued),
        TaskFact::Started { attempt: 1, fence: Fence { epoch: 1, counter: 1 } },
        TaskFact::Ended(ended),
    ];
    facts.map(|fact| Event { at, fact: Fact::Task(task.clone(), fact) }).into()
}

pub(crate) fn hear(c: &mut Criterion) {
    let mut group = c.benchmark_group("monitor");
    let life = life("payments/charge");
    group.throughput(Throughput::Elements(life.len() as u64));
    group.bench_function("an empty tap, three events", |b| {
        b.iter(|| {
            for event in &life {
                black_box(event);
            }
        });
    });
    let counts = Counts::default();
    group.bench_function("counts, three events", |b| {
        b.iter(|| life.iter().for_each(|event| counts.observe(black_box(event))));
    });
    // Others count meanwhile, the same method's tasks.
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                life.iter().for_each(|event| counts.observe(event));
            }
        });
        group.bench_function("counts, three events, beside another thread", |b| {
            b.iter(|| life.iter().for_each(|event| counts.observe(black_box(event))));
        });
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    group.finish();
}
