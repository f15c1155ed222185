//! Finds out why a task is not running: reads what the decision needs, and has the core decide.

use super::Engine;
use super::core::{Fate, KeyStance, MAX_BEFORE, Situation, explain};
use crate::clock::now;
use crate::error::{Code, Error};
use crate::models::{
    BlockedBy, Durability, Explanation, MAX_NAMED, MethodRef, Snapshot, State, Task, TaskFilter,
    TaskId,
};
use crate::store::{self, Position};

/// How many pages of a listing are looked through for children that have not ended.
const CHILD_PAGES: usize = 20;
/// How many that hold places of a key are counted: as many as have bodies that run, and more.
const MAX_HOLDERS: usize = 100_000;

impl Engine {
    /// Why a task is not running now, and when it will, as far as is known.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn explain(&self, id: &TaskId) -> Result<Explanation, Error> {
        let found = match self.find(id).await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                let fate = self.0.core.lock().fate(id);
                return match fate {
                    // Whoever waits for it may wait for what is not there.
                    Some(Fate::Awaited) if error.code == Code::TaskNotFound => Err(error),
                    Some(fate) => Ok(explain(&Situation::unread(fate, now().wall))),
                    None => Err(error),
                };
            }
        };
        if found.state.has_ended() {
            return Ok(explain(&Situation::of(found, now().wall)));
        }
        match self.situation(found.clone()).await {
            Ok(situation) => Ok(explain(&situation)),
            Err(error) if error.code == Code::StoreUnavailable => {
                Ok(explain(&Situation { store_fails: true, ..self.at_hand(found) }))
            }
            Err(error) => Err(error),
        }
    }

    /// What is known without reading any more.
    fn at_hand(&self, found: Snapshot) -> Situation {
        let now = now();
        let stance = self.0.core.lock().stance(&found.task, now);
        Situation { stance: Some(stance), ..Situation::of(found, now.wall) }
    }

    async fn situation(&self, found: Snapshot) -> Result<Situation, Error> {
        let task = found.task.clone();
        let (queue, waits) = (&task.options.queue, found.unmet > 0);
        let dependencies = if waits { self.unfinished(&task.deps).await? } else { Vec::new() };
        // It waits for children only beside those: nearly no task has any, and to find none takes pages.
        let has_children = usize::try_from(found.unmet).is_ok_and(|it| it > dependencies.len());
        let children =
            if has_children { self.unfinished_children(&task.id).await? } else { Vec::new() };
        let key = match task.options.concurrency_key() {
            Some(key)
                if found.blocked_by == Some(BlockedBy::ConcurrencyKey)
                    || found.state != State::Queued =>
            {
                let limit = self
                    .at_hand(found.clone())
                    .stance
                    .map_or(1, |it| it.limits.concurrency_per_key);
                Some(self.key(&task, key, limit).await?)
            }
            _ => None,
        };
        let before = match (found.state, found.blocked_by, found.sequence) {
            (State::Queued, None, Some(sequence)) => {
                let position = Position { priority: task.options.priority, sequence };
                let stored = self.0.store.window(queue, None, MAX_BEFORE).await?;
                let here = self.0.core.lock().ephemeral().window(queue, None, MAX_BEFORE);
                let before = |ready: &&store::ClaimableTask| ready.position < position;
                stored.iter().filter(before).count() + here.iter().filter(before).count()
            }
            _ => 0,
        };
        let missing = match MethodRef::parse(&task.method) {
            Ok(wish) if self.0.registry.resolve(&wish).is_some() => None,
            _ => Some(self.0.registry.not_found(&task.method).message),
        };
        let situation = self.at_hand(found);
        Ok(Situation { dependencies, children, key, before, missing, ..situation })
    }

    /// Those that have not ended.
    async fn unfinished(&self, ids: &[TaskId]) -> Result<Vec<TaskId>, Error> {
        let stored = self.0.store.find(ids).await?;
        let core = self.0.core.lock();
        let unfinished = ids.iter().zip(stored).filter(|(id, stored)| {
            let here = core.find(id).0;
            here.as_ref().or(stored.as_ref()).is_some_and(|found| !found.state.has_ended())
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

    /// Counts as many as are needed to know whether `limit` is reached.
    async fn key(&self, task: &Task, key: &str, limit: u32) -> Result<KeyStance, Error> {
        let queue = &task.options.queue;
        let now = now().wall;
        // It may be one of them itself.
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
        Ok(KeyStance { holders, count, free_at })
    }
}
