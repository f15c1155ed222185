//! Schedules: definitions, and the insert of runs.
//!
//! The schedule service decides when a schedule runs. A firing names the revision and the next time
//! it was decided for, and is applied as a whole or refused as stale. It changes the next time, so
//! a repeated firing has no effect.

use std::sync::Arc;

use super::{Rows, Transition};
use crate::clock::Timestamp;
use crate::error::Code;
use crate::models::{
    Ended, Fact, Failure, MAX_REMEMBERED_RUNS, Name, Overlap, RUN_INITIATOR, Schedule,
    ScheduleCounts, ScheduleFact, ScheduleRun, ScheduleStatus, State, Task, TaskId,
};
use crate::store::{ChangeResult, DependencyProblem, Firing, Insert};

/// The part of a schedule that changes as it runs, without its definition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ScheduleState {
    pub(crate) name: Name,
    pub(crate) overlap: Overlap,
    pub(crate) revision: u64,
    pub(crate) enabled: bool,
    /// `None` if the schedule is disabled.
    pub(crate) next: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) runs: Vec<ScheduleRun>,
    pub(crate) counts: ScheduleCounts,
}

impl ScheduleState {
    pub(crate) fn status(self, schedule: Arc<Schedule>) -> ScheduleStatus {
        ScheduleStatus {
            schedule,
            revision: self.revision,
            enabled: self.enabled,
            next: self.next,
            created_at: self.created_at,
            updated_at: self.updated_at,
            runs: self.runs,
            counts: self.counts,
        }
    }

    fn is_running(&self) -> bool {
        self.runs.iter().any(|run| run.ended.is_none())
    }

    /// Whether a task is one of the remembered runs.
    fn has_run(&self, task: &TaskId) -> bool {
        self.runs.iter().any(|run| run.task == *task)
    }

    /// Remembers a run. Beyond the limit, the oldest ended run is forgotten; if none has ended, the
    /// oldest, whose outcome is then not counted.
    fn remember(&mut self, run: ScheduleRun) {
        if self.runs.len() >= MAX_REMEMBERED_RUNS {
            let ended = self.runs.iter().position(|run| run.ended.is_some());
            self.runs.remove(ended.unwrap_or(0));
        }
        self.runs.push(run);
    }
}

/// An occurrence that becomes a run.
struct Occurrence<'a> {
    at: Timestamp,
    run: &'a Insert,
    manual: bool,
}

