//! What people ask for: listings, cancels, and changes to what has ended.

use std::sync::Arc;

use ahash::{HashSet, HashSetExt};
use tokio::sync::oneshot;

use super::core::{self, Answer, unmet};
use super::submit::HAND_IN;
use super::{Caller, Engine, not_found};
use crate::error::{Code, Error};
use crate::models::{
    AdminResult, ArgValue, CancelRequest, CancelVerdict, LogLine, Purged, Sequence, Snapshot,
    State, TaskFilter, TaskId, TaskPage,
};
use crate::store::{Change, ChangeResult};

/// The most tasks that one cancel or purge by what they are takes: all are answered, in one message.
const MAX_MATCHED: usize = 10_000;
/// How many of them it reads at a time.
const MATCH_PAGE: usize = 1_000;

impl Engine {
    /// Tasks that match, newest first, from before `before` on, at most `limit`. A page can be short
    /// although there are more.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn list(
        &self,
        filter: &TaskFilter,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<TaskPage, Error> {
        // The durable ones last: one that comes in meanwhile is newer than all that is asked for.
        let ephemeral = self.0.core.lock().ephemeral().list(filter, before, limit);
        let stored = self.0.store.list(filter, before, limit).await?;
        Ok(merge(ephemeral, stored, limit))
    }

    /// Up to `limit` lines of a task's log whose numbers are greater than `after`.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn logs(&self, id: &TaskId, after: u32, limit: usize) -> Result<Vec<LogLine>, Error> {
        let ephemeral = {
            let core = self.0.core.lock();
            let tasks = core.ephemeral();
            tasks.knows(id).then(|| tasks.log(id, after, limit))
        };
        match ephemeral {
            Some(lines) => Ok(lines),
            None => Ok(self.0.store.logs(id, after, limit).await?),
        }
    }

    /// Cancels tasks, by id and by what they are. One answer each, in the order asked, however often
    /// one is named.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`; what was cancelled before that stays cancelled.
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
        let mut asked = Vec::with_capacity(ids.len());
        for id in ids {
            let (sender, receiver) = Caller::new();
            let reason = if reason.is_empty() { "cancelled".to_owned() } else { reason.clone() };
            self.0.act(|core, now, out| core.cancel(id.clone(), reason, sender, now, out));
            asked.push((id, receiver));
        }
        let mut verdicts = Vec::with_capacity(asked.len());
        for (id, receiver) in asked {
            match receiver.await {
                Ok(Answer::Cancel(verdict)) => verdicts.push((id, verdict)),
                Ok(Answer::Refused(error)) => return Err(error),
                Ok(answer) => unreachable!("{answer:?} is no answer to a cancel"),
                Err(_) => return Err(core::draining()),
            }
        }
        Ok(verdicts)
    }

    /// Up to 10,000 tasks that match, and whether there may be more.
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

    /// Runs a task that has ended once more, with all its retries.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`; `WRONG_STATE` when it has not ended, or is ephemeral and so cannot come back;
    /// `DEPENDENCY_UNMET`, `UNIQUE_TAKEN`, `STORE_UNAVAILABLE`.
    pub async fn retry(&self, id: &TaskId, reason: String) -> Result<AdminResult, Error> {
        self.change(id, Change::RetryEnded { id: id.clone(), reason }).await
    }

    /// Gives a task that has ended badly a result by hand; one that was resolved, another.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`; `WRONG_STATE` when it has not ended, has ended well, or is ephemeral;
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
        match self.by_hand(change).await? {
            ChangeResult::Changed { state, retried_dependants, .. } => {
                Ok(AdminResult { state, retried_dependants })
            }
            ChangeResult::WrongState(state) => Err(not_ended(id, state)),
            ChangeResult::UniqueRefused => {
                let why = "its unique key belongs to another task by now";
                Err(Error::new(Code::UniqueTaken, why))
            }
            ChangeResult::Unmet { dependency, problem } => Err(unmet(&dependency, problem)),
            _ => Err(self.not_stored(id)),
        }
    }

    /// Why a task that the store does not have cannot be changed.
    fn not_stored(&self, id: &TaskId) -> Error {
        if self.0.core.lock().find(id).0.is_some() || self.0.cache.get(id).is_some() {
            let why = format!("task {id} is ephemeral: it cannot be changed after its end");
            return Error::new(Code::WrongState, why);
        }
        not_found(id)
    }

    /// Forgets tasks that have ended: of those named, or of all, those that match; of all, up to
    /// 10,000. What has not ended, or is needed by a task that has not, stays.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`; what was forgotten before that is forgotten.
    pub async fn purge(
        &self,
        ids: Vec<TaskId>,
        matching: Option<TaskFilter>,
    ) -> Result<Purged, Error> {
        let (ids, more) = match matching {
            None => (ids, false),
            Some(filter) if ids.is_empty() => self.matching(&filter).await?,
            Some(filter) => (self.those_that_match(ids, &filter).await?, false),
        };
        let mut asked = Vec::with_capacity(ids.len());
        for some in ids.chunks(HAND_IN) {
            self.0.act(|core, _, out| {
                for id in some {
                    let (sender, receiver) = Caller::new();
                    core.admin_write(Change::Purge { id: id.clone() }, sender, out);
                    asked.push(receiver);
                }
            });
        }
        let mut purged = 0;
        for (id, receiver) in ids.iter().zip(asked) {
            match receiver.await {
                Ok(Answer::Result(ChangeResult::Done)) => purged += 1,
                // Of an ephemeral task that has ended, only the cache knows.
                Ok(Answer::Result(ChangeResult::NotFound))
                    if !self.0.core.lock().active.contains(id) =>
                {
                    purged += u64::from(self.0.cache.get(id).is_some());
                    self.0.cache.remove(id);
                }
                Ok(Answer::Result(_)) => {}
                Ok(Answer::Refused(error)) => return Err(error),
                Ok(answer) => unreachable!("{answer:?} is no answer to a purge"),
                Err(_) => return Err(core::draining()),
            }
        }
        // Where nothing could go, asking again would not help.
        Ok(Purged { purged, more: more && purged > 0 })
    }

    async fn those_that_match(
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

    pub(super) async fn by_hand(&self, change: Change) -> Result<ChangeResult, Error> {
        let (sender, receiver) = Caller::new();
        self.0.act(|core, _, out| core.admin_write(change, sender, out));
        said(receiver).await
    }
}

