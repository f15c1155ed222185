//! Ids that are not in the table of ids yet.
//!
//! The table `ids` is clustered by key. Keys that grow are appended in the transaction of their
//! task. The key of an id that a client chose can be anywhere: inserted one by one, each would
//! dirty a page of its own. So these ids are kept here and merged in the order of their keys, a
//! slice in every commit, so that neighbours share pages. Removals of ids are merged in the same
//! way.
//!
//! Invariants:
//! - A task whose id is neither in the table nor here is not in the file. Readers look here first,
//!   because merged ids leave only after their commit.
//! - Ids that a crash would lose belong to tasks after `meta.watermark`, and are read again when
//!   the file is opened. (A removed id that stays in the table does no harm: a lookup compares the
//!   task's own id.)

use std::collections::BTreeMap;
use std::ops::Bound;

use parking_lot::Mutex;

use crate::models::Sequence;

/// How many ids are kept before a merge begins.
const MERGE_FROM: usize = 16 << 10;
/// The fewest ids that a commit merges during a merge.
const SLICE: usize = 256;
/// How far behind the watermark may be before a merge begins with fewer ids: it bounds what is read
/// at open.
pub(super) const MAX_BEHIND: u64 = 32 << 10;

pub(super) type Entry = (i64, Sequence);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdChange {
    Add,
    Drop,
}

/// Shared by the writer, which alone changes it, and the readers.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<BTreeMap<Entry, IdChange>>);

impl Pending {
    /// Tasks whose ids have this key and are not in the table yet.
    pub(super) fn sequences_of(&self, key: i64) -> Vec<Sequence> {
        let entries = self.0.lock();
        let of_key = entries.range((key, Sequence(0))..=(key, Sequence(u64::MAX)));
        of_key
            .filter(|(_, fate)| **fate == IdChange::Add)
            .map(|((_, sequence), _)| *sequence)
            .collect()
    }

    pub(super) fn contains(&self, entry: Entry) -> bool {
        self.0.lock().contains_key(&entry)
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }

    pub(super) fn extend(&self, entries: impl IntoIterator<Item = (Entry, IdChange)>) {
        self.0.lock().extend(entries);
    }

    fn slice(&self, after: Option<Entry>, most: usize) -> Vec<(Entry, IdChange)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.0.lock();
        let slice = entries.range((from, Bound::Unbounded)).take(most);
        slice.map(|(entry, fate)| (*entry, *fate)).collect()
    }

    fn remove(&self, merged: &[(Entry, IdChange)]) {
        let mut entries = self.0.lock();
        for (entry, _) in merged {
            entries.remove(entry);
        }
    }
}

/// The writer's position in the pending ids: it merges them in rounds over all keys.
#[derive(Debug, Default)]
pub(super) struct Merge {
    round: Option<Round>,
}

#[derive(Clone, Copy, Debug)]
struct Round {
    after: Option<Entry>,
    /// At the end of the round, every id up to here is in the table.
    to: u64,
}

/// The ids that one commit merges.
#[derive(Debug, Default)]
pub(super) struct Slice {
    pub(super) entries: Vec<(Entry, IdChange)>,
    next: Option<Round>,
    /// The watermark after this commit.
    pub(super) watermark: Option<u64>,
}

impl Merge {
    /// The slice of the current commit. Its own ids (`arriving` of them) are not pending yet; all
    /// pending ones belong to tasks up to `last`. More ids are merged than arrive, or the table
    /// would never catch up.
    pub(super) fn next(
        &self,
        pending: &Pending,
        arriving: usize,
        last: u64,
        watermark: u64,
    ) -> Slice {
        let waiting = pending.len();
        let round = match self.round {
            Some(round) => round,
            None if waiting >= MERGE_FROM || waiting > 0 && last - watermark > MAX_BEHIND => {
                Round { after: None, to: last }
            }
            None => return Slice::default(),
        };
        let most = SLICE.max(arriving + arriving / 4);
        let entries = pending.slice(round.after, most);
        if entries.len() < most {
            return Slice { entries, next: None, watermark: Some(round.to) };
        }
        let after = entries.last().map(|(entry, _)| *entry);
        Slice { entries, next: Some(Round { after, ..round }), watermark: None }
    }

    /// Removes a committed slice.
    pub(super) fn done(&mut self, pending: &Pending, slice: &Slice) {
        if !slice.entries.is_empty() {
            pending.remove(&slice.entries);
        }
        self.round = slice.next;
    }

    /// The highest sequence number whose id may not stay pending: the watermark may pass it.
    pub(super) fn bound(&self, watermark: u64) -> u64 {
        self.round.map_or(watermark, |round| round.to.max(watermark))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: u64) -> (Entry, IdChange) {
        let key = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).cast_signed();
        ((key, Sequence(n)), IdChange::Add)
    }

    #[test]
    fn no_merge_begins_before_enough_ids_are_pending() {
        let (pending, merge) = (Pending::default(), Merge::default());
        pending.extend((0..MERGE_FROM as u64 - 1).map(entry));
        assert!(merge.next(&pending, 1, 20_000, 0).entries.is_empty());
        pending.extend([entry(1 << 30)]);
        assert_eq!(merge.next(&pending, 1, 20_000, 0).entries.len(), SLICE);
    }

    #[test]
    fn few_ids_are_merged_if_the_watermark_is_far_behind() {
        let (pending, merge) = (Pending::default(), Merge::default());
        pending.extend([entry(1)]);
        let slice = merge.next(&pending, 0, MAX_BEHIND + 2, 1);
        assert_eq!(slice.entries, [entry(1)]);
        assert_eq!(slice.watermark, Some(MAX_BEHIND + 2));
    }

    #[test]
    fn a_round_merges_all_ids_that_were_pending_at_its_start_and_moves_the_watermark() {
        let (pending, mut merge) = (Pending::default(), Merge::default());
        let mut last = MERGE_FROM as u64;
        pending.extend((0..last).map(entry));
        let mut merged = Vec::new();
        let watermark = loop {
            let slice = merge.next(&pending, 512, last, 0);
            assert!(slice.entries.is_sorted_by_key(|(entry, _)| *entry));
            merged.extend(slice.entries.iter().copied());
            merge.done(&pending, &slice);
            // More arrive meanwhile.
            pending.extend((last..last + 512).map(entry));
            last += 512;
            assert!(last < 100_000, "it comes to an end");
            if let Some(watermark) = slice.watermark {
                break watermark;
            }
        };
        assert_eq!(watermark, MERGE_FROM as u64);
        assert!((0..watermark).map(entry).all(|entry| merged.contains(&entry)));
        assert!(pending.len() < MERGE_FROM + 1_024, "{}", pending.len());
    }
}
