//! The results cache: a sharded LRU from task ids to outcomes, in front of the store.
//!
//! A look-up locks one shard for one access to its hash table, allocates nothing, and hashes the id
//! once: the same hash picks the shard and probes its table. The engine decides which outcomes to
//! cache.
//!
//! The number of entries is bounded for each shard, bytes for all shards together, so that one large
//! result does not empty its shard. `put` evicts, first in its own shard, then in the others. During
//! concurrent puts the bytes can exceed their bound by the outcomes that are being put.

mod key;
mod weight;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ahash::RandomState;
use lru::LruCache;
use parking_lot::Mutex;

use crate::cache::key::{Key, PassThrough, Probe};
use crate::cache::weight::weight;
use crate::models::{Ended, TaskId};

/// The default number of cached outcomes.
pub const DEFAULT_CAPACITY: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");
/// The default bound on their memory, in bytes.
pub const DEFAULT_MAX_BYTES: usize = 64 << 20;

/// The most shards. More threads than that rarely look up at the same time.
const MAX_SHARDS: usize = 64;
/// The fewest entries of a shard: in small shards, least-recently-used order is inexact.
const MIN_ENTRIES_IN_A_SHARD: usize = 256;

/// The outcomes of recently ended tasks. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct ResultsCache {
    shards: Arc<[Mutex<Shard>]>,
    totals: Arc<Totals>,
    hasher: RandomState,
    max_bytes: usize,
}

/// The counters and the content of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Look-ups that found an outcome.
    pub hits: u64,
    /// Look-ups that found none.
    pub misses: u64,
    /// Outcomes evicted to make room.
    pub evictions: u64,
    /// Outcomes not cached, because each was larger than the bound of the whole cache.
    pub refusals: u64,
    /// Cached outcomes.
    pub entries: usize,
    /// Their estimated memory, in bytes.
    pub bytes: usize,
}

/// Aligned so that two shards never share a cache line: a lock of one does not slow the others.
#[repr(align(128))]
struct Shard {
    entries: LruCache<Key, Entry, PassThrough>,
    capacity: usize,
    hits: u64,
    misses: u64,
    evictions: u64,
}

struct Entry {
    ended: Arc<Ended>,
    bytes: usize,
}

#[derive(Default)]
struct Totals {
    bytes: AtomicUsize,
    refusals: AtomicU64,
}

