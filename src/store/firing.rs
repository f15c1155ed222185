//! Schedules that are due, and the firing of their occurrences.

use super::Insert;
use crate::clock::Timestamp;
use crate::models::{Name, ScheduleStatus};

/// A decision about due occurrences of a schedule: which run, and which are skipped as missed.
#[derive(Clone, Debug)]
pub struct Firing {
    /// The schedule's name.
    pub name: Name,
    /// The revision for which the firing was decided; another one makes it stale.
    pub revision: u64,
    /// The next time for which the firing was decided; another one makes it stale.
    pub due: Timestamp,
    /// The runs, by occurrence. The overlap policy is applied at their insert.
    pub runs: Vec<(Timestamp, Insert)>,
    /// How many occurrences are skipped as missed, and the last of them.
    pub missed: Option<(u64, Timestamp)>,
    /// When the schedule runs next.
    pub next: Option<Timestamp>,
}

/// Schedules that are due.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DueSchedules {
    /// The earliest first.
    pub due: Vec<ScheduleStatus>,
    /// When the first of the others is due.
    pub next: Option<Timestamp>,
}
