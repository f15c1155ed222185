//! What of a row the indexes are made of.

use super::Row;
use crate::clock::Timestamp;
use crate::models::{BlockedBy, Sequence, State};

/// How a row stands to its concurrency key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum KeyState {
    #[default]
    None,
    Holds {
        claimable: bool,
    },
    Blocked,
}

/// How a row stands to the suspicion that it ends processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum QuarantineState {
    #[default]
    None,
    Holds,
    Blocked,
}

/// What of a row the indexes are made of. The default is that of no row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) claimable: bool,
    pub(crate) timer: Option<Timestamp>,
    pub(crate) running: bool,
    pub(crate) holds_slot: bool,
    pub(crate) unfinished: bool,
    /// Unfinished, and nobody wished it cancelled.
    pub(crate) child_of: Option<Sequence>,
    pub(crate) failed_for: Option<Sequence>,
    pub(crate) key_state: KeyState,
    pub(crate) quarantine: QuarantineState,
    /// Whether it ended well, and when.
    pub(crate) prunable: Option<(bool, Timestamp)>,
}

impl IndexEntry {
    pub(crate) fn of(row: &Row) -> Self {
        let unfinished = !row.state.has_ended();
        let claimable = row.is_claimable();
        let left_alone = unfinished && row.cancel_requested.is_none();
        Self {
            claimable,
            timer: row.next_timer(),
            running: row.state == State::Running,
            holds_slot: row.holds_slot(),
            unfinished,
            child_of: row.child_of.filter(|_| left_alone),
            failed_for: row.failed_for,
            key_state: match (row.holds_key, row.blocked_by) {
                (true, _) => KeyState::Holds { claimable },
                (false, Some(BlockedBy::ConcurrencyKey)) => KeyState::Blocked,
                _ => KeyState::None,
            },
            quarantine: match (row.quarantine_slot, row.blocked_by) {
                (true, _) => QuarantineState::Holds,
                (false, Some(BlockedBy::Quarantine)) => QuarantineState::Blocked,
                _ => QuarantineState::None,
            },
            prunable: row
                .ended
                .as_ref()
                .filter(|_| row.needed_by == 0 && !row.dependants_pending)
                .map(|ended| (row.state == State::Succeeded, ended.outcome.ended_at)),
        }
    }
}
