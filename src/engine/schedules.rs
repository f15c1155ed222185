//! Schedules in the store: their definitions, and the runs made of them.

use std::sync::Arc;

use super::core;
use super::reply::{change_result, unexpected};
use super::{Caller, Engine, gate};
use crate::clock::{Timestamp, now};
use crate::error::{Code, Error};
use crate::models::{Name, Request, Schedule, ScheduleStatus, Task, TaskId};
use crate::store::{self, Change, ChangeResult};

/// The plan for the occurrences of a schedule that are due. [`store::Firing`] is the same with inserts
/// in the place of tasks: only the core assigns the sequence number that an insert needs.
#[derive(Clone, Debug)]
pub struct PlannedFiring {
    /// The schedule on which the plan is based. If it changes before the commit, the firing is stale.
    pub status: ScheduleStatus,
    /// The occurrences that run, each with its task.
    pub runs: Vec<(Timestamp, Arc<Task>)>,
    /// How many occurrences are skipped, and the last of them.
    pub missed: Option<(u64, Timestamp)>,
    /// The schedule's next occurrence.
    pub next: Option<Timestamp>,
}

impl Engine {
    /// Checks the task of a schedule and returns it as the template of its runs. Each run gets its own
    /// id; its time to live is the template's `expires_at` minus its `submitted_at`.
    ///
    /// # Errors
    /// The gate's refusals; `INVALID_ARGUMENT` for what a run cannot have: an id, dependencies, a start
    /// time, an expiry time, a unique key, `EPHEMERAL`.
    pub fn template(&self, request: Request) -> Result<Arc<Task>, Error> {
        gate::check_template(request, &self.0, now())
    }

    /// Creates or replaces a schedule.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn set_schedule(
        &self,
        schedule: Arc<Schedule>,
        enabled: bool,
        next: Option<Timestamp>,
    ) -> Result<ScheduleStatus, Error> {
        let name = schedule.name.clone();
        self.admin_write(Change::SetSchedule { schedule, enabled, next }).await?;
        self.schedule(&name).await
    }

    /// Replaces a schedule of this revision. Keeps its next occurrence if it has one. Returns `None` if
    /// the schedule has another revision now.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn redefine_schedule(
        &self,
        schedule: Arc<Schedule>,
        enabled: bool,
        next: Option<Timestamp>,
        revision: u64,
    ) -> Result<Option<ScheduleStatus>, Error> {
        let name = schedule.name.clone();
        let change = Change::RedefineSchedule { schedule, enabled, next, revision };
        match self.admin_write(change).await? {
            ChangeResult::Stale => Ok(None),
            _ => self.schedule(&name).await.map(Some),
        }
    }

    /// Enables or disables a schedule.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn enable_schedule(
        &self,
        name: &Name,
        enabled: bool,
        next: Option<Timestamp>,
    ) -> Result<ScheduleStatus, Error> {
        let change = Change::EnableSchedule { name: name.clone(), enabled, next };
        match self.admin_write(change).await? {
            ChangeResult::NotFound => Err(no_schedule(name)),
            _ => self.schedule(name).await,
        }
    }

    /// Deletes a schedule. Its tasks stay.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn delete_schedule(&self, name: &Name) -> Result<(), Error> {
        match self.admin_write(Change::DeleteSchedule { name: name.clone() }).await? {
            ChangeResult::NotFound => Err(no_schedule(name)),
            _ => Ok(()),
        }
    }

    /// Runs a schedule manually, now. `run` is the task, with an id of its own.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `ID_TAKEN`, `QUEUE_FULL`, `STORE_UNAVAILABLE`, `DRAINING`.
    pub async fn trigger_schedule(&self, name: &Name, run: Arc<Task>) -> Result<TaskId, Error> {
        let (sender, receiver) = Caller::new();
        let id = run.id.clone();
        self.0.act(|core, now, out| {
            let (name, occurrence) = (name.clone(), now.wall);
            let change = |run| Change::Trigger { name, occurrence, run };
            core.enqueue_system_task(&run, change, sender, out)
        })?;
        match change_result(receiver).await? {
            ChangeResult::Inserted(_) => Ok(id),
            ChangeResult::NotFound => Err(no_schedule(name)),
            ChangeResult::IdConflict(_) => Err(core::id_taken(&id)),
            other => Err(unexpected(&other)),
        }
    }

    /// The definition and the state of a schedule.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn schedule(&self, name: &Name) -> Result<ScheduleStatus, Error> {
        self.0.store.schedule(name).await?.ok_or_else(|| no_schedule(name))
    }

    /// Fires schedules: one commit for each inserts its runs and sets its next occurrence. Returns for
    /// each how many runs were inserted; `None` for a schedule that changed meanwhile, or is never due.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`, `DRAINING`; some schedules may have fired already.
    pub async fn fire(&self, firings: Vec<PlannedFiring>) -> Result<Vec<Option<usize>>, Error> {
        let mut pending = Vec::with_capacity(firings.len());
        self.0.act(|core, _, out| {
            for firing in firings {
                let PlannedFiring { status, runs, missed, next } = firing;
                let Some(due) = status.next else {
                    pending.push(None);
                    continue;
                };
                let (sender, receiver) = Caller::new();
                let (occurrences, tasks): (Vec<_>, Vec<_>) = runs.into_iter().unzip();
                let change = |inserts: Vec<_>| {
                    let name = status.schedule.name.clone();
                    let runs = occurrences.into_iter().zip(inserts).collect();
                    let revision = status.revision;
                    Change::Fire(store::Firing { name, revision, due, runs, missed, next })
                };
                core.fire(&tasks, change, sender, out)?;
                pending.push(Some(receiver));
            }
            Ok::<(), Error>(())
        })?;
        let mut inserted = Vec::with_capacity(pending.len());
        for receiver in pending {
            let Some(receiver) = receiver else {
                inserted.push(None);
                continue;
            };
            inserted.push(match change_result(receiver).await? {
                ChangeResult::Fired { entered } => {
                    Some(entered.into_iter().filter(|it| *it).count())
                }
                _ => None,
            });
        }
        Ok(inserted)
    }

    /// Resolves after any schedule was defined, enabled, disabled, deleted or fired since the last call:
    /// the next occurrence may have changed. For one caller.
    pub async fn schedules_changed(&self) {
        self.0.schedules_changed.notified().await;
    }
}

fn no_schedule(name: &Name) -> Error {
    Error::new(Code::ScheduleNotFound, format!("no schedule {name} is known"))
}
