//! The results cache beside `quick_cache` and beside one mutex around an LRU: one thread and
//! several, nine look-ups to one new outcome.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::RandomState;
use criterion::{BenchmarkId, Criterion};
use lru::LruCache;
use parking_lot::Mutex;
use quick_cache::sync::{Cache as QuickCache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, UnitWeighter};
use task_scheduler::cache::ResultsCache;
use task_scheduler::clock::Timestamp;
use task_scheduler::models::{ArgValue, Ended, Ending, Outcome, TaskId};
use task_scheduler::testing::TaskMaker;

const CAPACITY: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");
/// Twice the capacity: half of the look-ups miss.
const TASKS: usize = 2 * CAPACITY.get();

trait Cache: Send + Sync {
    fn get(&self, id: &TaskId) -> Option<Arc<Ended>>;
    fn put(&self, ended: Arc<Ended>);
}

impl Cache for ResultsCache {
    fn get(&self, id: &TaskId) -> Option<Arc<Ended>> {
        Self::get(self, id)
    }

    fn put(&self, ended: Arc<Ended>) {
        Self::put(self, ended);
    }
}

type Quick = QuickCache<TaskId, Arc<Ended>, UnitWeighter, RandomState>;

impl Cache for Quick {
    fn get(&self, id: &TaskId) -> Option<Arc<Ended>> {
        Self::get(self, id)
    }

    fn put(&self, ended: Arc<Ended>) {
        self.insert(ended.task.id.clone(), ended);
    }
}

type OneMutex = Mutex<LruCache<TaskId, Arc<Ended>, RandomState>>;

impl Cache for OneMutex {
    fn get(&self, id: &TaskId) -> Option<Arc<Ended>> {
        self.lock().get(id).cloned()
    }

    fn put(&self, ended: Arc<Ended>) {
        self.lock().put(ended.task.id.clone(), ended);
    }
}

fn caches() -> [(&'static str, Box<dyn Cache>); 3] {
    let options = OptionsBuilder::new()
        .estimated_items_capacity(CAPACITY.get())
        .weight_capacity(CAPACITY.get() as u64)
        .build()
        .expect("complete");
    let quick: Quick = QuickCache::with_options(
        options,
        UnitWeighter,
        RandomState::new(),
        DefaultLifecycle::default(),
    );
    let one: OneMutex = Mutex::new(LruCache::with_hasher(CAPACITY, RandomState::new()));
    [
        ("sharded_lru", Box::new(ResultsCache::new(CAPACITY, usize::MAX))),
        ("quick_cache", Box::new(quick)),
        ("one_mutex", Box::new(one)),
    ]
}

fn ended(number: usize) -> Arc<Ended> {
    // As long as the ids that the server gives.
    let id = format!("01890a5d-ac96-774b-bcce-{number:012}");
    let task = Arc::new(TaskMaker::new(&id).make());
    let outcome = Outcome {
        ending: Ending::Succeeded(Arc::new(ArgValue::Int32(6))),
        attempts: 1,
        started_at: None,
        ended_at: Timestamp::EPOCH,
    };
    Arc::new(Ended { task, outcome })
}

/// `rounds` times nine look-ups and one new outcome, on each of `threads` threads.
fn drive(cache: &dyn Cache, tasks: &[Arc<Ended>], threads: usize, rounds: u64) -> Duration {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(thread as u64);
                for _ in 0..rounds {
                    for _ in 0..9 {
                        black_box(cache.get(&tasks[rng.usize(..tasks.len())].task.id));
                    }
                    cache.put(Arc::clone(&tasks[rng.usize(..tasks.len())]));
                }
            });
        }
    });
    start.elapsed()
}

pub(crate) fn cache(c: &mut Criterion) {
    let tasks: Vec<_> = (0..TASKS).map(ended).collect();

    let mut group = c.benchmark_group("cache_get");
    for (name, cache) in caches() {
        for task in &tasks[..1_000] {
            cache.put(Arc::clone(task));
        }
        for (kind, tasks) in [("hit", &tasks[..1_000]), ("miss", &tasks[1_000..2_000])] {
            let mut ids = tasks.iter().cycle();
            group.bench_function(BenchmarkId::new(kind, name), |b| {
                b.iter(|| cache.get(&ids.next().expect("endless").task.id));
            });
        }
    }
    group.finish();

    let mut group = c.benchmark_group("cache_ten_operations");
    for threads in [1, 2, 8] {
        for (name, cache) in caches() {
            for task in &tasks {
                cache.put(Arc::clone(task));
            }
            group.bench_function(BenchmarkId::new(name, format!("{threads}_threads")), |b| {
                b.iter_custom(|rounds| drive(&*cache, &tasks, threads, rounds));
            });
        }
    }
    group.finish();
}
