//! Filters that tell from memory whether an id may be stored.
//!
//! There is one Bloom filter for every so many sequence numbers. Deleted tasks are mostly
//! the oldest, so a filter is dropped once all its tasks are deleted; until then it only answers
//! "perhaps" more often. While the filters of an opened file are not complete, every id may be
//! stored.

use std::sync::atomic::{AtomicBool, Ordering};

use fastbloom::AtomicBloomFilter;
use parking_lot::RwLock;

use crate::models::Sequence;

/// Bits for each task: with [`HASHES`], a filter answers "perhaps" for 3 of 1,000 unknown ids.
const BITS_PER_TASK: usize = 12;
const HASHES: u32 = 8;

#[derive(Debug)]
pub(super) struct IdFilter {
    /// How many sequence numbers one filter is for.
    generation: u64,
    complete: AtomicBool,
    /// By generation, ascending. Locked for writing only when a filter is added or dropped.
    generations: RwLock<Vec<Generation>>,
}

#[derive(Debug)]
struct Generation {
    number: u64,
    filter: AtomicBloomFilter,
}

impl IdFilter {
    /// Filters that are complete from the start, as those of an empty file are, or not yet.
    pub(super) fn new(complete: bool, generation: u64) -> Self {
        Self {
            generation,
            complete: AtomicBool::new(complete),
            generations: RwLock::new(Vec::new()),
        }
    }

    /// Whether a task may have an id with this key; `false` is certain.
    pub(super) fn may_contain(&self, key: i64) -> bool {
        if !self.complete.load(Ordering::Acquire) {
            return true;
        }
        let hash = spread(key);
        self.generations.read().iter().rev().any(|it| it.filter.contains_hash(hash))
    }

    /// Adds a task. Must be called before readers can see its commit.
    pub(super) fn add(&self, key: i64, sequence: Sequence) {
        let number = sequence.0 / self.generation;
        let hash = spread(key);
        {
            let generations = self.generations.read();
            let known = generations.iter().rev().find(|it| it.number == number);
            if let Some(generation) = known {
                generation.filter.insert_hash(hash);
                return;
            }
        }
        let mut generations = self.generations.write();
        let at = generations.partition_point(|it| it.number < number);
        if generations.get(at).is_none_or(|it| it.number != number) {
            let bits = BITS_PER_TASK * usize::try_from(self.generation).unwrap_or(usize::MAX);
            let filter = AtomicBloomFilter::with_num_bits(bits).hashes(HASHES);
            generations.insert(at, Generation { number, filter });
        }
        generations[at].filter.insert_hash(hash);
    }

    /// All tasks of the file are added.
    pub(super) fn complete(&self) {
        self.complete.store(true, Ordering::Release);
    }

    /// Drops the filters in which every task is before `lowest`.
    pub(super) fn drop_before(&self, lowest: Sequence) {
        let first = lowest.0 / self.generation;
        if self.generations.read().first().is_some_and(|it| it.number < first) {
            self.generations.write().retain(|it| it.number >= first);
        }
    }
}

/// Spreads consecutive keys over the bits.
fn spread(key: i64) -> u64 {
    let mut bits = key.cast_unsigned();
    bits = (bits ^ bits >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^ bits >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATION: u64 = 1 << 20;

    #[test]
    fn added_ids_may_be_stored_and_few_others() {
        let known = IdFilter::new(true, GENERATION);
        let keys =
            |range: std::ops::Range<i64>| range.map(|n| n.wrapping_mul(0x1234_5678_9abc_def1));
        for (n, key) in keys(0..50_000).enumerate() {
            known.add(key, Sequence(n as u64 * 40));
        }
        assert!(keys(0..50_000).all(|key| known.may_contain(key)));
        let wrong = keys(50_000..100_000).filter(|key| known.may_contain(*key)).count();
        assert!(wrong < 500, "{wrong} of 50,000");
    }

    #[test]
    fn every_id_may_be_stored_until_the_scan_is_complete() {
        let known = IdFilter::new(false, GENERATION);
        assert!(known.may_contain(17));
        known.complete();
        assert!(!known.may_contain(17));
    }

    #[test]
    fn filters_of_deleted_tasks_are_dropped() {
        let known = IdFilter::new(true, GENERATION);
        known.add(1, Sequence(5));
        known.add(2, Sequence(GENERATION));
        known.drop_before(Sequence(GENERATION - 1));
        assert!(known.may_contain(1));
        known.drop_before(Sequence(GENERATION));
        assert!(!known.may_contain(1));
        assert!(known.may_contain(2));
    }
}
