//! Schedules that are due, and the firing of their occurrences.

use super::Insert;
use crate::clock::Timestamp;
use crate::models::{Name, ScheduleStatus};

/// What becomes of the occurrences of a schedule that are over.
#[derive(Clone, Debug)]
pub struct Firing {
    /// Whose.
    pub name: Name,
    /// The schedule's revision and its next time as it was when this was decided; if they are others
    /// by now, the firing is stale.
    pub revision: u64,
    /// See above.
    pub due: Timestamp,
    /// The runs, by occurrence. Whether one before them has ended is looked at when they enter.
    pub runs: Vec<(Timestamp, Insert)>,
    /// How many occurrences are left out, and the last of them.
    pub missed: Option<(u64, Timestamp)>,
    /// When it runs next.
    pub next: Option<Timestamp>,
}

/// Schedules whose time has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DueSchedules {
    /// The earliest first.
    pub due: Vec<ScheduleStatus>,
    /// When the first of all others is due.
    pub next: Option<Timestamp>,
}
