//! The engine's own part of a call: from a request to its outcome, without the wire.

use std::hint::black_box;
use std::num::NonZero;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use task_scheduler::cache::ResultsCache;
use task_scheduler::engine::Options;
use task_scheduler::models::{ArgValue, Asked, Durability, Request};
use task_scheduler::store::MemoryStore;
use task_scheduler::system::TaskSystem;
use task_scheduler::tasks::{TaskRegistry, collected};

// What the server allocates with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn request() -> Request {
    Request {
        method: "add".to_owned(),
        args: [1, 2, 3].map(ArgValue::Int32).to_vec(),
        options: Some(Box::new(Asked {
            durability: Some(Durability::Ephemeral),
            ..Asked::default()
        })),
        ..Request::default()
    }
}

async fn system(outcomes: usize) -> TaskSystem {
    let options = Options { sync_threads: 8, ..Options::default() };
    let registry = TaskRegistry::from_registrations(collected()).expect("the built-in methods");
    let cache = ResultsCache::new(NonZero::new(outcomes).expect("some"), 64 << 20);
    let store = Arc::new(MemoryStore::default());
    TaskSystem::start(options, Arc::new(registry), Arc::new(cache), store).await.expect("it starts")
}

fn submit(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system has room for a runtime");
    let mut group = criterion.benchmark_group("submit");
    // A cache that fits in the processor's, and the default, which does not.
    for outcomes in [1_000, 100_000] {
        let system = runtime.block_on(system(outcomes));
        group.bench_function(format!("ephemeral, {outcomes} outcomes kept"), |bencher| {
            bencher.iter(|| {
                black_box(runtime.block_on(system.submit(request())).expect("add runs"));
            });
        });
        system.stop();
    }
    group.finish();
}

criterion_group!(benches, submit);
criterion_main!(benches);