/// What the store said to something that people did.
pub(super) async fn said(receiver: oneshot::Receiver<Answer>) -> Result<ChangeResult, Error> {
    match receiver.await {
        Ok(Answer::Result(verdict)) => Ok(verdict),
        Ok(Answer::Refused(error)) => Err(error),
        Ok(answer) => unreachable!("{answer:?} is no answer to people"),
        Err(_) => Err(core::draining()),
    }
}

/// What a store says to no change of that kind.
pub(super) fn unexpected(result: &ChangeResult) -> Error {
    Error::new(Code::Internal, format!("the store said {result:?}"))
}

fn not_ended(id: &TaskId, state: State) -> Error {
    let why = match state {
        State::Succeeded => format!("task {id} has succeeded; only what ended badly is resolved"),
        _ => format!("task {id} is {state}; only what has ended can be changed so"),
    };
    Error::new(Code::WrongState, why)
}

/// Two listings as one, newest first.
fn merge(one: TaskPage, other: TaskPage, limit: usize) -> TaskPage {
    // Where one broke off, the other is only good down to there.
    let reached = [one.next, other.next].into_iter().flatten().max();
    let mut tasks = one.tasks;
    tasks.extend(other.tasks);
    tasks.retain(|task| task.sequence >= reached);
    tasks.sort_by_key(|task| std::cmp::Reverse(task.sequence));
    let mut next = reached;
    if tasks.len() > limit {
        tasks.truncate(limit);
        next = tasks.last().and_then(|task| task.sequence);
    }
    TaskPage { tasks, next }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::models::{Ended, Ending, Outcome};

    fn page(sequences: &[u64], next: Option<u64>) -> TaskPage {
        let of = |sequence: &u64| {
            let mut snapshot = Snapshot::of_ended(&ended());
            snapshot.sequence = Some(Sequence(*sequence));
            snapshot
        };
        TaskPage { tasks: sequences.iter().map(of).collect(), next: next.map(Sequence) }
    }

    fn ended() -> Ended {
        let outcome = Outcome {
            ending: Ending::Expired,
            attempts: 0,
            started_at: None,
            ended_at: Timestamp::EPOCH,
        };
        Ended { task: Arc::new(crate::models::TaskMaker::new("a").make()), outcome }
    }

    fn merged(one: TaskPage, other: TaskPage, limit: usize) -> (Vec<u64>, Option<u64>) {
        let TaskPage { tasks, next } = merge(one, other, limit);
        let sequences = tasks.iter().filter_map(|task| Some(task.sequence?.0));
        (sequences.collect(), next.map(|next| next.0))
    }

    #[test]
    fn two_listings_are_one_and_nothing_is_lost_between_pages() {
        let check = |one: TaskPage, other: TaskPage, limit, expected: (Vec<u64>, Option<u64>)| {
            assert_eq!(merged(one.clone(), other.clone(), limit), expected);
            assert_eq!(merged(other, one, limit), expected);
        };
        check(page(&[9, 5], None), page(&[7, 6], None), 9, (vec![9, 7, 6, 5], None));
        // One looked down to 6 only: what the other has below comes with the next page.
        check(page(&[9, 5], None), page(&[7, 6], Some(6)), 9, (vec![9, 7, 6], Some(6)));
        check(page(&[9, 8], Some(8)), page(&[7, 6], Some(6)), 9, (vec![9, 8], Some(8)));
        check(page(&[9, 5], None), page(&[7, 6], None), 3, (vec![9, 7, 6], Some(6)));
        check(page(&[], Some(4)), page(&[7, 3], None), 3, (vec![7], Some(4)));
    }
}
