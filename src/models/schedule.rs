//! Rules that make tasks as time goes by.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::models::{Name, State, Task, TaskId};

/// What the initiator of a schedule's runs begins with; the schedule's name follows.
pub const RUN_INITIATOR: &str = "schedule/";
/// The most runs that a schedule remembers.
pub const MAX_REMEMBERED_RUNS: usize = 20;
/// The most occurrences that a catch-up makes up for.
pub const MAX_CATCH_UP: u32 = 1_000;
/// The shortest interval of a periodic schedule.
pub const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// The longest interval of a periodic schedule, and the longest jitter.
pub const MAX_INTERVAL: Duration = Duration::from_secs(366 * 24 * 3600);
/// The longest cron expression, in bytes.
pub const MAX_CRON_BYTES: usize = 255;
/// The longest description of a schedule or webhook, in bytes.
pub const MAX_DESCRIPTION_BYTES: usize = 1_024;

/// A rule that makes tasks, as somebody defined it.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Its name.
    pub name: Name,
    /// For people.
    pub description: String,
    /// When.
    pub rule: Rule,
    /// What: each run is this task under an id and a time of its own.
    pub task: Arc<Task>,
    /// What becomes of a run while one before it has not ended.
    pub overlap: Overlap,
    /// What becomes of occurrences that passed while nobody could run them.
    pub catch_up: CatchUp,
    /// Each run starts later than planned by a part of this that follows from its id.
    pub jitter: Duration,
}

/// When a schedule runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// At the times that a cron expression names in a time zone.
    Cron {
        /// Five fields, six with seconds first, or a macro such as `@daily`.
        expression: String,
        /// A name of the IANA database.
        time_zone: String,
    },
    /// At `anchor` and every so often before and after it.
    Every {
        /// [`MIN_INTERVAL`] to [`MAX_INTERVAL`].
        interval: Duration,
        /// A time at which it runs.
        anchor: Timestamp,
    },
}

/// What becomes of a run while one before it has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// It runs beside it.
    Allow,
    /// It is left out.
    #[default]
    Skip,
    /// The one before it is cancelled.
    Replace,
}

/// What becomes of occurrences that passed while nobody could run them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CatchUp {
    /// They are left out.
    None,
    /// The last of them runs.
    #[default]
    Last,
    /// The last so many of them run, at most [`MAX_CATCH_UP`]. Needs [`Overlap::Allow`].
    All(u32),
}

/// A schedule and how it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleStatus {
    /// What was defined.
    pub schedule: Arc<Schedule>,
    /// Counts its definitions and enablings: what was decided for an older one does not count.
    pub revision: u64,
    /// Whether it runs.
    pub enabled: bool,
    /// When it runs next, as planned; `None` when it is disabled or its rule names no later time.
    pub next: Option<Timestamp>,
    /// When it was first defined.
    pub created_at: Timestamp,
    /// When it was last defined.
    pub updated_at: Timestamp,
    /// The latest runs, oldest first, at most [`MAX_REMEMBERED_RUNS`].
    pub runs: Vec<ScheduleRun>,
    /// How often it did what.
    pub counts: ScheduleCounts,
}

/// One run of a schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleRun {
    /// The time that it was planned for.
    pub occurrence: Timestamp,
    /// When its task was accepted.
    pub accepted_at: Timestamp,
    /// Its task.
    pub task: TaskId,
    /// Somebody asked for it beside the rule.
    pub manual: bool,
    /// How and when it ended, if it has.
    pub ended: Option<(State, Timestamp)>,
}

/// How often a schedule did what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScheduleCounts {
    /// Runs that were accepted.
    pub executed: u64,
    /// Runs that ended badly or could not be accepted.
    pub failed: u64,
    /// Runs that were left out because one before them had not ended.
    pub skipped: u64,
    /// Occurrences that passed while nobody could run them, and were left out.
    pub missed: u64,
}
