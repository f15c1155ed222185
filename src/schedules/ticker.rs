//! The service that has schedules run.
//!
//! A turn asks for what is due, decides what becomes of it and has that stored. Then it sleeps until
//! the next time of any schedule, or until somebody changes one. While there are schedules it looks at
//! the clock once a second even so, and that is all that it polls: nobody tells a process that the
//! machine's clock was set.

use std::time::Duration;

use async_trait::async_trait;

use crate::clock::{self, Timestamp};
use crate::engine::{Engine, Firing};
use crate::error::{Code, Error};
use crate::models::ScheduleStatus;
use crate::orchestrator::{BackgroundTask, Executable, SchedulerError};
use crate::schedules::{Timetable, plan, run};

/// The most schedules that one turn looks at. What else is due waits for the turns after it, and
/// whatever else the store is asked meanwhile goes between them.
pub const MOST_AT_ONCE: usize = 500;
/// The most runs in one turn, unless one schedule alone has more to make up for.
const MOST_RUNS: usize = 1_000;
/// How often the clock is looked at, whatever it said.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Has schedules run.
pub struct Ticker {
    engine: Engine,
}

impl Ticker {
    /// One that has the schedules of this engine run.
    pub fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Has what is due run, as much as goes into one turn.
    async fn turn(&self) -> Result<Turn, Error> {
        let now = clock::now().wall;
        let found = self.engine.due_schedules(now, MOST_AT_ONCE).await?;
        if found.due.is_empty() {
            return Ok(Turn::Rest(found.next.map(|next| next.since(now))));
        }
        let firings = slice(found.due, now);
        let (schedules, fired) = (firings.len(), self.engine.fire(firings).await?);
        let runs: usize = fired.iter().flatten().sum();
        tracing::debug!(schedules, runs, "schedules ran");
        Ok(Turn::GoOn)
    }
}

/// What follows a turn.
enum Turn {
    /// More may be due.
    GoOn,
    /// Nothing is due for so long; `None`: nothing is planned.
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
            Ok(Turn::GoOn) => return Ok(()),
            Ok(Turn::Rest(rest)) => rest,
            // Nothing comes in any more; whoever stops the server stops this.
            Err(error) if error.code == Code::Draining => None,
            Err(error) => return Err(SchedulerError::TaskExecution(error.to_string())),
        };
        // What changed while nobody listened is told now.
        let changed = self.engine.schedules_changed();
        match rest {
            None => changed.await,
            Some(rest) => tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(rest.min(LOOK_AGAIN)) => {}
            },
        }
        Ok(())
    }
}

/// What becomes of those that are due, from the first on, and as many as go into one turn.
fn slice(due: Vec<ScheduleStatus>, now: Timestamp) -> Vec<Firing> {
    let mut firings = Vec::with_capacity(due.len());
    let mut runs = 0;
    for status in due {
        let Some(firing) = firing(status, now) else { continue };
        if runs > 0 && runs + firing.runs.len() > MOST_RUNS {
            break;
        }
        runs += firing.runs.len();
        firings.push(firing);
    }
    firings
}

fn firing(status: ScheduleStatus, now: Timestamp) -> Option<Firing> {
    let schedule = &status.schedule;
    match Timetable::of(&schedule.rule) {
        Ok(timetable) => {
            let decision = plan(&status, &timetable, now)?;
            let runs = decision.runs.iter().map(|at| (*at, run(schedule, *at, now))).collect();
            Some(Firing { runs, missed: decision.missed, next: decision.next, status })
        }
        // It was understood when it was defined, by another version of this program.
        Err(error) => {
            tracing::error!(
                schedule = %schedule.name,
                %error,
                "a schedule is not understood any more and does not run until it is defined anew"
            );
            let missed = status.next.map(|due| (1, due));
            Some(Firing { runs: Vec::new(), missed, next: None, status })
        }
    }
}
