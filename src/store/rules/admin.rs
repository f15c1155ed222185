//! Operations on tasks by people: cancel, retry, resolve, purge.

use std::sync::Arc;

use super::{Rows, Transition};
use crate::models::{
    ArgValue, CancelVerdict, Ended, Ending, Fact, Fence, OnDependencyFailure, Outcome, Sequence,
    State, TaskFact, TaskId,
};
use crate::store::{ChangeResult, DependencyProblem};

impl<R: Rows> Transition<'_, R> {
    pub(super) fn cancel(&mut self, id: &TaskId, reason: &str) -> Result<(), R::Error> {
        let verdict = |result, running| ChangeResult::Cancel { result, running };
        let Some(sequence) = self.rows.sequence_of(id)? else {
            self.applied.result = verdict(CancelVerdict::NotFound, None);
            return Ok(());
        };
        let row = self.row(sequence)?;
        let (state, fence) = (row.state, row.fence);
        if state.has_ended() {
            self.applied.result = verdict(CancelVerdict::AlreadyEnded(state), None);
            return Ok(());
        }
        self.stop_task(sequence, reason)?;
        self.applied.result = if state == State::Running {
            verdict(CancelVerdict::Requested, fence)
        } else {
            self.notify_dependants()?;
            verdict(CancelVerdict::Cancelled, None)
        };
        Ok(())
    }

    /// Cancels an unfinished task. A running one gets the request to cancel, once; returns the
    /// fence of the attempt to signal.
    pub(super) fn stop_task(
        &mut self,
        sequence: Sequence,
        reason: &str,
    ) -> Result<Option<Fence>, R::Error> {
        let row = self.row(sequence)?;
        if row.state != State::Running {
            self.end(sequence, Ending::Cancelled(reason.to_owned()))?;
            return Ok(None);
        }
        if row.cancel_requested.is_some() {
            return Ok(None);
        }
        let fence = row.fence;
        self.rows.update(sequence, |row| row.cancel_requested = Some(reason.to_owned()))?;
        self.emit_for(sequence, TaskFact::CancelRequested { reason: reason.into() })?;
        Ok(fence)
    }

    pub(super) fn retry_manually(&mut self, id: &TaskId, reason: &str) -> Result<(), R::Error> {
        let Some(sequence) = self.rows.sequence_of(id)? else {
            self.applied.result = ChangeResult::NotFound;
            return Ok(());
        };
        let state = self.row(sequence)?.state;
        if !state.has_ended() {
            self.applied.result = ChangeResult::WrongState(state);
            return Ok(());
        }
        if let Some(refusal) = self.refuse_retry(sequence)? {
            self.applied.result = refusal;
            return Ok(());
        }
        self.retry_ended(sequence, &history_note("retried manually", reason))?;
        let retried_dependants = self.notify_dependants()?;
        let state = self.row(sequence)?.state;
        self.applied.result = ChangeResult::Changed { state, retried_dependants, ended: None };
        Ok(())
    }

    /// Why an ended task may not run again; `None`: it may.
    pub(super) fn refuse_retry(
        &mut self,
        sequence: Sequence,
    ) -> Result<Option<ChangeResult>, R::Error> {
        let task = self.row(sequence)?.task.clone();
        if let Some(unique) = task.options.unique()
            && self.unique_holder(unique)?.is_some_and(|holder| holder != sequence)
        {
            return Ok(Some(ChangeResult::UniqueRefused));
        }
        if task.options.on_dependency_failure == OnDependencyFailure::Fail {
            for dependency in &task.deps {
                let Some(parent) = self.rows.sequence_of(dependency)? else { continue };
                let state = self.row(parent)?.state;
                if state.has_ended() && state != State::Succeeded {
                    let problem = DependencyProblem::Failed(state);
                    let dependency = dependency.clone();
                    return Ok(Some(ChangeResult::Unmet { dependency, problem }));
                }
            }
        }
        Ok(None)
    }

    pub(super) fn resolve(
        &mut self,
        id: &TaskId,
        result: &Arc<ArgValue>,
        reason: &str,
    ) -> Result<(), R::Error> {
        let Some(sequence) = self.rows.sequence_of(id)? else {
            self.applied.result = ChangeResult::NotFound;
            return Ok(());
        };
        let row = self.row(sequence)?;
        let (state, resolved) = (row.state, row.resolved);
        // A handler's result is never overwritten; a manual one can be corrected.
        if !state.has_ended() || state == State::Succeeded && !resolved {
            self.applied.result = ChangeResult::WrongState(state);
            return Ok(());
        }
        let now = self.now;
        let why = history_note("resolved manually", reason);
        let ended = self.rows.update(sequence, |row| {
            let outcome = Outcome {
                ending: Ending::Succeeded(result.clone()),
                attempts: row.attempts,
                started_at: row.started_at,
                ended_at: now,
            };
            row.transition_to(State::Succeeded, now, Some(why));
            row.resolved = true;
            row.failed_for = None;
            let ended = Arc::new(Ended { task: row.task.clone(), outcome });
            row.ended = Some(ended.clone());
            ended
        })?;
        self.emit(Fact::Task(ended.task.clone(), TaskFact::Resolved(ended.clone())))?;
        self.run_ended(&ended)?;
        self.mark_dependants_pending(sequence)?;
        let retried_dependants = self.notify_dependants()?;
        let state = State::Succeeded;
        self.applied.result =
            ChangeResult::Changed { state, retried_dependants, ended: Some(ended) };
        Ok(())
    }

    pub(super) fn purge(&mut self, id: &TaskId) -> Result<ChangeResult, R::Error> {
        let Some(sequence) = self.rows.sequence_of(id)? else { return Ok(ChangeResult::NotFound) };
        let row = self.row(sequence)?;
        let (state, needed) = (row.state, row.needed_by > 0 || row.dependants_pending);
        if !state.has_ended() {
            return Ok(ChangeResult::WrongState(state));
        }
        if needed {
            return Ok(ChangeResult::InUse);
        }
        self.purge_row(sequence)?;
        Ok(ChangeResult::Done)
    }
}

fn history_note(what: &str, reason: &str) -> String {
    if reason.is_empty() { what.to_owned() } else { format!("{what}: {reason}") }
}
