//! The cost of publishing an event: without subscribers, with an observer, and with ten thousand streams
//! whose filters do not match, for each field that a filter can name. The first benchmark is the baseline:
//! creating the event and dropping it.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use criterion::Criterion;
use task_scheduler::clock::Timestamp;
use task_scheduler::events::{Announcer, EventStream};
use task_scheduler::models::{
    Category, Event, EventFilter, Fact, NamePattern, QueueName, Task, TaskFact, TaskId,
};
use task_scheduler::testing::TaskMaker;

const STREAMS: usize = 10_000;

fn task() -> Arc<Task> {
    let tagged = TaskMaker::new("018f4f9e-7c1e-7b1a-9c1e-0123456789ab").arg(1).arg(2).with(|o| {
        o.labels.get_or_insert_default().tags = vec!["eu".into(), "vip".into()];
    });
    Arc::new(tagged.make())
}

fn event(task: &Arc<Task>) -> Event {
    Event { at: Timestamp::EPOCH, fact: Fact::Task(task.clone(), TaskFact::Queued) }
}

type Filter = fn(usize) -> EventFilter;

fn names(name: String) -> EventFilter {
    EventFilter { names: vec![NamePattern::parse(&name)], ..EventFilter::default() }
}

/// Filters that do not match the published event, all different where possible.
const FILTERS: [(&str, Filter); 8] = [
    ("task", |n| EventFilter {
        task: TaskId::parse(&format!("task-{n}"), "task").ok(),
        ..EventFilter::default()
    }),
    ("tag", |n| EventFilter { tag: Some(format!("tag-{n}")), ..EventFilter::default() }),
    ("queue", |n| EventFilter {
        queue: QueueName::parse(&format!("queue-{n}"), "queue").ok(),
        ..EventFilter::default()
    }),
    ("name", |n| names(format!("custom.event-{n}"))),
    ("beginning", |n| names(format!("custom.event-{n}.*"))),
    ("category", |_| EventFilter { categories: vec![Category::Node], ..EventFilter::default() }),
    ("queue and name", |n| EventFilter {
        queue: Some(QueueName::default()),
        ..names(format!("custom.event-{n}"))
    }),
    ("one and the same", |_| names("custom.event".into())),
];

pub(crate) fn announce(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("announce");
    let task = task();
    group.bench_function("yardstick: made and dropped", |bencher| {
        bencher.iter(|| drop(black_box(event(black_box(&task)))));
    });
    let nobody = Announcer::default();
    group.bench_function("nobody listens", |bencher| {
        bencher.iter(|| nobody.announce(event(black_box(&task))));
    });
    let count = Arc::new(AtomicU64::new(0));
    let counts = count.clone();
    let tapped = Announcer::default().observer(Arc::new(move |_: &Event| {
        counts.fetch_add(1, Ordering::Relaxed);
    }));
    group.bench_function("one tap", |bencher| {
        bencher.iter(|| tapped.announce(event(black_box(&task))));
    });
    for (what, filter) in FILTERS {
        let announcer = Announcer::default();
        let streams: Vec<EventStream> =
            (0..STREAMS).map(|n| announcer.subscribe(filter(n), None)).collect();
        group.bench_function(format!("{STREAMS} streams, by {what}"), |bencher| {
            bencher.iter(|| announcer.announce(event(black_box(&task))));
        });
        drop(streams);
    }
    group.finish();
    assert!(count.load(Ordering::Relaxed) > 0, "the tap heard");
}