impl<R: Rows> Transition<'_, R> {
    pub(super) fn set_schedule(
        &mut self,
        schedule: &Arc<Schedule>,
        enabled: bool,
        next: Option<Timestamp>,
    ) -> Result<(), R::Error> {
        let name = &schedule.name;
        let known = self.rows.schedule_state(name)?;
        let next = next.filter(|_| enabled);
        let fact = match known {
            None => ScheduleFact::Created { next },
            Some(_) => ScheduleFact::Updated { next },
        };
        let before = known.unwrap_or_else(|| ScheduleState {
            name: name.clone(),
            overlap: schedule.overlap,
            revision: 0,
            enabled,
            next,
            created_at: self.now,
            updated_at: self.now,
            runs: Vec::new(),
            counts: ScheduleCounts::default(),
        });
        let state = ScheduleState {
            overlap: schedule.overlap,
            revision: before.revision + 1,
            enabled,
            next,
            updated_at: self.now,
            ..before
        };
        self.rows.define(schedule, state)?;
        self.emit(Fact::Schedule(name.clone(), fact))
    }

    /// Keeps the next time of a schedule that fired while the definition was computed.
    pub(super) fn redefine_schedule(
        &mut self,
        schedule: &Arc<Schedule>,
        enabled: bool,
        next: Option<Timestamp>,
        revision: u64,
    ) -> Result<(), R::Error> {
        match self.rows.schedule_state(&schedule.name)? {
            Some(state) if state.revision == revision => {
                self.set_schedule(schedule, enabled, state.next.or(next))
            }
            _ => {
                self.refuse_as_stale();
                Ok(())
            }
        }
    }

    /// A schedule that is enabled already keeps its next time: it may have fired meanwhile.
    pub(super) fn enable_schedule(
        &mut self,
        name: &Name,
        enabled: bool,
        next: Option<Timestamp>,
    ) -> Result<(), R::Error> {
        let Some(before) = self.rows.schedule_state(name)? else {
            self.applied.result = ChangeResult::NotFound;
            return Ok(());
        };
        if before.enabled == enabled {
            return Ok(());
        }
        let next = next.filter(|_| enabled);
        let revision = before.revision + 1;
        self.rows.set_schedule_state(ScheduleState { enabled, next, revision, ..before })?;
        let fact = match enabled {
            true => ScheduleFact::Enabled { next },
            false => ScheduleFact::Disabled,
        };
        self.emit(Fact::Schedule(name.clone(), fact))
    }

    pub(super) fn delete_schedule(&mut self, name: &Name) -> Result<(), R::Error> {
        if !self.rows.drop_schedule(name)? {
            self.applied.result = ChangeResult::NotFound;
            return Ok(());
        }
        self.emit(Fact::Schedule(name.clone(), ScheduleFact::Deleted))
    }

    pub(super) fn fire(&mut self, firing: &Firing) -> Result<(), R::Error> {
        let name = &firing.name;
        let state = self.rows.schedule_state(name)?.filter(|state| {
            state.enabled && state.revision == firing.revision && state.next == Some(firing.due)
        });
        let Some(mut state) = state else {
            self.refuse_as_stale();
            return Ok(());
        };
        let mut entered = Vec::with_capacity(firing.runs.len());
        for (at, run) in &firing.runs {
            let at = *at;
            // A definition computed before this run reset the next time to an occurrence that
            // already ran.
            if state.has_run(&run.task.id) {
                entered.push(false);
                continue;
            }
            if state.overlap == Overlap::Skip && state.is_running() {
                state.counts.skipped += 1;
                let skipped = ScheduleFact::Skipped { occurrence: at };
                self.emit(Fact::Schedule(name.clone(), skipped))?;
                entered.push(false);
                continue;
            }
            if state.overlap == Overlap::Replace && state.is_running() {
                state = self.stop_runs(state)?;
            }
            let occurrence = Occurrence { at, run, manual: false };
            let result = self.insert_run(&mut state, &occurrence)?;
            entered.push(matches!(result, ChangeResult::Inserted(_)));
            if let Some(failure) = refusal(&result) {
                state.counts.failed += 1;
                let (task, failure) = (run.task.id.clone(), Arc::new(failure));
                let failed = ScheduleFact::Failed { occurrence: at, task, failure };
                self.emit(Fact::Schedule(name.clone(), failed))?;
            }
        }
        if let Some((count, last)) = firing.missed {
            state.counts.missed += count;
            self.emit(Fact::Schedule(name.clone(), ScheduleFact::Missed { count, last }))?;
        }
        state.next = firing.next;
        self.rows.set_schedule_state(state)?;
        self.applied.result = ChangeResult::Fired { entered };
        Ok(())
    }

    /// Runs a schedule beside its rule, whatever its overlap policy. A refused insert leaves no
    /// trace.
    pub(super) fn trigger(
        &mut self,
        name: &Name,
        at: Timestamp,
        run: &Insert,
    ) -> Result<(), R::Error> {
        let Some(mut state) = self.rows.schedule_state(name)? else {
            self.applied.result = ChangeResult::NotFound;
            return Ok(());
        };
        let occurrence = Occurrence { at, run, manual: true };
        self.applied.result = self.insert_run(&mut state, &occurrence)?;
        if let ChangeResult::Inserted(_) = self.applied.result {
            self.rows.set_schedule_state(state)?;
        }
        Ok(())
    }

    fn insert_run(
        &mut self,
        state: &mut ScheduleState,
        occurrence: &Occurrence<'_>,
    ) -> Result<ChangeResult, R::Error> {
        let Occurrence { at, run, manual } = *occurrence;
        let task = run.task.id.clone();
        // A repeated firing finds the run, and does not count it again.
        let is_new = self.rows.sequence_of(&task)?.is_none();
        let result = self.insert(run, None)?;
        if is_new && matches!(result, ChangeResult::Inserted(_)) {
            state.counts.executed += 1;
            state.remember(ScheduleRun {
                occurrence: at,
                accepted_at: self.now,
                task: task.clone(),
                manual,
                ended: None,
            });
            let executed = ScheduleFact::Executed { occurrence: at, task, manual };
            self.emit(Fact::Schedule(state.name.clone(), executed))?;
        }
        Ok(result)
    }

    /// Cancels the unfinished runs, and returns the state after that.
    fn stop_runs(&mut self, state: ScheduleState) -> Result<ScheduleState, R::Error> {
        let name = state.name.clone();
        let unfinished = state.runs.iter().filter(|run| run.ended.is_none());
        let unfinished: Vec<TaskId> = unfinished.map(|run| run.task.clone()).collect();
        // The ends below update the stored state.
        self.rows.set_schedule_state(state)?;
        let reason = format!("replaced by the next run of schedule {name}");
        for task in unfinished {
            let Some(sequence) = self.rows.sequence_of(&task)? else { continue };
            if self.row(sequence)?.state.has_ended() {
                continue;
            }
            if let Some(fence) = self.stop_task(sequence, &reason)? {
                self.applied.signals.push((fence, reason.clone()));
            }
        }
        self.notify_dependants()?;
        Ok(self.rows.schedule_state(&name)?.expect("only its runs have changed"))
    }

    /// Records the outcome of a task that is a remembered run.
    pub(super) fn run_ended(&mut self, ended: &Ended) -> Result<(), R::Error> {
        let Some((mut state, at)) = self.run_of(&ended.task)? else { return Ok(()) };
        let outcome = &ended.outcome;
        let run = &mut state.runs[at];
        run.ended = Some((outcome.state(), outcome.ended_at));
        let (name, occurrence) = (state.name.clone(), run.occurrence);
        // A cancelled run is no failure.
        let failure = match outcome.state() {
            State::Failed | State::Expired => outcome.failure(),
            _ => None,
        };
        state.counts.failed += u64::from(failure.is_some());
        self.rows.set_schedule_state(state)?;
        let Some(failure) = failure else { return Ok(()) };
        let (task, failure) = (ended.task.id.clone(), Arc::new(failure));
        let failed = ScheduleFact::Failed { occurrence, task, failure };
        self.emit(Fact::Schedule(name, failed))
    }

    /// Marks a retried task that is a remembered run as unfinished again.
    pub(super) fn run_retried(&mut self, task: &Task) -> Result<(), R::Error> {
        let Some((mut state, at)) = self.run_of(task)? else { return Ok(()) };
        state.runs[at].ended = None;
        self.rows.set_schedule_state(state)
    }

    /// The schedule that remembers the task as a run, and the index of the run.
    fn run_of(&mut self, task: &Task) -> Result<Option<(ScheduleState, usize)>, R::Error> {
        let Some(name) = schedule_of(task) else { return Ok(None) };
        let Some(state) = self.rows.schedule_state(&name)? else { return Ok(None) };
        let at = state.runs.iter().position(|run| run.task == task.id);
        Ok(at.map(|at| (state, at)))
    }
}

