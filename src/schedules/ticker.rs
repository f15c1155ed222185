//! The service that fires schedules.
//!
//! A turn reads the due schedules, plans their occurrences and has the engine store them. Then it sleeps
//! until the next time of any schedule or until a schedule changes, but at most
//! [`Options::clock_check`]: a process is not notified when the machine's clock is set.

use std::time::Duration;

use async_trait::async_trait;

use crate::clock::{self, Timestamp};
use crate::engine::{Engine, PlannedFiring};
use crate::error::{Code, Error};
use crate::models::ScheduleStatus;
use crate::orchestrator::{BackgroundTask, Executable, SchedulerError};
use crate::schedules::{Timetable, plan, run};

/// The limits of a [`Ticker`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The maximum number of schedules in one turn. Other calls of the store run between turns.
    /// Default 500.
    pub schedules_per_turn: usize,
    /// The maximum number of runs in one turn, unless the first schedule alone has more to catch up.
    /// Default 1,000.
    pub runs_per_turn: usize,
    /// The longest sleep while any schedule has a next time. Default 1 s.
    pub clock_check: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { schedules_per_turn: 500, runs_per_turn: 1_000, clock_check: Duration::from_secs(1) }
    }
}

/// Reads civil time; tests set it.
type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// Fires the schedules of an engine.
pub struct Ticker {
    engine: Engine,
    options: Options,
    clock: Clock,
}

impl Ticker {
    /// A ticker for this engine.
    pub fn new(engine: Engine, options: Options) -> Self {
        Self { engine, options, clock: Box::new(|| clock::now().wall) }
    }

    /// Fires what is due, up to the limits of one turn.
    async fn turn(&self) -> Result<Turn, Error> {
        let now = (self.clock)();
        let found = self.engine.due_schedules(now, self.options.schedules_per_turn).await?;
        if found.due.is_empty() {
            return Ok(Turn::Rest(found.next.map(|next| next.since(now))));
        }
        let firings = firings(found.due, now, self.options.runs_per_turn);
        let (schedules, fired) = (firings.len(), self.engine.fire(firings).await?);
        let runs: usize = fired.iter().flatten().sum();
        tracing::debug!(schedules, runs, "fired schedules");
        Ok(Turn::Continue)
    }
}

/// What follows a turn.
enum Turn {
    /// More may be due.
    Continue,
    /// Nothing is due for this long; `None`: no schedule has a next time.
    Rest(Option<Duration>),
}

#[async_trait]
impl Executable for Ticker {
    fn name(&self) -> &str {
        "ticker"
    }
}

#[async_trait]
impl BackgroundTask for Ticker {
    async fn execute(&mut self) -> Result<(), SchedulerError> {
        let rest = match self.turn().await {
            Ok(Turn::Continue) => return Ok(()),
            Ok(Turn::Rest(rest)) => rest,
            // The server drains and stops this service soon.
            Err(error) if error.code == Code::Draining => None,
            Err(error) => return Err(SchedulerError::TaskExecution(error.to_string())),
        };
        // Resolves at once for a change since the last call.
        let changed = self.engine.schedules_changed();
        match rest {
            None => changed.await,
            Some(rest) => tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(rest.min(self.options.clock_check)) => {}
            },
        }
        Ok(())
    }
}

/// The firings of the first due schedules, with at most `max_runs` runs unless the first has more.
fn firings(due: Vec<ScheduleStatus>, now: Timestamp, max_runs: usize) -> Vec<PlannedFiring> {
    let mut firings = Vec::with_capacity(due.len());
    let mut runs = 0;
    for status in due {
        let Some(firing) = firing(status, now) else { continue };
        if runs > 0 && runs + firing.runs.len() > max_runs {
            break;
        }
        runs += firing.runs.len();
        firings.push(firing);
    }
    firings
}

fn firing(status: ScheduleStatus, now: Timestamp) -> Option<PlannedFiring> {
    let schedule = &status.schedule;
    match Timetable::of(&schedule.rule) {
        Ok(timetable) => {
            let plan = plan(&status, &timetable, now)?;
            let runs = plan.runs.iter().map(|at| (*at, run(schedule, *at, now))).collect();
            Some(PlannedFiring { runs, missed: plan.missed, next: plan.next, status })
        }
        // Another version of this program accepted the rule.
        Err(error) => {
            tracing::error!(
                schedule = %schedule.name,
                %error,
                "this version cannot parse the rule of a schedule; it does not run until it is redefined"
            );
            let missed = status.next.map(|due| (1, due));
            Some(PlannedFiring { runs: Vec::new(), missed, next: None, status })
        }
    }
}

#[cfg(test)]
mod tests;
