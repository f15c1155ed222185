//! Dependencies: who has to wait for whom, and what the end of one means for the others.

use super::tables::Tables;
use crate::clock::Timestamp;
use crate::error::Code;
use crate::models::{Ending, Failure, OnDependencyFailure, Sequence, State, TaskId};
use crate::store::{Applied, DependencyProblem, Insert, RELEASE_SLICE, Verdict};

impl Tables {
    /// The dependencies that a new task has to wait for; or why it may not enter.
    pub(super) fn unfinished_parents(&self, insert: &Insert) -> Result<Vec<Sequence>, Verdict> {
        let options = &insert.task.options;
        let mut parents = Vec::new();
        for dependency in &insert.deps {
            let unmet = |problem| Err(Verdict::Unmet { dependency: dependency.clone(), problem });
            let Some(sequence) = self.ids.get(dependency) else {
                return unmet(DependencyProblem::Unknown);
            };
            let state = self.rows[sequence].state;
            if !state.has_ended() {
                if !options.wait_for_dependencies {
                    return unmet(DependencyProblem::Unfinished);
                }
                // A dependency that is named twice is waited for once.
                if !parents.contains(sequence) {
                    parents.push(*sequence);
                }
            } else if state != State::Succeeded
                && options.on_dependency_failure == OnDependencyFailure::Fail
            {
                return unmet(DependencyProblem::EndedBadly(state));
            }
        }
        Ok(parents)
    }

    /// Tells dependants of tasks that ended, transitively, up to `limit` of them.
    pub(super) fn release(&mut self, limit: usize, now: Timestamp, applied: &mut Applied) {
        let mut left = limit;
        while let Some(&parent) = self.releases.front() {
            let row = &self.rows[&parent];
            let well = row.state == State::Succeeded;
            let id = row.task.id.clone();
            while let Some(child) = self.next_dependant(parent) {
                if left == 0 {
                    self.dependants.entry(parent).or_default().insert(child);
                    applied.more = true;
                    return;
                }
                left -= 1;
                self.parent_ended(child, &id, well, now, applied);
            }
            self.dependants.remove(&parent);
            self.releases.pop_front();
            self.keep(parent);
        }
    }

    fn next_dependant(&mut self, parent: Sequence) -> Option<Sequence> {
        self.dependants.get_mut(&parent)?.pop_last()
    }

    /// A task that ended waits for nobody: its parents, which may live long, forget it.
    pub(super) fn stop_waiting(
        &mut self,
        child: Sequence,
        parents: &[Sequence],
        foreign: &[TaskId],
    ) {
        for parent in parents {
            // Of a parent that has ended, the dependants are being told already.
            let unfinished = self.rows.get(parent).is_some_and(|row| row.ended.is_none());
            if let Some(children) = self.dependants.get_mut(parent).filter(|_| unfinished) {
                children.remove(&child);
                if children.is_empty() {
                    self.dependants.remove(parent);
                }
            }
        }
        for parent in foreign {
            if let Some(children) = self.foreign.get_mut(parent) {
                children.remove(&child);
                if children.is_empty() {
                    self.foreign.remove(parent);
                }
            }
        }
    }

    /// Whether every list of dependants is empty, as it is when everything has ended.
    #[cfg(test)]
    pub(crate) fn nobody_waits(&self) -> bool {
        self.dependants.is_empty() && self.foreign.is_empty() && self.releases.is_empty()
    }

    /// Whether anybody here waits for that task of another store.
    pub fn waits_for(&self, id: &TaskId) -> bool {
        self.foreign.contains_key(id)
    }

    /// A dependency that lives in another store ended.
    pub(super) fn foreign_ended(
        &mut self,
        id: &TaskId,
        well: bool,
        now: Timestamp,
        applied: &mut Applied,
    ) {
        for child in self.foreign.remove(id).unwrap_or_default() {
            self.parent_ended(child, id, well, now, applied);
        }
        self.release(RELEASE_SLICE, now, applied);
    }

    fn parent_ended(
        &mut self,
        child: Sequence,
        parent: &TaskId,
        well: bool,
        now: Timestamp,
        applied: &mut Applied,
    ) {
        // It may have been cancelled or have expired meanwhile.
        let Some(row) = self.rows.get_mut(&child).filter(|row| !row.state.has_ended()) else {
            return;
        };
        // Children that a task was expanded into are its own to judge.
        let judges_itself = row.task.options.on_dependency_failure == OnDependencyFailure::Run
            || row.children.contains(parent);
        if !well && !judges_itself {
            let failure = Failure {
                code: Code::DependencyFailed,
                message: format!("dependency {parent} ended badly"),
            };
            self.end(child, Ending::Failed(failure), now, applied);
            return;
        }
        row.unmet -= 1;
        if row.unmet == 0 && row.due.is_none() && row.state == State::Pending {
            self.queue(child, now);
            applied.ready.push(self.rows[&child].ready());
        }
    }
}
