//! Effects of a commit: what follows from a store's result for waiters, queues and the cache.

use std::sync::Arc;

use super::admit::{id_taken, recheck_if_awaited, release_id};
use super::dependencies::unmet;
use super::step::Step;
use super::{Answer, Command, Core, Hook, Tag, Waiter, WakeTarget, WatchKey, resolve};
use crate::clock::Now;
use crate::error::{Code, Error};
use crate::models::{CancelVerdict, Durability, Ended, Fence, QueueName, State, TaskId};
use crate::store::{Applied, Change, ChangeResult, Commit};
use crate::tasks::Handler;

impl<W: Waiter> Core<W> {
    /// The store committed changes; `tags` has one tag for each, in the same order.
    pub(crate) fn committed(
        &mut self,
        tags: Vec<Tag<W>>,
        commit: Commit,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        self.store.set_due(commit.due);
        let mut step = self.step(now, out);
        for (tag, applied) in tags.into_iter().zip(commit.applied) {
            step.on_applied(Durability::Durable, applied, tag);
        }
        step.dispatch();
    }

    /// The commit failed as a whole. Returns the writes to retry first and in order, among them the
    /// results of handlers, whose waiters get `OUTCOME_UNKNOWN`. All other writes are rejected.
    pub(crate) fn commit_failed(
        &mut self,
        writes: Vec<(Change, Tag<W>)>,
        error: &Error,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) -> Vec<(Change, Tag<W>)> {
        let mut step = self.step(now, out);
        let mut retry = Vec::new();
        for (change, tag) in writes {
            match tag {
                Tag::Insert { id, queue, fence: None } => {
                    step.core.admissions.insert_done();
                    step.core.dispatch.remove_waiting(&queue);
                    step.core.active.reject(&id, error, step.out);
                    recheck_if_awaited(&step.core.ephemeral, &id, step.out);
                }
                Tag::Insert { .. } | Tag::Attempt { .. } => {
                    step.answer_unknown(&tag, error);
                    retry.push((change, tag));
                }
                Tag::HostCall { waiter, enqueued } => {
                    if let Some(queue) = enqueued {
                        step.core.dispatch.remove_waiting(&queue);
                    }
                    step.refuse(waiter, error);
                }
                Tag::Firing { waiter, queues } => {
                    step.uncount_runs(&queues, &ChangeResult::Stale);
                    step.refuse(waiter, error);
                }
                Tag::Cancel { waiter, .. }
                | Tag::Admin(waiter)
                | Tag::Schedule(waiter)
                | Tag::Purge { waiter, .. }
                | Tag::Queue { waiter, .. } => step.refuse(waiter, error),
                Tag::Promote => step.core.store.promoted(),
                // Must be retried: a lost suspend or resume would leak a concurrency slot, or free
                // it twice.
                Tag::Background | Tag::Output(_) | Tag::Node => retry.push((change, tag)),
                Tag::Stop => step.stop_written(Err(error)),
                Tag::Prune => {}
            }
        }
        step.pause_store();
        retry
    }

    /// The answer to a commit was lost, and retries have failed so far: waiters get
    /// `OUTCOME_UNKNOWN`.
    pub(crate) fn commit_uncertain(
        &mut self,
        tags: &[Tag<W>],
        error: &Error,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        let mut step = self.step(now, out);
        for tag in tags {
            step.answer_unknown(tag, error);
        }
        step.pause_store();
    }

    /// Handles the result of a [`Command::Recheck`]: the state of a task in the store, if it is
    /// there.
    pub(crate) fn rechecked(
        &mut self,
        id: &TaskId,
        stored: Option<State>,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        let mut step = self.step(now, out);
        match stored {
            Some(state) if state.has_ended() => {
                step.foreign_ended(id, state == State::Succeeded);
            }
            Some(_) => {}
            None => {
                let active = step.core.active.get(id);
                // A durable task with this id is being inserted: that insert leads to a recheck.
                if active.is_none_or(|it| it.durability != Durability::Durable) {
                    let ended = step.core.cache.get(id);
                    let succeeded = ended.is_some_and(|it| it.outcome.state() == State::Succeeded);
                    step.foreign_ended(id, succeeded);
                }
            }
        }
        step.dispatch();
    }

