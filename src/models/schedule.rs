//! Schedules: cron and periodic rules that create tasks.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::models::{Name, State, Task, TaskId};

/// The prefix of the initiator of a schedule's runs; the schedule's name follows.
pub const RUN_INITIATOR: &str = "schedule/";
/// The most runs that a schedule's status lists.
pub const MAX_REMEMBERED_RUNS: usize = 20;
/// The most occurrences that a catch-up runs.
pub const MAX_CATCH_UP: u32 = 1_000;
/// The shortest interval of a periodic schedule.
pub const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// The longest interval of a periodic schedule, and the longest jitter.
pub const MAX_INTERVAL: Duration = Duration::from_secs(366 * 24 * 3600);
/// The longest cron expression, in bytes.
pub const MAX_CRON_BYTES: usize = 255;
/// The longest description of a schedule or webhook, in bytes.
pub const MAX_DESCRIPTION_BYTES: usize = 1_024;

/// The definition of a schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The schedule's name.
    pub name: Name,
    /// A description, for people.
    pub description: String,
    /// When it runs.
    pub rule: Rule,
    /// The template of its runs: each run is this task with its own id and time.
    pub task: Arc<Task>,
    /// The overlap policy.
    pub overlap: Overlap,
    /// The catch-up policy.
    pub catch_up: CatchUp,
    /// The longest delay of a run's start. The actual delay is derived from the run's id.
    pub jitter: Duration,
}

/// When a schedule runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// At the times of a cron expression in a time zone.
    Cron {
        /// Five fields, six with seconds first, or a macro such as `@daily`.
        expression: String,
        /// The time zone's name in the IANA database.
        time_zone: String,
    },
    /// At `anchor` and at every multiple of `interval` before and after it.
    Every {
        /// The interval: [`MIN_INTERVAL`] to [`MAX_INTERVAL`].
        interval: Duration,
        /// One of the times at which it runs.
        anchor: Timestamp,
    },
}

/// The overlap policy: what happens to a run while an earlier run has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// Both run.
    Allow,
    /// The run is skipped.
    #[default]
    Skip,
    /// The earlier run is cancelled.
    Replace,
}

/// The catch-up policy: what happens to occurrences that passed while no server could run them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CatchUp {
    /// None of them runs.
    None,
    /// The last of them runs.
    #[default]
    Last,
    /// The last of them run, up to this number and [`MAX_CATCH_UP`]. Needs [`Overlap::Allow`].
    All(u32),
}

/// A schedule and its status.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleStatus {
    /// The definition.
    pub schedule: Arc<Schedule>,
    /// Counts changes of the definition and of `enabled`: a firing computed for an older revision is refused.
    pub revision: u64,
    /// Whether the schedule is enabled.
    pub enabled: bool,
    /// The planned time of the next run; `None` if it is disabled or has no later time.
    pub next: Option<Timestamp>,
    /// When it was first defined.
    pub created_at: Timestamp,
    /// When it was last defined.
    pub updated_at: Timestamp,
    /// The latest runs, oldest first, at most [`MAX_REMEMBERED_RUNS`].
    pub runs: Vec<ScheduleRun>,
    /// The counters.
    pub counts: ScheduleCounts,
}

/// One run of a schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleRun {
    /// The time that the run was planned for.
    pub occurrence: Timestamp,
    /// When the run's task was accepted.
    pub accepted_at: Timestamp,
    /// The run's task.
    pub task: TaskId,
    /// Whether `TriggerSchedule` started the run.
    pub manual: bool,
    /// The state in which it ended and when, if it has.
    pub ended: Option<(State, Timestamp)>,
}

/// The counters of a schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScheduleCounts {
    /// Runs that were accepted.
    pub executed: u64,
    /// Runs that failed or could not be accepted.
    pub failed: u64,
    /// Runs that the overlap policy skipped.
    pub skipped: u64,
    /// Occurrences that the catch-up policy left out.
    pub missed: u64,
}
