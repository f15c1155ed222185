//! Defining schedules and changing their state.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::{self, Timestamp};
use crate::engine::Engine;
use crate::error::{Code, Error};
use crate::models::{MAX_PAGE, Name, Schedule, ScheduleStatus, TaskId};
use crate::schedules::check::{Definition, at_field, check};
use crate::schedules::run::{manual_run, same_template};
use crate::schedules::{Declared, FileProblem, RuleRequest, ScheduleRequest, Timetable};

/// The number of declared schedules that are stored concurrently.
const CONCURRENT_WRITES: usize = 256;
/// The number of attempts to redefine a schedule without losing its next time. After that many
/// concurrent redefinitions the last writer wins.
const MAX_ATTEMPTS: usize = 5;

/// The schedules of a system. Cheap to clone.
#[derive(Clone)]
pub struct Schedules {
    engine: Engine,
}

impl Schedules {
    /// The schedules of this engine.
    pub fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// Creates or replaces the schedule with this name. A replaced schedule keeps its history.
    ///
    /// The next time is the first one that the rule names after now. If the rule does not change, the
    /// next time does not change either, so that an occurrence which is due is not lost.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` names every field at fault; `METHOD_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn put(&self, request: ScheduleRequest) -> Result<ScheduleStatus, Error> {
        self.prepare(request).await?.store(&self.engine).await
    }

    /// A schedule and its state.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn get(&self, name: &Name) -> Result<ScheduleStatus, Error> {
        self.engine.schedule(name).await
    }

    /// Up to `limit` schedules in the order of their names, starting after the name `after`.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn list(
        &self,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<Vec<ScheduleStatus>, Error> {
        self.engine.schedules(after, limit).await
    }

    /// Deletes a schedule. Its existing tasks continue.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn delete(&self, name: &Name) -> Result<(), Error> {
        self.engine.delete_schedule(name).await
    }

    /// Enables a schedule: it runs from the next time on that its rule names. Does nothing if it is
    /// enabled.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn enable(&self, name: &Name) -> Result<ScheduleStatus, Error> {
        let status = self.get(name).await?;
        if status.enabled {
            return Ok(status);
        }
        let after = resume_after(Some(&status), clock::now().wall);
        let next = Timetable::of(&status.schedule.rule)?.next_after(after);
        self.engine.enable_schedule(name, true, next).await
    }

    /// Disables a schedule: it does not run until it is enabled. Its existing tasks continue.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn disable(&self, name: &Name) -> Result<ScheduleStatus, Error> {
        let status = self.get(name).await?;
        if !status.enabled {
            return Ok(status);
        }
        self.engine.enable_schedule(name, false, None).await
    }

    /// Starts a manual run now, also if the schedule is disabled and whatever its overlap policy.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `QUEUE_FULL`, `STORE_UNAVAILABLE`, `DRAINING`.
    pub async fn trigger(&self, name: &Name) -> Result<TaskId, Error> {
        let status = self.get(name).await?;
        let run = manual_run(&status.schedule, clock::now().wall);
        self.engine.trigger_schedule(name, run).await
    }

    /// The next `count` times after `after` (default: now) at which the schedule would run. Checks the
    /// request and stores nothing.
    ///
    /// # Errors
    /// Those of [`put`](Self::put).
    pub async fn preview(
        &self,
        request: ScheduleRequest,
        after: Option<Timestamp>,
        count: usize,
    ) -> Result<Vec<Timestamp>, Error> {
        let prepared = self.prepare(request).await?;
        Ok(prepared.timetable.next_times(after.unwrap_or(prepared.now), count))
    }

    /// Stores the schedules of a file. A schedule that equals the stored one is left alone, so that
    /// due and missed occurrences are not lost. Schedules that the file does not name stay.
    ///
    /// # Errors
    /// One problem with its place in the file for each refused schedule; the others are stored.
    pub async fn declare(&self, declared: Vec<Declared>) -> Result<(), Vec<FileProblem>> {
        let Some(first) = declared.first() else { return Ok(()) };
        let mut existing = self.all().await.map_err(|error| first.problems(&error))?;
        let mut problems = Vec::new();
        let mut declared = declared.into_iter();
        let mut writes = tokio::task::JoinSet::new();
        loop {
            let room = CONCURRENT_WRITES - writes.len();
            for one in declared.by_ref().take(room) {
                let existing = existing.remove(&one.definition.name);
                match self.prepare_declared(&one, existing) {
                    Ok(prepared) if prepared.changes_something() => {
                        let engine = self.engine.clone();
                        writes.spawn(async move {
                            let stored = prepared.store(&engine).await;
                            stored.map(drop).map_err(|error| one.problems(&error))
                        });
                    }
                    Ok(_) => {}
                    Err(error) => problems.extend(one.problems(&error)),
                }
            }
            match writes.join_next().await {
                Some(Ok(stored)) => problems.extend(stored.err().into_iter().flatten()),
                Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
                None if declared.len() == 0 => break,
                None => {}
            }
        }
        problems.sort();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    async fn all(&self) -> Result<HashMap<Name, ScheduleStatus>, Error> {
        let mut all = HashMap::new();
        let mut after: Option<Name> = None;
        loop {
            let page = self.list(after.as_ref(), MAX_PAGE).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.schedule.name.clone());
            all.extend(page.into_iter().map(|status| (status.schedule.name.clone(), status)));
        }
    }

    async fn prepare(&self, request: ScheduleRequest) -> Result<Prepared, Error> {
        let now = clock::now().wall;
        let existing = match Name::parse(&request.name, "name") {
            Ok(name) => existing(&self.engine, &name).await?,
            // `check` reports the name together with the other fields at fault.
            Err(_) => None,
        };
        let definition = check(&request, existing.as_ref(), now);
        self.with_task(request, definition, existing, now)
    }

    /// Like [`prepare`](Self::prepare), for a schedule that was checked when its file was parsed. An
    /// interval is checked again, because its anchor depends on the stored schedule.
    fn prepare_declared(
        &self,
        declared: &Declared,
        existing: Option<ScheduleStatus>,
    ) -> Result<Prepared, Error> {
        let now = clock::now().wall;
        let request = declared.request.clone();
        let definition = match &request.rule {
            RuleRequest::Cron { .. } => Ok(declared.definition.clone()),
            RuleRequest::Every { .. } => check(&request, existing.as_ref(), now),
        };
        self.with_task(request, definition, existing, now)
    }

    fn with_task(
        &self,
        request: ScheduleRequest,
        definition: Result<Definition, Error>,
        existing: Option<ScheduleStatus>,
        now: Timestamp,
    ) -> Result<Prepared, Error> {
        let task = self.engine.template(request.task.clone());
        let task = task.map_err(|error| at_field("task", error));
        let (definition, task) = (definition?, task?);
        let was_enabled = existing.as_ref().is_none_or(|existing| existing.enabled);
        let enabled = request.enabled.unwrap_or(was_enabled);
        let timetable = definition.timetable.clone();
        let schedule = definition.schedule(request, task);
        Ok(Prepared { schedule, timetable, enabled, existing, now })
    }
}

