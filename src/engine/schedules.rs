//! Schedules, as far as they are tasks: their definitions, and the runs that they make.

use std::sync::Arc;

use super::by_hand::{said, unexpected};
use super::core;
use super::{Caller, Engine, gate};
use crate::clock::{Timestamp, now};
use crate::error::{Code, Error};
use crate::models::{Name, Request, Schedule, ScheduleStatus, Task, TaskId};
use crate::store::{self, Change, ChangeResult, DueSchedules};

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
    /// What each run of a schedule would be, if the gate lets it in. Its id is no task's; a run's time
    /// to live is what lies between the template's `submitted_at` and its `expires_at`.
    ///
    /// # Errors
    /// The gate's refusals; `INVALID_ARGUMENT` for what a run cannot have: an id, dependencies, a
    /// time to start at or to expire at, a unique key, `EPHEMERAL`.
    pub fn template(&self, request: Request) -> Result<Arc<Task>, Error> {
        gate::check_template(request, &self.0, now())
    }

    /// Defines a schedule, new or in the place of one with its name.
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
        self.by_hand(Change::SetSchedule { schedule, enabled, next }).await?;
        self.schedule(&name).await
    }

    /// Defines a schedule in the place of one of that revision. Its next time stays if it has one.
    /// `None` if it is of another revision by now.
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
        match self.by_hand(change).await? {
            ChangeResult::Stale => Ok(None),
            _ => self.schedule(&name).await.map(Some),
        }
    }

    /// Has a schedule run or not.
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
        match self.by_hand(change).await? {
            ChangeResult::NotFound => Err(no_schedule(name)),
            _ => self.schedule(name).await,
        }
    }

    /// Deletes a schedule; what it made goes on.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn delete_schedule(&self, name: &Name) -> Result<(), Error> {
        match self.by_hand(Change::DeleteSchedule { name: name.clone() }).await? {
            ChangeResult::NotFound => Err(no_schedule(name)),
            _ => Ok(()),
        }
    }

    /// Makes a run now. `run` is the task, with an id of its own.
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
        match said(receiver).await? {
            ChangeResult::Inserted(_) => Ok(id),
            ChangeResult::NotFound => Err(no_schedule(name)),
            ChangeResult::IdConflict(_) => Err(core::id_taken(&id)),
            other => Err(unexpected(&other)),
        }
    }

    /// A schedule and how it stands.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn schedule(&self, name: &Name) -> Result<ScheduleStatus, Error> {
        self.0.store.schedule(name).await?.ok_or_else(|| no_schedule(name))
    }

    /// Up to `limit` schedules whose names come after `after`, by name.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn schedules(
        &self,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<Vec<ScheduleStatus>, Error> {
        Ok(self.0.store.schedules(after, limit).await?)
    }

    /// Up to `limit` schedules whose time has come, the earliest first, and when the next is due.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn due_schedules(&self, now: Timestamp, limit: usize) -> Result<DueSchedules, Error> {
        Ok(self.0.store.due_schedules(now, limit).await?)
    }

    /// Has occurrences become runs, and each schedule advance, in one commit each. Answers how many
    /// runs came in; `None` where the schedule had changed meanwhile, or is due at no time.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`, `DRAINING`; some may have been fired before that.
    pub async fn fire(&self, firings: Vec<Firing>) -> Result<Vec<Option<usize>>, Error> {
        let mut fired = Vec::with_capacity(firings.len());
        self.0.act(|core, _, out| {
            for firing in firings {
                let Firing { status, runs, missed, next } = firing;
                let Some(due) = status.next else {
                    fired.push(None);
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
                fired.push(Some(receiver));
            }
            Ok::<(), Error>(())
        })?;
        let mut entered = Vec::with_capacity(fired.len());
        for receiver in fired {
            let Some(receiver) = receiver else {
                entered.push(None);
                continue;
            };
            entered.push(match said(receiver).await? {
                ChangeResult::Fired { entered } => {
                    Some(entered.into_iter().filter(|it| *it).count())
                }
                _ => None,
            });
        }
        Ok(entered)
    }

    /// Resolves when schedules were defined, enabled, disabled, deleted or fired since it was last
    /// asked: when the next is due may be another time by now. For one listener.
    pub async fn schedules_changed(&self) {
        self.0.schedules_changed.notified().await;
    }
}

fn no_schedule(name: &Name) -> Error {
    Error::new(Code::ScheduleNotFound, format!("no schedule {name} is known"))
}
