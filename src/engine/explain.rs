//! Explains why a task does not run now: reads what the decision needs, lets the core decide, and words
//! the answer.

mod sentences;

use sentences::explanation;

use super::Engine;
use super::core::{CoreStatus, ExplainInput, KeyUsage, MAX_BEFORE};
use crate::clock::now;
use crate::error::{Code, Error};
use crate::models::{
    BlockedBy, Durability, Explanation, MAX_NAMED, MethodRef, Snapshot, State, Task, TaskFilter,
    TaskId,
};
use crate::store::{self, Position};

/// How many pages of a listing are read to find children that have not ended.
const CHILD_PAGES: usize = 20;
/// Up to how many users of a concurrency key are counted. Fewer handlers can run at once.
const MAX_HOLDERS: usize = 100_000;

impl Engine {
    /// Why a task does not run now, and when it will, as far as is known.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn explain(&self, id: &TaskId) -> Result<Explanation, Error> {
        let found = match self.find(id).await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                let status = self.0.core.lock().status(id);
                return match status {
                    // A caller may wait for a task that does not exist.
                    Some(CoreStatus::Awaited) if error.code == Code::TaskNotFound => Err(error),
                    Some(status) => Ok(explanation(&ExplainInput::unread(status, now().wall))),
                    None => Err(error),
                };
            }
        };
        if found.state.has_ended() {
            return Ok(explanation(&ExplainInput::of(found, now().wall)));
        }
        match self.read_input(found.clone()).await {
            Ok(input) => Ok(explanation(&input)),
            Err(error) if error.code == Code::StoreUnavailable => {
                Ok(explanation(&ExplainInput { store_fails: true, ..self.input_at_hand(found) }))
            }
            Err(error) => Err(error),
        }
    }

    /// What is known without another read of the store.
    fn input_at_hand(&self, found: Snapshot) -> ExplainInput {
        let now = now();
        let view = self.0.core.lock().view(&found.task, now);
        ExplainInput { view: Some(view), ..ExplainInput::of(found, now.wall) }
    }

    async fn read_input(&self, found: Snapshot) -> Result<ExplainInput, Error> {
        let task = found.task.clone();
        let (queue, waits) = (&task.options.queue, found.unmet > 0);
        let dependencies = if waits { self.unfinished(&task.deps).await? } else { Vec::new() };
        // Nearly no task has children, and a search that finds none reads pages: skip it unless some
        // unmet dependency is not explained yet.
        let has_children = usize::try_from(found.unmet).is_ok_and(|it| it > dependencies.len());
        let children =
            if has_children { self.unfinished_children(&task.id).await? } else { Vec::new() };
        let key = match task.options.concurrency_key() {
            Some(key)
                if found.blocked_by == Some(BlockedBy::ConcurrencyKey)
                    || found.state != State::Queued =>
            {
                let limits = self.0.core.lock().view(&task, now()).limits;
                Some(self.key_usage(&task, key, limits.concurrency_per_key).await?)
            }
            _ => None,
        };
        let before = match (found.state, found.blocked_by, found.sequence) {
            (State::Queued, None, Some(sequence)) => {
                let position = Position { priority: task.options.priority, sequence };
                let stored = self.0.store.window(queue, None, MAX_BEFORE).await?;
                let ephemeral = self.0.core.lock().ephemeral().window(queue, None, MAX_BEFORE);
                let before = |ready: &&store::ClaimableTask| ready.position < position;
                stored.iter().filter(before).count() + ephemeral.iter().filter(before).count()
            }
            _ => 0,
        };
        let missing = match MethodRef::parse(&task.method) {
            Ok(method) if self.0.registry.resolve(&method).is_some() => None,
            _ => Some(self.0.registry.not_found(&task.method).message),
        };
        let input = self.input_at_hand(found);
        Ok(ExplainInput { dependencies, children, key, before, missing, ..input })
    }

    /// The tasks that have not ended.
    async fn unfinished(&self, ids: &[TaskId]) -> Result<Vec<TaskId>, Error> {
        let stored = self.0.store.find(ids).await?;
        let core = self.0.core.lock();
        let unfinished = ids.iter().zip(stored).filter(|(id, stored)| {
            let ephemeral = core.find(id).0;
            ephemeral.as_ref().or(stored.as_ref()).is_some_and(|found| !found.state.has_ended())
        });
        Ok(unfinished.map(|(id, _)| id.clone()).collect())
    }

    async fn unfinished_children(&self, parent: &TaskId) -> Result<Vec<TaskId>, Error> {
        let filter = TaskFilter {
            parent: Some(parent.clone()),
            states: TaskFilter::UNFINISHED.to_vec(),
            ..TaskFilter::default()
        };
        let mut children = Vec::new();
        let mut before = None;
        for _ in 0..CHILD_PAGES {
            let page = self.list(&filter, before, MAX_NAMED - children.len()).await?;
            children.extend(page.tasks.into_iter().map(|found| found.task.id.clone()));
            before = page.next;
            if before.is_none() || children.len() == MAX_NAMED {
                break;
            }
        }
        children.sort_unstable();
        Ok(children)
    }

    /// Counts the users of a key, up to the number that shows whether `limit` is reached.
    async fn key_usage(&self, task: &Task, key: &str, limit: u32) -> Result<KeyUsage, Error> {
        let queue = &task.options.queue;
        let now = now().wall;
        // One more, because the task itself may be among them.
        let most = usize::try_from(limit).unwrap_or(usize::MAX).clamp(MAX_NAMED, MAX_HOLDERS) + 1;
        let (mut holders, free_at) = match task.options.durability {
            Durability::Durable => (
                self.0.store.holders(queue, key, most).await?,
                self.0.store.key_free_at(queue, key, now).await?,
            ),
            Durability::Ephemeral => {
                let core = self.0.core.lock();
                let tasks = core.ephemeral();
                (tasks.holding(queue, key, most), tasks.key_free_at(queue, key, now))
            }
        };
        holders.retain(|holder| *holder != task.id);
        let count = u32::try_from(holders.len()).unwrap_or(u32::MAX);
        holders.truncate(MAX_NAMED);
        Ok(KeyUsage { holders, count, free_at })
    }
}