    /// Cancels a task. If it runs, that is stored first, and then its handler is signalled to stop.
    pub(crate) fn cancel(
        &mut self,
        id: TaskId,
        reason: String,
        waiter: W,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        let durability = match self.cache.get(&id) {
            Some(ended) => {
                let result = CancelVerdict::AlreadyEnded(ended.outcome.state());
                out.push(Command::Answer(waiter, Answer::Cancel(result)));
                return;
            }
            None if self.ephemeral.knows(&id) => Durability::Ephemeral,
            None => self.active.get(&id).map_or(Durability::Durable, |it| it.durability),
        };
        if durability == Durability::Ephemeral && !self.ephemeral.knows(&id) {
            // Its inline handler runs on another thread, and has returned before it could be signalled to
            // stop. But it is not retried.
            self.active.cancel_inline(&id, reason);
            out.push(Command::Answer(waiter, Answer::Cancel(CancelVerdict::Requested)));
            return;
        }
        let tag = Tag::Cancel { waiter, reason: reason.clone() };
        let mut step = self.step(now, out);
        step.write(durability, Change::Cancel { id, reason }, tag);
        step.dispatch();
    }
}

impl<W: Waiter> Step<'_, W> {
    fn refuse(&mut self, waiter: W, error: &Error) {
        self.out.push(Command::Answer(waiter, Answer::Refused(error.clone())));
    }

    fn answer(&mut self, waiter: W, result: ChangeResult) {
        self.out.push(Command::Answer(waiter, Answer::Result(result)));
    }

    fn answer_unknown(&mut self, tag: &Tag<W>, error: &Error) {
        if let Tag::Insert { id, .. } | Tag::Attempt { id, .. } = tag {
            self.core.active.answer_unknown(id, error, self.out);
        }
    }

    pub(super) fn wake_watchers(&mut self, key: impl FnOnce() -> WatchKey) {
        self.core.notifications.wake_watchers(key, self.out);
    }

    /// Applies the effects of a change that its store has applied.
    pub(super) fn on_applied(&mut self, durability: Durability, applied: Applied, tag: Tag<W>) {
        let Applied { result, ready, ended, retried, signals, more, events, outbox_written } =
            applied;
        self.core.notifications.publish(events, outbox_written, self.out);
        for task in retried {
            self.core.dispatch.add_waiting(&task.options.queue);
            self.core.cache.remove(&task.id);
        }
        for ready in ready {
            self.wake_watchers(|| WatchKey::Sequence(ready.position.sequence));
            self.push(ready, durability);
        }
        let own = match &tag {
            Tag::Attempt { fence, id } => {
                // A cancel was stored first, or the claim is over.
                if result == ChangeResult::Stale || ended.iter().any(|it| it.task.id == *id) {
                    self.uncount(*fence);
                }
                Some(id)
            }
            _ => None,
        };
        for ended in ended {
            self.task_ended(ended, durability, own);
        }
        for (fence, reason) in signals {
            self.cancel_attempt(fence, &reason);
        }
        // While the engine drains, slices that follow each other would delay the last change. The
        // next boot goes on with them.
        if more && !(self.core.shutdown.is_draining() && durability == Durability::Durable) {
            let limit = self.core.settings.limits.notify_slice;
            let (change, tag) = match tag {
                Tag::Prune => (self.core.settings.prune(), Tag::Prune),
                _ => (Change::NotifyDependants { limit }, Tag::Background),
            };
            self.write(durability, change, tag);
        }
        self.tag_applied(durability, result, tag);
    }

    /// Applies the effects that depend on what the change was for.
    fn tag_applied(&mut self, durability: Durability, result: ChangeResult, tag: Tag<W>) {
        match tag {
            Tag::Insert { id, queue, fence } => {
                if durability == Durability::Durable {
                    self.core.admissions.insert_done();
                }
                self.inserted(&id, &queue, fence, result);
            }
            Tag::Attempt { fence, id } => {
                if let ChangeResult::Expanded { joined } = result {
                    for queue in joined {
                        self.core.dispatch.remove_waiting(&queue);
                    }
                }
                self.core.active.attempt_over(&id, fence);
                if let Some(sequence) = self.core.attempts.get(&fence).map(|it| it.sequence) {
                    self.wake_watchers(|| WatchKey::Sequence(sequence));
                }
                self.attempt_stored(fence);
            }
            Tag::HostCall { waiter, enqueued } => {
                if let Some(queue) = enqueued
                    && !matches!(result, ChangeResult::Inserted(_))
                {
                    self.core.dispatch.remove_waiting(&queue);
                }
                self.answer(waiter, result);
            }
            Tag::Output(sequence) => self.wake_watchers(|| WatchKey::Sequence(sequence)),
            Tag::Firing { waiter, queues } => {
                self.uncount_runs(&queues, &result);
                self.out.push(Command::Wake(WakeTarget::Schedules));
                self.answer(waiter, result);
            }
            Tag::Schedule(waiter) => {
                self.out.push(Command::Wake(WakeTarget::Schedules));
                self.answer(waiter, result);
            }
            Tag::Purge { waiter, id } => {
                if result == ChangeResult::Done {
                    self.core.cache.remove(&id);
                }
                self.answer(waiter, result);
            }
            Tag::Admin(waiter) => {
                if let ChangeResult::Changed { ended: Some(ended), .. } = &result {
                    self.wake_watchers(|| WatchKey::Id(ended.task.id.clone()));
                    self.core.cache.put(ended.clone());
                    // A request that reserved the id now finds the task in the cache.
                    self.core.active.ended(ended, self.out);
                }
                self.answer(waiter, result);
            }
            Tag::Queue { waiter, queue, change } => {
                self.queue_changed(&queue, change);
                self.answer(waiter, result);
            }
            Tag::Cancel { waiter, reason } => {
                if let ChangeResult::Cancel { result, running } = result {
                    if let Some(fence) = running {
                        self.cancel_attempt(fence, &reason);
                    }
                    self.out.push(Command::Answer(waiter, Answer::Cancel(result)));
                }
            }
            Tag::Promote => self.core.store.promoted(),
            Tag::Stop => self.stop_written(Ok(())),
            Tag::Prune | Tag::Background | Tag::Node => {}
        }
    }

    /// The store accepted or refused the last change.
    fn stop_written(&mut self, result: Result<(), &Error>) {
        for waiter in self.core.shutdown.stop_written(result.is_ok()) {
            match result {
                Ok(()) => self.answer(waiter, ChangeResult::Done),
                Err(error) => self.refuse(waiter, error),
            }
        }
    }

    fn inserted(
        &mut self,
        id: &TaskId,
        queue: &QueueName,
        fence: Option<Fence>,
        result: ChangeResult,
    ) {
        if let (Some(fence), ChangeResult::Inserted(state)) = (fence, &result)
            && !state.has_ended()
            && *state != State::Running
        {
            self.detach(fence, queue);
        }
        let error = match result {
            ChangeResult::Inserted(state) => {
                self.wake_watchers(|| WatchKey::Id(id.clone()));
                self.core.active.inserted(id, state, self.out);
                return;
            }
            ChangeResult::UniqueConflict { first, replaced } => {
                self.core.active.unique_conflict(id, &first, replaced, self.out);
                unique_taken()
            }
            ChangeResult::UniqueRefused => unique_taken(),
            // A handler has spawned a child with this id meanwhile; or, on a shared store, another
            // node was first.
            ChangeResult::IdConflict(_) => {
                release_id(&mut self.core.active, &self.core.ephemeral, id, self.out);
                id_taken(id)
            }
            ChangeResult::Unmet { dependency, problem } => unmet(&dependency, problem),
            _ => return,
        };
        if fence.is_none() {
            self.core.dispatch.remove_waiting(queue);
        }
        self.core.active.reject(id, &error, self.out);
        recheck_if_awaited(&self.core.ephemeral, id, self.out);
    }

    /// A task has its outcome, and that is stored: the cache, its waiters and its ephemeral
    /// dependants get it. `own` is the task whose attempt ended; all others ended without running.
    fn task_ended(&mut self, ended: Arc<Ended>, durability: Durability, own: Option<&TaskId>) {
        let id = &ended.task.id;
        if own != Some(id) {
            let queue = &ended.task.options.queue;
            self.core.dispatch.remove_waiting(queue);
            self.core.dispatch.forget_if_empty(queue);
        }
        self.wake_watchers(|| WatchKey::Id(id.clone()));
        let succeeded = ended.outcome.state() == State::Succeeded;
        if succeeded || durability == Durability::Ephemeral {
            self.core.cache.put(ended.clone());
        }
        self.core.active.ended(&ended, self.out);
        if let Some(method) = resolve(&self.core.registry, &ended.task.method)
            && let Handler::Object(_) = method.handler
        {
            let (task, outcome) = (ended.task.clone(), ended.outcome.clone());
            let hook =
                if succeeded { Hook::Success(task, outcome) } else { Hook::Failure(task, outcome) };
            self.out.push(Command::Hook(method, hook));
        }
        if durability == Durability::Durable {
            self.foreign_ended(id, succeeded);
        }
    }

    /// A durable task ended that ephemeral tasks may wait for.
    fn foreign_ended(&mut self, id: &TaskId, succeeded: bool) {
        if self.core.ephemeral.waits_for(id) {
            let change = Change::ForeignEnded { id: id.clone(), succeeded };
            self.write(Durability::Ephemeral, change, Tag::Background);
        }
    }
}

/// Names no holder: the store does not report it with a refusal.
fn unique_taken() -> Error {
    let why = "the unique key is held by another task that has not ended, whose window is not over, \
               or that cannot take these arguments";
    Error::new(Code::UniqueTaken, why)
}