impl ResultsCache {
    /// A cache of at most `capacity` outcomes that take at most `max_bytes`.
    pub fn new(capacity: NonZeroUsize, max_bytes: usize) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let worthwhile = (capacity.get() / MIN_ENTRIES_IN_A_SHARD).max(1);
        let count = (4 * threads).min(MAX_SHARDS).min(worthwhile);
        // A power of two, so that bits of the hash pick the shard.
        let count = 1 << count.ilog2();
        let (share, rest) = (capacity.get() / count, capacity.get() % count);
        let shard = |index| {
            Mutex::new(Shard {
                // The table grows on demand instead of allocating its capacity at the start.
                entries: LruCache::unbounded_with_hasher(PassThrough),
                capacity: share + usize::from(index < rest),
                hits: 0,
                misses: 0,
                evictions: 0,
            })
        };
        Self {
            shards: (0..count).map(shard).collect(),
            totals: Arc::default(),
            hasher: RandomState::new(),
            max_bytes,
        }
    }

    /// The outcome of a task, which becomes the most recently used one.
    pub fn get(&self, id: &TaskId) -> Option<Arc<Ended>> {
        let hash = self.hash(id);
        let mut shard = self.shards[self.place(hash)].lock();
        let probe: &dyn Probe = &(hash, id.as_str());
        let found = shard.entries.get(probe).map(|entry| Arc::clone(&entry.ended));
        match found {
            Some(_) => shard.hits += 1,
            None => shard.misses += 1,
        }
        found
    }

    /// Caches an outcome and replaces an older one of the same task. Evicts the least recently used
    /// outcomes to make room.
    ///
    /// An outcome larger than the bound of the whole cache is not cached: that is logged and counted.
    /// It evicts nothing but an older outcome of the same task.
    pub fn put(&self, ended: Arc<Ended>) {
        let hash = self.hash(&ended.task.id);
        let place = self.place(hash);
        let bytes = weight(&ended);
        if bytes > self.max_bytes {
            let probe: &dyn Probe = &(hash, ended.task.id.as_str());
            let outdated = self.shards[place].lock().entries.pop(probe);
            self.released(outdated.as_ref());
            self.totals.refusals.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                task_id = %ended.task.id,
                bytes,
                max_bytes = self.max_bytes,
                "an outcome is larger than the results cache: not kept there"
            );
            return;
        }
        self.totals.bytes.fetch_add(bytes, Ordering::Relaxed);
        let key = Key { hash, id: ended.task.id.clone() };
        // Evicted outcomes are dropped after the lock: freeing a large one takes long.
        let (outdated, evicted) = {
            let mut shard = self.shards[place].lock();
            let outdated = shard.entries.put(key, Entry { ended, bytes });
            let full = shard.entries.len() > shard.capacity;
            (outdated, if full { shard.evict() } else { None })
        };
        self.released(outdated.as_ref());
        self.released(evicted.as_ref());
        self.make_room(place);
    }

    /// Removes the outcome of a task, for example because the task is retried.
    pub fn remove(&self, id: &TaskId) {
        let hash = self.hash(id);
        let probe: &dyn Probe = &(hash, id.as_str());
        let outdated = self.shards[self.place(hash)].lock().entries.pop(probe);
        self.released(outdated.as_ref());
    }

    /// The counters and the content of the cache.
    pub fn statistics(&self) -> Statistics {
        let mut all = Statistics {
            refusals: self.totals.refusals.load(Ordering::Relaxed),
            bytes: self.totals.bytes.load(Ordering::Relaxed),
            ..Statistics::default()
        };
        for shard in &*self.shards {
            let shard = shard.lock();
            all.hits += shard.hits;
            all.misses += shard.misses;
            all.evictions += shard.evictions;
            all.entries += shard.entries.len();
        }
        all
    }

    /// Evicts until the bytes are within their bound: from the shard at `place` all but the newest,
    /// then from the others.
    fn make_room(&self, place: usize) {
        for step in 0..self.shards.len() {
            let spared = usize::from(step == 0);
            let shard = &self.shards[(place + step) % self.shards.len()];
            while self.totals.bytes.load(Ordering::Relaxed) > self.max_bytes {
                let evicted = {
                    let mut shard = shard.lock();
                    if shard.entries.len() > spared { shard.evict() } else { None }
                };
                if evicted.is_none() {
                    break;
                }
                self.released(evicted.as_ref());
            }
        }
    }

    fn released(&self, entry: Option<&Entry>) {
        if let Some(entry) = entry {
            self.totals.bytes.fetch_sub(entry.bytes, Ordering::Relaxed);
        }
    }

    fn hash(&self, id: &TaskId) -> u64 {
        self.hasher.hash_one(id.as_str())
    }

    /// The shard of a hash: by bits from its middle. The tables use the lowest and the highest.
    fn place(&self, hash: u64) -> usize {
        (hash >> 40) as usize & (self.shards.len() - 1)
    }
}

