//! Reads: listings and logs of tasks, and the schedules, webhooks and outbox that deciders read through
//! the engine, which owns the store.

use std::sync::Arc;

use super::Engine;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::models::{
    LogLine, Name, OutboxEntry, ScheduleStatus, Sequence, TaskFilter, TaskId, TaskPage, Webhook,
};
use crate::store::DueSchedules;

impl Engine {
    /// Up to `limit` tasks that match, newest first, from before `before` on. A page can be short
    /// although there are more; `next` is `None` on the last page.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn list(
        &self,
        filter: &TaskFilter,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<TaskPage, Error> {
        // The store is read last: a task that arrives in between is newer than this page.
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

    /// Up to `limit` schedules whose names follow `after`, sorted by name.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn schedules(
        &self,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<Vec<ScheduleStatus>, Error> {
        Ok(self.0.store.schedules(after, limit).await?)
    }

    /// Up to `limit` schedules that are due at `now`, the earliest first, and when the next one is due.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn due_schedules(&self, now: Timestamp, limit: usize) -> Result<DueSchedules, Error> {
        Ok(self.0.store.due_schedules(now, limit).await?)
    }

    /// All webhooks, sorted by name.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn webhooks(&self) -> Result<Vec<Arc<Webhook>>, Error> {
        Ok(self.0.store.webhooks().await?)
    }

    /// The webhook with this name; `None` if there is none.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn webhook(&self, name: &Name) -> Result<Option<Arc<Webhook>>, Error> {
        Ok(self.0.store.webhook(name).await?)
    }

    /// Up to `limit` outbox entries whose positions follow `after`, in order.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn outbox(&self, after: u64, limit: usize) -> Result<Vec<OutboxEntry>, Error> {
        Ok(self.0.store.outbox(after, limit).await?)
    }
}

/// Merges two listings, newest first.
fn merge(one: TaskPage, other: TaskPage, limit: usize) -> TaskPage {
    // Below the point where one page ends, the other page is not complete either.
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
    use crate::models::{Ended, Ending, Outcome, Snapshot};

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
    fn two_listings_merge_newest_first_and_no_task_is_lost_between_pages() {
        let check = |one: TaskPage, other: TaskPage, limit, expected: (Vec<u64>, Option<u64>)| {
            assert_eq!(merged(one.clone(), other.clone(), limit), expected);
            assert_eq!(merged(other, one, limit), expected);
        };
        check(page(&[9, 5], None), page(&[7, 6], None), 9, (vec![9, 7, 6, 5], None));
        // One page ends at 6: the tasks of the other below 6 come with the next page.
        check(page(&[9, 5], None), page(&[7, 6], Some(6)), 9, (vec![9, 7, 6], Some(6)));
        check(page(&[9, 8], Some(8)), page(&[7, 6], Some(6)), 9, (vec![9, 8], Some(8)));
        check(page(&[9, 5], None), page(&[7, 6], None), 3, (vec![9, 7, 6], Some(6)));
        check(page(&[], Some(4)), page(&[7, 3], None), 3, (vec![7], Some(4)));
    }
}