/// The schedule that the task's initiator names.
fn schedule_of(task: &Task) -> Option<Name> {
    let labels = task.options.labels.as_ref()?;
    let name = labels.initiator.strip_prefix(RUN_INITIATOR)?;
    Name::parse(name, "initiator").ok()
}

/// Why a run was not inserted; `None`: it was.
fn refusal(result: &ChangeResult) -> Option<Failure> {
    let (code, message) = match result {
        ChangeResult::Inserted(_) => return None,
        ChangeResult::IdConflict(known) => {
            (Code::IdTaken, format!("task {} has the id already", known.task.id))
        }
        ChangeResult::UniqueConflict { first, .. } => {
            (Code::UniqueTaken, format!("unique key is held by task {}", first.task.id))
        }
        ChangeResult::UniqueRefused => {
            (Code::UniqueTaken, "unique key is held by another task".to_owned())
        }
        ChangeResult::Unmet { dependency, problem } => {
            let why = match problem {
                DependencyProblem::Unknown => "does not exist".to_owned(),
                DependencyProblem::Unfinished => "has not ended".to_owned(),
                DependencyProblem::Failed(state) => format!("ended {state}"),
            };
            (Code::DependencyUnmet, format!("dependency {dependency} {why}"))
        }
        other => (Code::Internal, format!("unexpected result {other:?}: a bug")),
    };
    Some(Failure { code, message })
}