impl Shard {
    fn evict(&mut self) -> Option<Entry> {
        let (_, entry) = self.entries.pop_lru()?;
        self.evictions += 1;
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::models::{Ending, Outcome, TaskMaker};

    fn id(name: impl ToString) -> TaskId {
        TaskId::parse(&name.to_string(), "").expect("an id")
    }

    fn ended(name: impl ToString, result: &str) -> Arc<Ended> {
        let task = Arc::new(TaskMaker::new(&name.to_string()).make());
        let outcome = Outcome {
            ending: Ending::Succeeded(Arc::new(result.into())),
            attempts: 1,
            started_at: None,
            ended_at: Timestamp::EPOCH,
        };
        Arc::new(Ended { task, outcome })
    }

    fn cache(capacity: usize, max_bytes: usize) -> ResultsCache {
        ResultsCache::new(NonZeroUsize::new(capacity).expect("not zero"), max_bytes)
    }

    #[test]
    fn a_cached_outcome_is_found_and_shared() {
        let cache = cache(100, usize::MAX);
        let put = ended("a", "1");
        cache.put(Arc::clone(&put));
        assert!(cache.get(&id("a")).is_some_and(|got| Arc::ptr_eq(&got, &put)));
        assert_eq!(cache.get(&id("b")), None);
        let statistics = cache.statistics();
        assert_eq!((statistics.hits, statistics.misses, statistics.entries), (1, 1, 1));
    }

    #[test]
    fn the_least_recently_used_outcome_is_evicted() {
        let cache = cache(3, usize::MAX);
        for name in ["a", "b", "c"] {
            cache.put(ended(name, ""));
        }
        assert!(cache.get(&id("a")).is_some());
        cache.put(ended("d", ""));
        let kept = ["a", "b", "c", "d"].map(|name| cache.get(&id(name)).is_some());
        assert_eq!(kept, [true, false, true, true]);
        assert_eq!(cache.statistics().evictions, 1);
    }

    #[test]
    fn the_capacity_bounds_all_shards_together() {
        let capacity = 2 * MIN_ENTRIES_IN_A_SHARD + 1;
        let cache = cache(capacity, usize::MAX);
        assert!(cache.shards.len() > 1);
        for name in 0..10 * capacity {
            cache.put(ended(name, ""));
        }
        let statistics = cache.statistics();
        assert_eq!(statistics.entries, capacity);
        assert_eq!(statistics.evictions, 9 * capacity as u64);
    }

    #[test]
    fn bytes_are_bounded_and_accounted_for() {
        let one = weight(&ended("00", &"x".repeat(1_000)));
        let cache = cache(1_000, 10 * one);
        for name in 10..60 {
            cache.put(ended(name, &"x".repeat(1_000)));
        }
        let statistics = cache.statistics();
        assert_eq!((statistics.entries, statistics.bytes), (10, 10 * one));
        assert_eq!(statistics.evictions, 40);
    }

    #[test]
    fn a_new_outcome_replaces_an_older_one() {
        let cache = cache(10, usize::MAX);
        cache.put(ended("a", &"x".repeat(1_000)));
        cache.put(ended("a", "y"));
        let got = cache.get(&id("a")).expect("kept");
        assert_eq!(got.outcome.result(), Some(&"y".into()));
        let statistics = cache.statistics();
        assert_eq!((statistics.entries, statistics.evictions), (1, 0));
        assert_eq!(statistics.bytes, weight(&got));
    }

    #[test]
    fn a_large_outcome_does_not_empty_its_shard() {
        let large = ended("large", &"x".repeat(500_000));
        let cache = cache(100_000, 600_000);
        assert!(cache.shards.len() > 1, "larger than the share of a shard");
        for name in 0..10 {
            cache.put(ended(name, "small"));
        }
        cache.put(large);
        let statistics = cache.statistics();
        assert_eq!((statistics.entries, statistics.evictions, statistics.refusals), (11, 0, 0));
    }

    #[test]
    fn a_large_outcome_evicts_from_other_shards_too() {
        let one = weight(&ended("00", &"x".repeat(1_000)));
        let cache = cache(100_000, 100 * one);
        for name in 10..99 {
            cache.put(ended(name, &"x".repeat(1_000)));
        }
        let large = ended("large", &"x".repeat(95 * one));
        cache.put(Arc::clone(&large));
        assert!(cache.get(&id("large")).is_some());
        let statistics = cache.statistics();
        assert!(statistics.bytes <= 100 * one, "{statistics:?}");
        assert_eq!(statistics.entries, 1 + (100 * one - weight(&large)) / one);
    }

    #[test]
    fn an_outcome_larger_than_the_cache_is_not_cached_and_evicts_nothing() {
        let cache = cache(100, 10_000);
        cache.put(ended("small", ""));
        cache.put(ended("grows", ""));
        cache.put(ended("grows", &"x".repeat(10_000)));
        let statistics = cache.statistics();
        assert_eq!((statistics.refusals, statistics.evictions, statistics.entries), (1, 0, 1));
        assert!(cache.get(&id("small")).is_some());
        assert_eq!(cache.get(&id("grows")), None, "the older outcome is outdated");
        assert_eq!(statistics.bytes, weight(&ended("small", "")));
    }

    #[test]
    fn threads_can_share_a_cache() {
        let one = weight(&ended("0-000", "x"));
        let cache = cache(100_000, 50 * one);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let cache = cache.clone();
                scope.spawn(move || {
                    for number in 100..600 {
                        let name = format!("{thread}-{number}");
                        cache.put(ended(&name, "x"));
                        assert!(cache.get(&id(&name)).is_none_or(|got| got.task.id == id(&name)));
                    }
                });
            }
        });
        let statistics = cache.statistics();
        assert_eq!(statistics.bytes, statistics.entries * one, "every byte is accounted for");
        assert!(statistics.bytes <= 50 * one, "{statistics:?}");
        assert_eq!(statistics.hits + statistics.misses, 2_000);
        assert_eq!(statistics.entries as u64 + statistics.evictions, 2_000);
    }
}
