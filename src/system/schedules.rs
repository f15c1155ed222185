//! Schedules, as everybody who defines them asks for it.

use std::collections::HashMap;
use std::sync::Arc;

use super::TaskSystem;
use crate::clock::{self, Timestamp};
use crate::engine::Engine;
use crate::error::{Code, Error};
use crate::models::{MAX_PAGE, Name, Schedule, ScheduleStatus, TaskId};
use crate::schedules::{
    Checked, Declared, FileProblem, RuleRequest, ScheduleRequest, Timetable, check, run_by_hand,
    same_task, within,
};

/// How many declared schedules are stored side by side.
const SIDE_BY_SIDE: usize = 256;
/// How often a definition looks for what it takes the place of. After that it is stored whatever it
/// finds there: others define the schedule all the time, and the last of them holds.
const MOST_TRIES: usize = 5;

impl TaskSystem {
    /// Defines a schedule; replaces what has its name, and keeps its history.
    ///
    /// Its next time is the first that the rule names from now on. If the rule is the same as before,
    /// it stays what it was, so that an occurrence which is due is not lost.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, naming the field at fault; `METHOD_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn put_schedule(&self, request: ScheduleRequest) -> Result<ScheduleStatus, Error> {
        let definition = Definition::of(&self.engine, request).await?;
        definition.store(&self.engine).await
    }

    /// A schedule and how it stands.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn schedule(&self, name: &Name) -> Result<ScheduleStatus, Error> {
        self.engine.schedule(name).await
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
        self.engine.schedules(after, limit).await
    }

    /// Deletes a schedule; what it made goes on.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn delete_schedule(&self, name: &Name) -> Result<(), Error> {
        self.engine.delete_schedule(name).await
    }

    /// Has a schedule run from the next time on that its rule names. One that is enabled stays as it
    /// is.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn enable_schedule(&self, name: &Name) -> Result<ScheduleStatus, Error> {
        let status = self.engine.schedule(name).await?;
        if status.enabled {
            return Ok(status);
        }
        let begins = after_what_ran(Some(&status), clock::now().wall);
        let next = Timetable::of(&status.schedule.rule)?.next_after(begins);
        self.engine.enable_schedule(name, true, next).await
    }

    /// Has a schedule run no more until it is enabled; what it made goes on.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn disable_schedule(&self, name: &Name) -> Result<ScheduleStatus, Error> {
        let status = self.engine.schedule(name).await?;
        if !status.enabled {
            return Ok(status);
        }
        self.engine.enable_schedule(name, false, None).await
    }

    /// Makes a run now, whatever the rule, the overlap policy and its being disabled say.
    ///
    /// # Errors
    /// `SCHEDULE_NOT_FOUND`, `QUEUE_FULL`, `STORE_UNAVAILABLE`, `DRAINING`.
    pub async fn trigger_schedule(&self, name: &Name) -> Result<TaskId, Error> {
        let status = self.engine.schedule(name).await?;
        let run = run_by_hand(&status.schedule, clock::now().wall);
        self.engine.trigger_schedule(name, run).await
    }

    /// When a schedule would run after a time, if it were defined. It is checked and not stored.
    ///
    /// # Errors
    /// As of [`put_schedule`](Self::put_schedule).
    pub async fn preview_schedule(
        &self,
        request: ScheduleRequest,
        after: Option<Timestamp>,
        count: usize,
    ) -> Result<Vec<Timestamp>, Error> {
        let definition = Definition::of(&self.engine, request).await?;
        Ok(definition.timetable.next_times(after.unwrap_or(definition.now), count))
    }

    /// Defines what a file declares, as far as it differs from what is stored: what a schedule was
    /// about to do, or missed while nobody ran it, it does all the same. Others stay.
    ///
    /// # Errors
    /// What the engine refuses, and where the file says it. What it does not refuse is defined.
    pub async fn declare_schedules(&self, declared: Vec<Declared>) -> Result<(), Vec<FileProblem>> {
        let Some(first) = declared.first() else { return Ok(()) };
        let mut existing = self.all_schedules().await.map_err(|error| first.problems(&error))?;
        let mut problems = Vec::new();
        let mut declared = declared.into_iter();
        let mut under_way = tokio::task::JoinSet::new();
        loop {
            let room = SIDE_BY_SIDE - under_way.len();
            for one in declared.by_ref().take(room) {
                let existing = existing.remove(&one.checked.name);
                match Definition::declared(&self.engine, &one, existing) {
                    Ok(definition) if definition.changes_something() => {
                        let engine = self.engine.clone();
                        under_way.spawn(async move {
                            let stored = definition.store(&engine).await;
                            stored.map(drop).map_err(|error| one.problems(&error))
                        });
                    }
                    Ok(_) => {}
                    Err(error) => problems.extend(one.problems(&error)),
                }
            }
            match under_way.join_next().await {
                Some(Ok(stored)) => problems.extend(stored.err().into_iter().flatten()),
                Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
                None if declared.len() == 0 => break,
                None => {}
            }
        }
        problems.sort();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    async fn all_schedules(&self) -> Result<HashMap<Name, ScheduleStatus>, Error> {
        let mut all = HashMap::new();
        let mut after: Option<Name> = None;
        loop {
            let page = self.engine.schedules(after.as_ref(), MAX_PAGE).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.schedule.name.clone());
            all.extend(page.into_iter().map(|status| (status.schedule.name.clone(), status)));
        }
    }
}

