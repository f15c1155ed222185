//! The part of a row that indexes are built from.

use super::Row;
use crate::clock::Timestamp;
use crate::models::{BlockedBy, Sequence, State};

/// What a task has of its concurrency key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum KeyState {
    #[default]
    None,
    Holds {
        claimable: bool,
    },
    Blocked,
}

/// What a task has of the quarantine slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum QuarantineState {
    #[default]
    None,
    Holds,
    Blocked,
}

/// The part of a row that indexes are built from. The default is that of a missing row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) claimable: bool,
    pub(crate) timer: Option<Timestamp>,
    pub(crate) running: bool,
    pub(crate) holds_slot: bool,
    pub(crate) unfinished: bool,
    /// The parent of an unfinished child without a request to cancel.
    pub(crate) child_of: Option<Sequence>,
    pub(crate) failed_for: Option<Sequence>,
    pub(crate) key_state: KeyState,
    pub(crate) quarantine: QuarantineState,
    /// Of an ended task that no task needs: whether it succeeded, and when it ended.
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
