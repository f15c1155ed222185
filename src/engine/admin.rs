//! Operators' changes to tasks: cancel, retry, resolve, purge.

use std::sync::Arc;

use ahash::{HashSet, HashSetExt};

use super::core::{self, Answer, unmet};
use super::find::not_found;
use super::reply::change_result;
use super::submit::SUBMIT_BATCH;
use super::{Caller, Engine};
use crate::error::{Code, Error};
use crate::models::{
    AdminResult, ArgValue, CancelRequest, CancelVerdict, Purged, Snapshot, State, TaskFilter,
    TaskId,
};
use crate::store::{Change, ChangeResult};

/// The most tasks that a cancel or a purge by filter changes: one message holds the answers for all.
const MAX_MATCHED: usize = 10_000;
/// How many of these tasks are read at a time.
const MATCH_PAGE: usize = 1_000;

impl Engine {
    /// Cancels tasks, by id and by filter. Returns one verdict for each distinct id, in the order of the
    /// request, then of the filter's listing. A filter cancels at most 10,000 tasks.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`; some tasks may be cancelled already.
    pub async fn cancel(
        &self,
        request: CancelRequest,
    ) -> Result<Vec<(TaskId, CancelVerdict)>, Error> {
        let CancelRequest { mut ids, matching, reason } = request;
        if let Some(filter) = matching {
            ids.extend(self.matching(&filter).await?.0);
        }
        let mut seen = HashSet::with_capacity(ids.len());
        ids.retain(|id| seen.insert(id.clone()));
        let mut pending = Vec::with_capacity(ids.len());
        for id in ids {
            let (sender, receiver) = Caller::new();
            let reason = if reason.is_empty() { "cancelled".to_owned() } else { reason.clone() };
            self.0.act(|core, now, out| core.cancel(id.clone(), reason, sender, now, out));
            pending.push((id, receiver));
        }
        let mut verdicts = Vec::with_capacity(pending.len());
        for (id, receiver) in pending {
            match receiver.await {
                Ok(Answer::Cancel(verdict)) => verdicts.push((id, verdict)),
                Ok(Answer::Refused(error)) => return Err(error),
                Ok(answer) => unreachable!("{answer:?} does not answer a cancel"),
                Err(_) => return Err(core::draining()),
            }
        }
        Ok(verdicts)
    }

    /// The ids of up to 10,000 tasks that match, and whether there may be more.
    async fn matching(&self, filter: &TaskFilter) -> Result<(Vec<TaskId>, bool), Error> {
        let mut ids = Vec::new();
        let mut before = None;
        loop {
            let room = MATCH_PAGE.min(MAX_MATCHED - ids.len());
            let page = self.list(filter, before, room).await?;
            ids.extend(page.tasks.into_iter().map(|snapshot| snapshot.task.id.clone()));
            before = page.next;
            if before.is_none() || ids.len() == MAX_MATCHED {
                return Ok((ids, before.is_some()));
            }
        }
    }

    /// Retries a task that has ended: it runs again with all its retries.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`; `WRONG_STATE` when the task has not ended, or is ephemeral;
    /// `DEPENDENCY_UNMET`, `UNIQUE_TAKEN`, `STORE_UNAVAILABLE`.
    pub async fn retry(&self, id: &TaskId, reason: String) -> Result<AdminResult, Error> {
        self.change(id, Change::RetryEnded { id: id.clone(), reason }).await
    }

    /// Resolves a failed task manually: it becomes `SUCCEEDED` with this result. A task that was
    /// resolved before gets the new result.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`; `WRONG_STATE` when the task has not ended, has succeeded, or is ephemeral;
    /// `STORE_UNAVAILABLE`.
    pub async fn resolve(
        &self,
        id: &TaskId,
        result: ArgValue,
        reason: String,
    ) -> Result<AdminResult, Error> {
        let result = Arc::new(result);
        self.change(id, Change::Resolve { id: id.clone(), result, reason }).await
    }