/// When a schedule that is enabled runs next, at most so many times.
pub fn next_times(status: &ScheduleStatus, count: usize) -> Vec<Timestamp> {
    let (Some(next), Ok(timetable)) = (status.next, Timetable::of(&status.schedule.rule)) else {
        return Vec::new();
    };
    let after = |last: &Timestamp| timetable.next_after(*last);
    std::iter::successors(Some(next), after).take(count).collect()
}

/// A definition that was checked, and what it would take the place of.
struct Definition {
    schedule: Schedule,
    timetable: Timetable,
    enabled: bool,
    existing: Option<ScheduleStatus>,
    now: Timestamp,
}

impl Definition {
    async fn of(engine: &Engine, request: ScheduleRequest) -> Result<Self, Error> {
        let now = clock::now().wall;
        let existing = match Name::parse(&request.name, "name") {
            Ok(name) => existing(engine, &name).await?,
            // The check says so, with whatever else is wrong.
            Err(_) => None,
        };
        let checked = check(&request, existing.as_ref(), now);
        Self::put_together(engine, request, checked, existing, now)
    }

    /// The same of what a file declares, which was checked as far as it does not depend on what is
    /// there.
    fn declared(
        engine: &Engine,
        declared: &Declared,
        existing: Option<ScheduleStatus>,
    ) -> Result<Self, Error> {
        let now = clock::now().wall;
        let request = declared.request.clone();
        let checked = match &request.rule {
            RuleRequest::Cron { .. } => Ok(declared.checked.clone()),
            RuleRequest::Every { .. } => check(&request, existing.as_ref(), now),
        };
        Self::put_together(engine, request, checked, existing, now)
    }

    fn put_together(
        engine: &Engine,
        request: ScheduleRequest,
        checked: Result<Checked, Error>,
        existing: Option<ScheduleStatus>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let task = engine.template(request.task.clone()).map_err(|error| within("task", error));
        let (checked, task) = (checked?, task?);
        let before = existing.as_ref().is_none_or(|existing| existing.enabled);
        let enabled = request.enabled.unwrap_or(before);
        let timetable = checked.timetable.clone();
        Ok(Self { schedule: checked.schedule(request, task), timetable, enabled, existing, now })
    }

    fn changes_something(&self) -> bool {
        let same = |existing: &ScheduleStatus| {
            let there = &*existing.schedule;
            let task = there.task.clone();
            existing.enabled == self.enabled
                && same_task(&there.task, &self.schedule.task)
                && *there == Schedule { task, ..self.schedule.clone() }
        };
        !self.existing.as_ref().is_some_and(same)
    }

    async fn store(self, engine: &Engine) -> Result<ScheduleStatus, Error> {
        let Self { schedule, timetable, enabled, mut existing, now } = self;
        let schedule = Arc::new(schedule);
        let begins = after_what_ran(existing.as_ref(), now);
        let next = timetable.next_after(begins).filter(|_| enabled);
        for _ in 0..MOST_TRIES {
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

/// When a schedule that begins anew begins: not before what it has run already, which the clock may
/// show once more if it was put back.
fn after_what_ran(existing: Option<&ScheduleStatus>, now: Timestamp) -> Timestamp {
    let runs = existing.into_iter().flat_map(|existing| &existing.runs);
    let ran = runs.filter(|run| !run.manual).map(|run| run.occurrence);
    ran.fold(now, Timestamp::max)
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
