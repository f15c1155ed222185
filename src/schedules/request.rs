//! Requests to define a schedule.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::models::{CatchUp, Overlap, Request};

/// The default maximum of missed occurrences that `catch_up: all` runs.
pub const STANDARD_CATCH_UP: u32 = 100;

/// A request to create or replace a schedule. [`Schedules::put`](super::Schedules::put) checks it.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// use task_scheduler::TaskSystem;
/// use task_scheduler::models::{CatchUp, Overlap, Request};
/// use task_scheduler::schedules::ScheduleRequest;
///
/// let system = TaskSystem::in_memory().start().await?;
/// let add = Request::of("add").arg(1);
/// let nightly = ScheduleRequest::cron_in("nightly", "Europe/Berlin", "30 4 * * MON-FRI", add)
///     .overlap(Overlap::Skip)
///     .catch_up(CatchUp::Last);
/// let status = system.schedules().put(nightly).await?;
/// println!("runs first at {}", status.next.unwrap());
///
/// let run = system.schedules().trigger(&status.schedule.name).await?;
/// let ended = system.tasks().wait(&run, std::time::Duration::from_secs(10)).await?.unwrap();
/// assert_eq!(ended.outcome.result().unwrap().to_string(), "1");
/// # system.shutdown(std::time::Duration::from_secs(10)).await;
/// # Ok(()) }) }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a schedule exists only after `Schedules::put`"]
pub struct ScheduleRequest {
    /// The schedule's name: 1 to 80 letters, digits, `_`, `-` or `.`.
    pub name: String,
    /// A description for readers, at most 1,024 bytes.
    pub description: String,
    /// When the schedule runs.
    pub rule: RuleRequest,
    /// The task of each run, without an id, dependencies, a start time or a unique key.
    pub task: Request,
    /// The overlap policy: what happens to a run while the previous one has not ended. Default skip.
    pub overlap: Overlap,
    /// The catch-up policy for occurrences that were missed during downtime. Default last.
    pub catch_up: CatchUp,
    /// The maximum delay of a run's start; each run's delay is derived from its id. At most 366 days.
    pub jitter: Duration,
    /// Whether the schedule runs. `None` keeps the current setting; a new schedule is enabled.
    pub enabled: Option<bool>,
}

/// When a schedule runs.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleRequest {
    /// At the times of a cron expression.
    Cron {
        /// Five fields, six with seconds first, or a macro such as `@daily`.
        expression: String,
        /// A name of the IANA time zone database; UTC if empty.
        time_zone: String,
    },
    /// At a fixed interval.
    Every {
        /// 1 s to 366 days.
        interval: Duration,
        /// One of the times at which it runs. `None` keeps the anchor if the interval does not change;
        /// otherwise the anchor is the second of the definition.
        anchor: Option<Timestamp>,
    },
}

impl ScheduleRequest {
    /// A schedule with a cron expression in UTC.
    pub fn cron(name: impl Into<String>, expression: impl Into<String>, task: Request) -> Self {
        let rule = RuleRequest::Cron { expression: expression.into(), time_zone: String::new() };
        Self::new(name.into(), rule, task)
    }

    /// A schedule with a cron expression in a time zone of the IANA database.
    pub fn cron_in(
        name: impl Into<String>,
        time_zone: impl Into<String>,
        expression: impl Into<String>,
        task: Request,
    ) -> Self {
        let (expression, time_zone) = (expression.into(), time_zone.into());
        Self::new(name.into(), RuleRequest::Cron { expression, time_zone }, task)
    }

    /// A schedule with an interval, counted from its definition.
    pub fn every(name: impl Into<String>, interval: Duration, task: Request) -> Self {
        Self::new(name.into(), RuleRequest::Every { interval, anchor: None }, task)
    }

    /// A schedule with an interval, counted from `anchor`.
    pub fn every_from(
        name: impl Into<String>,
        anchor: Timestamp,
        interval: Duration,
        task: Request,
    ) -> Self {
        Self::new(name.into(), RuleRequest::Every { interval, anchor: Some(anchor) }, task)
    }

    fn new(name: String, rule: RuleRequest, task: Request) -> Self {
        Self {
            name,
            description: String::new(),
            rule,
            task,
            overlap: Overlap::default(),
            catch_up: CatchUp::default(),
            jitter: Duration::ZERO,
            enabled: None,
        }
    }

    /// Sets the description.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Sets the overlap policy.
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Sets the catch-up policy.
    pub fn catch_up(mut self, catch_up: CatchUp) -> Self {
        self.catch_up = catch_up;
        self
    }

    /// Sets the maximum delay of a run's start.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// Sets whether the schedule runs.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = Some(enabled);
        self
    }
}
