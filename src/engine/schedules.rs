//! Schedules, as far as they are tasks: their definitions, and the runs that they make.

use std::sync::Arc;

use super::Engine;
use crate::clock::Timestamp;
use crate::error::{Code, Error};
use crate::models::{Name, Request, Schedule, ScheduleStatus, Task, TaskId};
use crate::store::DueSchedules;

/// What becomes of the occurrences of a schedule that are over, as whoever decides it says it.
#[derive(Clone, Debug)]
pub struct Firing {
    /// The schedule as it was when this was decided.
    pub status: ScheduleStatus,
    /// The occurrences that run, and each one's task.
    pub runs: Vec<(Timestamp, Arc<Task>)>,
    /// How many occurrences are left out, and the last of them.
    pub missed: Option<(u64, Timestamp)>,
    /// When it runs next.
    pub next: Option<Timestamp>,
}

impl Engine {
    /// What each run of a schedule would be, if the gate lets it in. Its id is no task's.
    ///
    /// # Errors
    /// The gate's refusals; `INVALID_ARGUMENT` for what a run cannot have.
    pub fn template(&self, _request: Request) -> Result<Arc<Task>, Error> {
        Err(missing())
    }

    /// Defines a schedule, new or in the place of one with its name.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn set_schedule(
        &self,
        _schedule: Arc<Schedule>,
        _enabled: bool,
        _next: Option<Timestamp>,
    ) -> Result<ScheduleStatus, Error> {
        Err(missing())
    }

    /// Has a schedule run or not.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn enable_schedule(
        &self,
        _name: &Name,
        _enabled: bool,
        _next: Option<Timestamp>,
    ) -> Result<ScheduleStatus, Error> {
        Err(missing())
    }

    /// Deletes a schedule; what it made goes on.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn delete_schedule(&self, _name: &Name) -> Result<(), Error> {
        Err(missing())
    }

    /// Makes a run now. `run` is the task, with an id of its own.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `STORE_UNAVAILABLE`, `DRAINING`.
    pub async fn trigger_schedule(&self, _name: &Name, _run: Arc<Task>) -> Result<TaskId, Error> {
        Err(missing())
    }

    /// A schedule and how it stands.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn schedule(&self, _name: &Name) -> Result<ScheduleStatus, Error> {
        Err(missing())
    }

    /// Up to `limit` schedules whose names come after `after`, by name.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn schedules(
        &self,
        _after: Option<&Name>,
        _limit: usize,
    ) -> Result<Vec<ScheduleStatus>, Error> {
        Err(missing())
    }

    /// Up to `limit` schedules whose time has come, the earliest first, and when the next is due.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn due_schedules(
        &self,
        _now: Timestamp,
        _limit: usize,
    ) -> Result<DueSchedules, Error> {
        Err(missing())
    }

    /// Has occurrences become runs, and each schedule advance, in one commit each. Answers how many
    /// runs came in; `None` where the schedule had changed meanwhile.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`, `DRAINING`.
    pub async fn fire(&self, _firings: Vec<Firing>) -> Result<Vec<Option<usize>>, Error> {
        Err(missing())
    }

    /// Resolves when schedules were defined, enabled, disabled, deleted or fired since it was last
    /// asked: when the next is due may be another time by now. For one listener.
    pub async fn schedules_changed(&self) {
        std::future::pending::<()>().await;
    }
}

fn missing() -> Error {
    Error::new(Code::Internal, "not there yet")
}
