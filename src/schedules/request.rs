//! A schedule as somebody asks for it; not checked yet.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::models::{CatchUp, Overlap, Request};

/// How many occurrences a schedule makes up for that is to make up for all of them, unless it says.
pub const STANDARD_CATCH_UP: u32 = 100;

/// A schedule as somebody asks for it.
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
/// let status = system.put_schedule(nightly).await?;
/// println!("runs first at {}", status.next.unwrap());
///
/// let run = system.trigger_schedule(&status.schedule.name).await?;
/// let ended = system.wait(&run, std::time::Duration::from_secs(10)).await?.unwrap();
/// assert_eq!(ended.outcome.result().unwrap().to_string(), "1");
/// # system.shutdown(std::time::Duration::from_secs(10)).await;
/// # Ok(()) }) }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "nothing is there before it is put"]
pub struct ScheduleRequest {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// When.
    pub rule: RuleRequest,
    /// What each run is: without an id, dependencies, a time of its own and a unique key.
    pub task: Request,
    /// What becomes of a run while one before it has not ended.
    pub overlap: Overlap,
    /// What becomes of occurrences that passed while nobody could run them.
    pub catch_up: CatchUp,
    /// Each run starts later than planned by a part of this that follows from its id.
    pub jitter: Duration,
    /// Whether it runs. `None`: as before if it was there before, else it does.
    pub enabled: Option<bool>,
}

/// When a schedule is to run.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleRequest {
    /// At the times that a cron expression names.
    Cron {
        /// Five fields, six with seconds first, or a macro such as `@daily`.
        expression: String,
        /// A name of the IANA database; UTC when it is empty.
        time_zone: String,
    },
    /// Every so often.
    Every {
        /// 1 s to 366 days.
        interval: Duration,
        /// A time at which it runs. `None`: as before if it ran so often before, else the second of
        /// its definition.
        anchor: Option<Timestamp>,
    },
}

impl ScheduleRequest {
    /// One that runs at the times that a cron expression names, in UTC.
    pub fn cron(name: impl Into<String>, expression: impl Into<String>, task: Request) -> Self {
        let rule = RuleRequest::Cron { expression: expression.into(), time_zone: String::new() };
        Self::new(name.into(), rule, task)
    }

    /// The same in a time zone: a name of the IANA database.
    pub fn cron_in(
        name: impl Into<String>,
        time_zone: impl Into<String>,
        expression: impl Into<String>,
        task: Request,
    ) -> Self {
        let (expression, time_zone) = (expression.into(), time_zone.into());
        Self::new(name.into(), RuleRequest::Cron { expression, time_zone }, task)
    }

    /// One that runs every so often, from its definition on.
    pub fn every(name: impl Into<String>, interval: Duration, task: Request) -> Self {
        Self::new(name.into(), RuleRequest::Every { interval, anchor: None }, task)
    }

    /// One that runs at a time, and every so often before and after it.
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

    /// With this for people to read.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// What becomes of a run while one before it has not ended; it is left out unless set.
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// What becomes of occurrences that passed while nobody could run them; the last runs unless set.
    pub fn catch_up(mut self, catch_up: CatchUp) -> Self {
        self.catch_up = catch_up;
        self
    }

    /// Each run starts later than planned by a part of this that follows from its id.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// Whether it runs.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = Some(enabled);
        self
    }
}
