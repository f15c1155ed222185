//! Which ids may be here, answered from memory.
//!
//! Bloom filters, one for every [`GENERATION`] places in the order of acceptance. What is forgotten
//! is mostly what is oldest, so a filter is dropped once everything in it was forgotten; until then
//! it only says "perhaps" more often than it must. Until the filters of a file that was opened are
//! filled, every id may be here.

use std::sync::atomic::{AtomicBool, Ordering};

use fastbloom::AtomicBloomFilter;
use parking_lot::RwLock;

use crate::models::Sequence;

/// How many tasks one filter is for.
const GENERATION: u64 = 1 << 20;
/// Bits for each task: with [`HASHES`], 3 in 1,000 unknown ids may be here as far as one filter knows.
const BITS_PER_TASK: usize = 12;
const HASHES: u32 = 8;

#[derive(Debug)]
pub(super) struct IdFilter {
    complete: AtomicBool,
    /// By generation, ascending. Written only when a filter comes or goes.
    generations: RwLock<Vec<Generation>>,
}

#[derive(Debug)]
struct Generation {
    number: u64,
    filter: AtomicBloomFilter,
}

impl IdFilter {
    /// Filters of a store in which `complete` tells whether there is nothing yet to learn of.
    pub(super) fn new(complete: bool) -> Self {
        Self { complete: AtomicBool::new(complete), generations: RwLock::new(Vec::new()) }
    }

    /// `false`: no task whose id has this key was ever stored, or it was forgotten.
    pub(super) fn may_be_here(&self, key: i64) -> bool {
        if !self.complete.load(Ordering::Acquire) {
            return true;
        }
        let hash = spread(key);
        self.generations.read().iter().rev().any(|it| it.filter.contains_hash(hash))
    }

    /// Learns of a task; to be called before its commit can be seen.
    pub(super) fn learn(&self, key: i64, sequence: Sequence) {
        let number = sequence.0 / GENERATION;
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
            let bits = BITS_PER_TASK * usize::try_from(GENERATION).expect("a million");
            let filter = AtomicBloomFilter::with_num_bits(bits).hashes(HASHES);
            generations.insert(at, Generation { number, filter });
        }
        generations[at].filter.insert_hash(hash);
    }

    /// Everything that the file holds was learned.
    pub(super) fn complete(&self) {
        self.complete.store(true, Ordering::Release);
    }

    /// Everything before `lowest` was forgotten.
    pub(super) fn drop_before(&self, lowest: Sequence) {
        let first = lowest.0 / GENERATION;
        if self.generations.read().first().is_some_and(|it| it.number < first) {
            self.generations.write().retain(|it| it.number >= first);
        }
    }
}

/// Keys that follow one another must not fall on bits that follow one another.
fn spread(key: i64) -> u64 {
    let mut bits = key.cast_unsigned();
    bits = (bits ^ bits >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^ bits >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learned_may_be_here_and_little_else() {
        let known = IdFilter::new(true);
        let keys =
            |range: std::ops::Range<i64>| range.map(|n| n.wrapping_mul(0x1234_5678_9abc_def1));
        for (n, key) in keys(0..50_000).enumerate() {
            known.learn(key, Sequence(n as u64 * 40));
        }
        assert!(keys(0..50_000).all(|key| known.may_be_here(key)));
        let wrong = keys(50_000..100_000).filter(|key| known.may_be_here(*key)).count();
        assert!(wrong < 500, "{wrong} of 50,000");
    }

    #[test]
    fn every_id_may_be_here_until_the_file_was_read() {
        let known = IdFilter::new(false);
        assert!(known.may_be_here(17));
        known.complete();
        assert!(!known.may_be_here(17));
    }

    #[test]
    fn filters_of_what_was_forgotten_go() {
        let known = IdFilter::new(true);
        known.learn(1, Sequence(5));
        known.learn(2, Sequence(GENERATION));
        known.drop_before(Sequence(GENERATION - 1));
        assert!(known.may_be_here(1));
        known.drop_before(Sequence(GENERATION));
        assert!(!known.may_be_here(1));
        assert!(known.may_be_here(2));
    }
}
