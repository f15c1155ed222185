//! The engine's own part of a call: from a request to its outcome, without the wire.

use std::hint::black_box;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use criterion::Criterion;
use task_scheduler::cache::ResultsCache;
use task_scheduler::engine::Options;
use task_scheduler::events::{Announcer, Subscribers};
use task_scheduler::models::{ArgValue, Durability, Event, Request, TaskOptions};
use task_scheduler::store::MemoryStore;
use task_scheduler::system::{Parts, TaskSystem};
use task_scheduler::tasks::{TaskRegistry, collected};

fn request() -> Request {
    Request {
        method: "add".to_owned(),
        args: [1, 2, 3].map(ArgValue::Int32).to_vec(),
        options: Some(Box::new(TaskOptions {
            durability: Some(Durability::Ephemeral),
            ..TaskOptions::default()
        })),
        ..Request::default()
    }
}

async fn system(outcomes: usize, announcer: Announcer) -> TaskSystem {
    let options = Options { sync_threads: 8, ..Options::default() };
    let registry = TaskRegistry::from_registrations(collected()).expect("the built-in methods");
    let cache = ResultsCache::new(NonZero::new(outcomes).expect("some"), 64 << 20);
    let store = Arc::new(MemoryStore::default());
    let (registry, cache, announcer) = (Arc::new(registry), Arc::new(cache), Arc::new(announcer));
    let subscribers = Subscribers::default();
    let parts = Parts { options, registry, cache, store, announcer, subscribers };
    TaskSystem::start_with(parts).await.expect("it starts")
}

/// An observer that only counts, the minimum work.
fn counting() -> Announcer {
    let heard = AtomicU64::new(0);
    let count = move |_: &Event| {
        heard.fetch_add(1, Ordering::Relaxed);
    };
    Announcer::default().observer(Arc::new(count))
}

pub(crate) fn submit(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system has room for a runtime");
    let mut group = criterion.benchmark_group("submit");
    // A cache that fits in the processor's, and the default, which does not.
    let cases = [
        (1_000, "", Announcer::default()),
        (100_000, "", Announcer::default()),
        (1_000, ", announced to one tap", counting()),
    ];
    for (outcomes, heard, announcer) in cases {
        let system = runtime.block_on(system(outcomes, announcer));
        group.bench_function(format!("ephemeral, {outcomes} outcomes kept{heard}"), |bencher| {
            bencher.iter(|| {
                black_box(runtime.block_on(system.tasks().submit(request())).expect("add runs"));
            });
        });
        system.stop();
    }
    group.finish();
}
