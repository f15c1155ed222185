//! The check of a new task's dependencies.

use super::Waiter;
use super::active::{ActiveTasks, Phase};
use crate::cache::ResultsCache;
use crate::error::{Code, Error};
use crate::models::{Durability, OnDependencyFailure, State, Task, TaskId};
use crate::store::DependencyProblem;
use crate::store::memory::Tables;

/// What the dependencies of an admitted task mean for its insert.
#[derive(Default)]
pub(super) struct DependencyCheck {
    /// Whether every dependency has ended.
    pub(super) none_unfinished: bool,
    /// The dependencies that the store of the task checks again in its transaction.
    pub(super) here: Vec<TaskId>,
    /// Unfinished dependencies in the other store.
    pub(super) foreign: Vec<TaskId>,
}

/// The tasks that the core knows.
pub(super) struct KnownTasks<'a, W> {
    pub(super) cache: &'a ResultsCache,
    pub(super) ephemeral: &'a Tables,
    pub(super) active: &'a ActiveTasks<W>,
}

impl<W: Waiter> KnownTasks<'_, W> {
    /// Checks the dependencies of a new task; `None` if they have to be read again.
    ///
    /// # Errors
    /// `DEPENDENCY_UNMET`.
    pub(super) fn check(
        &self,
        task: &Task,
        deps: Vec<(TaskId, Option<State>)>,
        were_inserting: &[TaskId],
    ) -> Result<Option<DependencyCheck>, Error> {
        let mut check = DependencyCheck { none_unfinished: true, ..DependencyCheck::default() };
        for (id, stored) in deps {
            if self.cache.get(&id).is_some_and(|ended| is_met(task, ended.outcome.state())) {
                continue;
            }
            let ephemeral = self.ephemeral.knows(&id)
                || self.active.get(&id).is_some_and(|active| {
                    active.durability == Durability::Ephemeral && active.phase != Phase::Reserved
                });
            // Its insert is written before the insert of this task.
            let inserting = self.active.is_inserting(&id);
            let problem = match stored {
                _ if ephemeral || inserting => Some(DependencyProblem::Unfinished),
                None => match self.cache.get(&id) {
                    Some(ended) => Some(DependencyProblem::Failed(ended.outcome.state())),
                    // It was stored while the store was read, or just after.
                    None if were_inserting.contains(&id) => return Ok(None),
                    None => Some(DependencyProblem::Unknown),
                },
                Some(state) if !state.has_ended() => Some(DependencyProblem::Unfinished),
                Some(state) if !is_met(task, state) => Some(DependencyProblem::Failed(state)),
                Some(_) => None,
            };
            match problem {
                Some(DependencyProblem::Unfinished) if task.options.wait_for_dependencies => {
                    check.none_unfinished = false;
                    match (task.options.durability, ephemeral) {
                        (Durability::Durable, true) => {
                            return Err(Error::new(
                                Code::DependencyUnmet,
                                format!("a durable task cannot wait for {id}, which is ephemeral"),
                            ));
                        }
                        (Durability::Ephemeral, false) => check.foreign.push(id),
                        // Its inline handler runs on another thread and ends in a moment.
                        (Durability::Ephemeral, true) if !self.ephemeral.knows(&id) => {
                            return Ok(None);
                        }
                        _ => check.here.push(id),
                    }
                }
                Some(problem) => return Err(unmet(&id, problem)),
                None if task.options.durability == Durability::Durable => check.here.push(id),
                None => {}
            }
        }
        Ok(Some(check))
    }
}

fn is_met(task: &Task, state: State) -> bool {
    state == State::Succeeded
        || state.has_ended() && task.options.on_dependency_failure == OnDependencyFailure::Run
}

/// The refusal of a task because of a dependency.
pub(crate) fn unmet(dependency: &TaskId, problem: DependencyProblem) -> Error {
    let why = match problem {
        DependencyProblem::Unknown => "is not known".to_owned(),
        DependencyProblem::Unfinished => {
            "has not ended; set options.wait_for_dependencies to wait for it".to_owned()
        }
        DependencyProblem::Failed(state) => format!("ended {state}"),
    };
    Error::new(Code::DependencyUnmet, format!("dependency {dependency} {why}"))
}
