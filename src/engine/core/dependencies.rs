//! What the dependencies of a new task mean for it.

use super::active::Phase;
use super::{Core, Waiter};
use crate::error::{Code, Error};
use crate::models::{Durability, OnDependencyFailure, State, Task, TaskId};
use crate::store::DependencyProblem;

#[derive(Default)]
pub(super) struct DependencyCheck {
    /// All have ended.
    pub(super) none_unfinished: bool,
    /// Those that the task's own store is to look at.
    pub(super) here: Vec<TaskId>,
    /// Unfinished ones in the other store.
    pub(super) foreign: Vec<TaskId>,
}

impl<W: Waiter> Core<W> {
    /// Whether its insert is on its way to the store.
    pub(super) fn is_inserting(&self, id: &TaskId) -> bool {
        self.active.get(id).is_some_and(|active| active.phase == Phase::Inserting)
    }

    /// What the dependencies of a new task mean for it; `None` if they have to be looked at again.
    pub(super) fn check_dependencies(
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
            // What comes in ahead of this task is stored ahead of it, too.
            let inserting = self.is_inserting(&id);
            let problem = match stored {
                _ if ephemeral || inserting => Some(DependencyProblem::Unfinished),
                None => match self.cache.get(&id) {
                    Some(ended) => Some(DependencyProblem::Failed(ended.outcome.state())),
                    // It came in while the store was read, or just after.
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
                        // An inline body, at work on another thread: it will be over in a moment.
                        (Durability::Ephemeral, true) if !self.ephemeral.knows(&id) => {
                            return Ok(None);
                        }
                        _ => check.here.push(id),
                    }
                }
                Some(problem) => return Err(unmet(&id, problem)),
                // The store looks again in its transaction; it holds the durable ones.
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

/// A dependency forbids the task.
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