    async fn change(&self, id: &TaskId, change: Change) -> Result<AdminResult, Error> {
        match self.admin_write(change).await? {
            ChangeResult::Changed { state, retried_dependants, .. } => {
                Ok(AdminResult { state, retried_dependants })
            }
            ChangeResult::WrongState(state) => Err(wrong_state(id, state)),
            ChangeResult::UniqueRefused => {
                let why = format!("the unique key of task {id} is held by another task now");
                Err(Error::new(Code::UniqueTaken, why))
            }
            ChangeResult::Unmet { dependency, problem } => Err(unmet(&dependency, problem)),
            _ => Err(self.not_stored(id)),
        }
    }

    /// The error for a task that the store does not have.
    fn not_stored(&self, id: &TaskId) -> Error {
        if self.0.core.lock().find(id).0.is_some() || self.0.cache.get(id).is_some() {
            let why = format!("task {id} is ephemeral: it cannot be changed after its end");
            return Error::new(Code::WrongState, why);
        }
        not_found(id)
    }

    /// Purges ended tasks: those of `ids`, or of all tasks, that match the filter. Without ids it purges
    /// at most 10,000. Keeps tasks that have not ended, and those that an unfinished task depends on.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`; some tasks may be purged already.
    pub async fn purge(
        &self,
        ids: Vec<TaskId>,
        matching: Option<TaskFilter>,
    ) -> Result<Purged, Error> {
        let (ids, more) = match matching {
            None => (ids, false),
            Some(filter) if ids.is_empty() => self.matching(&filter).await?,
            Some(filter) => (self.retain_matching(ids, &filter).await?, false),
        };
        let mut pending = Vec::with_capacity(ids.len());
        for batch in ids.chunks(SUBMIT_BATCH) {
            self.0.act(|core, _, out| {
                for id in batch {
                    let (sender, receiver) = Caller::new();
                    core.admin_write(Change::Purge { id: id.clone() }, sender, out);
                    pending.push(receiver);
                }
            });
        }
        let mut purged = 0;
        for (id, receiver) in ids.iter().zip(pending) {
            match change_result(receiver).await? {
                ChangeResult::Done => purged += 1,
                // Only the cache has ephemeral tasks that have ended.
                ChangeResult::NotFound if !self.0.core.lock().active.contains(id) => {
                    purged += u64::from(self.0.cache.get(id).is_some());
                    self.0.cache.remove(id);
                }
                _ => {}
            }
        }
        // If nothing could be purged, another call with the same filter would not help.
        Ok(Purged { purged, more: more && purged > 0 })
    }

    async fn retain_matching(
        &self,
        ids: Vec<TaskId>,
        filter: &TaskFilter,
    ) -> Result<Vec<TaskId>, Error> {
        let found = self.0.store.find(&ids).await?;
        let matches = |snapshot: &Snapshot| {
            let ended_at = snapshot.outcome.as_ref().map(|outcome| outcome.ended_at);
            filter.matches(&snapshot.task, snapshot.state, ended_at)
        };
        let found = ids.into_iter().zip(found);
        Ok(found.filter(|(_, it)| it.as_ref().is_some_and(matches)).map(|(id, _)| id).collect())
    }

    /// Has the store make one change that no attempt makes, and waits for its result.
    pub(super) async fn admin_write(&self, change: Change) -> Result<ChangeResult, Error> {
        let (sender, receiver) = Caller::new();
        self.0.act(|core, _, out| core.admin_write(change, sender, out));
        change_result(receiver).await
    }
}

fn wrong_state(id: &TaskId, state: State) -> Error {
    let why = match state {
        State::Succeeded => format!("task {id} has succeeded; expected a task that failed"),
        _ => format!("task {id} is {state}; expected a task that has ended"),
    };
    Error::new(Code::WrongState, why)
}
