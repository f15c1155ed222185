//! What of a row the indexes are made of.

use super::Row;
use crate::clock::Timestamp;
use crate::models::{BlockedBy, Sequence, State};

/// How a row stands to its concurrency key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OfKey {
    #[default]
    Nothing,
    Holds {
        claimable: bool,
    },
    BlockedBy,
}

/// How a row stands to the suspicion that it ends processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Suspicion {
    #[default]
    Nothing,
    Holds,
    BlockedBy,
}

/// What of a row the indexes are made of. The default is that of no row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) claimable: bool,
    pub(crate) alarm: Option<Timestamp>,
    pub(crate) running: bool,
    pub(crate) at_work: bool,
    pub(crate) unfinished: bool,
    /// Unfinished, and nobody wished it cancelled.
    pub(crate) child_of: Option<Sequence>,
    pub(crate) failed_for: Option<Sequence>,
    pub(crate) of_key: OfKey,
    pub(crate) suspicion: Suspicion,
    /// Whether it ended well, and when.
    pub(crate) spent: Option<(bool, Timestamp)>,
}

impl Facts {
    pub(crate) fn of(row: &Row) -> Self {
        let unfinished = !row.state.has_ended();
        let claimable = row.is_claimable();
        let left_alone = unfinished && row.cancel_requested.is_none();
        Self {
            claimable,
            alarm: row.alarm(),
            running: row.state == State::Running,
            at_work: row.is_at_work(),
            unfinished,
            child_of: row.child_of.filter(|_| left_alone),
            failed_for: row.failed_for,
            of_key: match (row.holds_key, row.blocked_by) {
                (true, _) => OfKey::Holds { claimable },
                (false, Some(BlockedBy::ConcurrencyKey)) => OfKey::BlockedBy,
                _ => OfKey::Nothing,
            },
            suspicion: match (row.holds_suspicion, row.blocked_by) {
                (true, _) => Suspicion::Holds,
                (false, Some(BlockedBy::Quarantine)) => Suspicion::BlockedBy,
                _ => Suspicion::Nothing,
            },
            spent: row
                .ended
                .as_ref()
                .filter(|_| row.needed_by == 0 && !row.marked)
                .map(|ended| (row.state == State::Succeeded, ended.outcome.ended_at)),
        }
    }
}