/// The next `count` times at which an enabled schedule runs; none if it is disabled.
pub fn next_times(status: &ScheduleStatus, count: usize) -> Vec<Timestamp> {
    let (Some(next), Ok(timetable)) = (status.next, Timetable::of(&status.schedule.rule)) else {
        return Vec::new();
    };
    let after = |last: &Timestamp| timetable.next_after(*last);
    std::iter::successors(Some(next), after).take(count).collect()
}

/// A schedule that is ready to be stored, and the one that it replaces.
struct Prepared {
    schedule: Schedule,
    timetable: Timetable,
    enabled: bool,
    existing: Option<ScheduleStatus>,
    now: Timestamp,
}

impl Prepared {
    fn changes_something(&self) -> bool {
        let same = |existing: &ScheduleStatus| {
            let stored = &*existing.schedule;
            let task = stored.task.clone();
            existing.enabled == self.enabled
                && same_template(&stored.task, &self.schedule.task)
                && *stored == Schedule { task, ..self.schedule.clone() }
        };
        !self.existing.as_ref().is_some_and(same)
    }

    async fn store(self, engine: &Engine) -> Result<ScheduleStatus, Error> {
        let Self { schedule, timetable, enabled, mut existing, now } = self;
        let schedule = Arc::new(schedule);
        let after = resume_after(existing.as_ref(), now);
        let next = timetable.next_after(after).filter(|_| enabled);
        for _ in 0..MAX_ATTEMPTS {
            let same_rule = |existing: &ScheduleStatus| existing.schedule.rule == schedule.rule;
            let Some(revision) = existing.filter(same_rule).map(|existing| existing.revision)
            else {
                break;
            };
            let stored =
                engine.redefine_schedule(schedule.clone(), enabled, next, revision).await?;
            if let Some(status) = stored {
                return Ok(status);
            }
            existing = self::existing(engine, &schedule.name).await?;
        }
        engine.set_schedule(schedule, enabled, next).await
    }
}

/// The time after which a new or re-enabled schedule runs: now, or its latest past occurrence if that
/// is later because the clock was set back.
fn resume_after(existing: Option<&ScheduleStatus>, now: Timestamp) -> Timestamp {
    let runs = existing.into_iter().flat_map(|existing| &existing.runs);
    let occurrences = runs.filter(|run| !run.manual).map(|run| run.occurrence);
    occurrences.fold(now, Timestamp::max)
}

async fn existing(engine: &Engine, name: &Name) -> Result<Option<ScheduleStatus>, Error> {
    match engine.schedule(name).await {
        Ok(status) => Ok(Some(status)),
        Err(error) if error.code == Code::ScheduleNotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
