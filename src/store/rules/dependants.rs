//! Dependencies: which tasks a task waits for, and what the end of one means for the others.

use super::{Parent, Rows, Transition};
use crate::error::Code;
use crate::models::{
    Ending, Fact, Failure, OnDependencyFailure, Sequence, State, Task, TaskFact, TaskId,
};
use crate::store::{ChangeResult, DependencyProblem};

impl<R: Rows> Transition<'_, R> {
    /// The unfinished dependencies; or why the task may not be inserted.
    pub(super) fn unfinished_parents(
        &mut self,
        task: &Task,
        deps: &[TaskId],
    ) -> Result<Result<Vec<Sequence>, ChangeResult>, R::Error> {
        let options = &task.options;
        let mut parents = Vec::new();
        for dependency in deps {
            let unmet =
                |problem| Ok(Err(ChangeResult::Unmet { dependency: dependency.clone(), problem }));
            let Some(sequence) = self.rows.sequence_of(dependency)? else {
                return unmet(DependencyProblem::Unknown);
            };
            let state = self.row(sequence)?.state;
            if !state.has_ended() {
                if !options.wait_for_dependencies {
                    return unmet(DependencyProblem::Unfinished);
                }
                // A dependency that is named twice counts once.
                if !parents.contains(&sequence) {
                    parents.push(sequence);
                }
            } else if state != State::Succeeded
                && options.on_dependency_failure == OnDependencyFailure::Fail
            {
                return unmet(DependencyProblem::Failed(state));
            }
        }
        Ok(Ok(parents))
    }

    /// Notifies one slice of the dependants and children of ended or retried tasks. Returns how many
    /// were retried.
    pub(super) fn notify_dependants(&mut self) -> Result<u32, R::Error> {
        self.notify_up_to(self.rows.notify_slice())
    }

    /// Notifies the dependants and children of ended or retried tasks, transitively, up to `limit`
    /// of them. Returns how many were retried.
    pub(super) fn notify_up_to(&mut self, limit: usize) -> Result<u32, R::Error> {
        let mut left = limit;
        let mut retried_dependants = 0;
        while let Some(marked) = self.rows.next_pending_dependants()? {
            let Some(row) = self.rows.get(marked)? else {
                self.rows.remove_pending_dependants(marked)?;
                continue;
            };
            let (id, state) = (row.task.id.clone(), row.state);
            let done = (!state.has_ended()
                || self.notify_waiting(marked, &id, state, &mut left)?)
                && self.retry_failed_dependants(
                    marked,
                    state,
                    &mut left,
                    &mut retried_dependants,
                )?
                && self.cancel_children(marked, &id, state, &mut left)?;
            if !done {
                self.applied.more = true;
                break;
            }
            self.rows.remove_pending_dependants(marked)?;
            self.rows.update(marked, |row| row.dependants_pending = false)?;
            self.drop_unneeded(marked)?;
        }
        Ok(retried_dependants)
    }

    /// Notifies the tasks that wait for this one. Returns `false` if the limit stopped it.
    fn notify_waiting(
        &mut self,
        parent: Sequence,
        id: &TaskId,
        state: State,
        left: &mut usize,
    ) -> Result<bool, R::Error> {
        while let Some(child) = self.rows.next_waiting(Parent::Local(parent))? {
            if *left == 0 {
                self.rows.wait(Parent::Local(parent), child)?;
                return Ok(false);
            }
            *left -= 1;
            self.parent_ended(child, id, Some(parent), state == State::Succeeded)?;
        }
        Ok(true)
    }

    /// Retries the tasks that failed only because of this one.
    fn retry_failed_dependants(
        &mut self,
        parent: Sequence,
        state: State,
        left: &mut usize,
        retried_dependants: &mut u32,
    ) -> Result<bool, R::Error> {
        if state.has_ended() && state != State::Succeeded {
            return Ok(true);
        }
        let mut after = None;
        while let Some(child) = self.rows.failed_for(parent, after)? {
            if *left == 0 {
                return Ok(false);
            }
            *left -= 1;
            after = Some(child);
            *retried_dependants += u32::from(self.retry_failed_dependant(child)?);
        }
        Ok(true)
    }

    /// Cancels the children of a task that did not succeed.
    fn cancel_children(
        &mut self,
        parent: Sequence,
        id: &TaskId,
        state: State,
        left: &mut usize,
    ) -> Result<bool, R::Error> {
        if !state.has_ended() || state == State::Succeeded {
            return Ok(true);
        }
        while let Some(child) = self.rows.next_child(parent)? {
            if *left == 0 {
                return Ok(false);
            }
            *left -= 1;
            let reason = format!("its parent {id} ended {state}");
            if let Some(fence) = self.stop_task(child, &reason)? {
                self.applied.signals.push((fence, reason));
            }
        }
        Ok(true)
    }

    /// Notifies the tasks that wait for a dependency in another store.
    pub(super) fn foreign_ended(&mut self, id: &TaskId, succeeded: bool) -> Result<(), R::Error> {
        while let Some(child) = self.rows.next_waiting(Parent::Foreign(id))? {
            self.parent_ended(child, id, None, succeeded)?;
        }
        self.notify_dependants()?;
        Ok(())
    }

    fn parent_ended(
        &mut self,
        child: Sequence,
        id: &TaskId,
        parent: Option<Sequence>,
        succeeded: bool,
    ) -> Result<(), R::Error> {
        // It may have been cancelled or have expired meanwhile.
        let Some(row) = self.rows.get(child)?.filter(|row| !row.state.has_ended()) else {
            return Ok(());
        };
        // A task reads the outcomes of children that it was expanded into itself.
        let judges_itself = row.task.options.on_dependency_failure == OnDependencyFailure::Run
            || row.children.contains(id);
        if !succeeded && !judges_itself {
            let failure = Failure {
                code: Code::DependencyFailed,
                message: format!("dependency {id} did not succeed"),
            };
            self.rows.update(child, |row| row.failed_for = parent)?;
            return self.end(child, Ending::Failed(failure));
        }
        let free = self.rows.update(child, |row| {
            row.unmet -= 1;
            row.unmet == 0 && row.due.is_none() && row.state == State::Pending
        })?;
        if free { self.queue(child, None, TaskFact::Queued) } else { Ok(()) }
    }

    /// Retries a task that failed only because of a dependency. Returns `false` if another
    /// dependency forbids it.
    fn retry_failed_dependant(&mut self, sequence: Sequence) -> Result<bool, R::Error> {
        let task = self.row(sequence)?.task.clone();
        for dep in &task.deps {
            let Some(parent) = self.rows.sequence_of(dep)? else { continue };
            let state = self.row(parent)?.state;
            if state.has_ended() && state != State::Succeeded {
                self.rows.update(sequence, |row| row.failed_for = Some(parent))?;
                return Ok(false);
            }
        }
        if let Some(unique) = task.options.unique()
            && self.unique_holder(unique)?.is_some_and(|holder| holder != sequence)
        {
            self.rows.update(sequence, |row| row.failed_for = None)?;
            return Ok(false);
        }
        self.retry_ended(sequence, "a dependency was retried or resolved")?;
        Ok(true)
    }

    /// Retries an ended task: it is queued once its unfinished dependencies have ended.
    pub(super) fn retry_ended(&mut self, sequence: Sequence, why: &str) -> Result<(), R::Error> {
        let task = self.row(sequence)?.task.clone();
        let mut unfinished = Vec::new();
        for dep in &task.deps {
            let Some(parent) = self.rows.sequence_of(dep)? else { continue };
            if !self.row(parent)?.state.has_ended() && !unfinished.contains(&parent) {
                unfinished.push(parent);
                self.rows.wait(Parent::Local(parent), sequence)?;
            }
        }
        let parents = self.retain(&task.deps)?;
        if let Some(unique) = task.options.unique() {
            self.rows.set_unique(&unique.key, Some(sequence))?;
        }
        let now = self.now;
        let waits = !unfinished.is_empty();
        self.rows.update(sequence, |row| {
            row.ended = None;
            row.fence = None;
            row.failed_for = None;
            row.resolved = false;
            row.keep_until = None;
            row.due = None;
            // The time to live was for the first start.
            row.expires_at = None;
            row.attempts_before_retry = row.attempts;
            row.crash_count = 0;
            row.children.clear();
            row.unmet = u32::try_from(unfinished.len()).unwrap_or(u32::MAX);
            row.parents = parents;
            if waits {
                row.transition_to(State::Pending, now, Some(why.to_owned()));
            }
        })?;
        self.applied.retried.push(task.clone());
        self.run_retried(&task)?;
        self.emit(Fact::Task(task, TaskFact::Retried))?;
        // Dependants that failed because of it are retried, too.
        self.mark_dependants_pending(sequence)?;
        if waits {
            return Ok(());
        }
        self.queue(sequence, Some(why.to_owned()), TaskFact::Queued)
    }
}
