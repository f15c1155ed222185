//! Consequences: what follows, for callers, queues and caches, from what a store has made of a change.

use std::sync::Arc;

use super::active::{Phase, WaitFor};
use super::admit::id_taken;
use super::dependencies::unmet;
use super::{Answer, Command, Core, Hook, Tag, Waiter, WakeTarget, WatchKey};
use crate::clock::Now;
use crate::error::{Code, Error};
use crate::models::{Accepted, CancelVerdict, Durability, Ended, Snapshot, State, Task, TaskId};
use crate::store::{Applied, Change, ChangeResult, Commit, NOTIFY_SLICE};
use crate::tasks::Handler;

impl<W: Waiter> Core<W> {
    /// Has a change made, in the store of its class. Ephemeral ones are made at once.
    pub(super) fn write(
        &mut self,
        durability: Durability,
        change: Change,
        tag: Tag<W>,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        match durability {
            Durability::Durable => out.push(Command::Write(change, tag)),
            Durability::Ephemeral => {
                let applied = self.ephemeral.apply(&change, now.wall);
                self.on_applied(durability, applied, tag, now, out);
            }
        }
    }

    /// The store made these changes. One tag for each, in the same order.
    pub(crate) fn committed(
        &mut self,
        tags: Vec<Tag<W>>,
        commit: Commit,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        self.due = commit.due;
        for (tag, applied) in tags.into_iter().zip(commit.applied) {
            self.on_applied(Durability::Durable, applied, tag, now, out);
        }
        self.dispatch(now, out);
    }

    /// Nothing of this was stored. Answers what has to be tried again, ahead of everything else and
    /// in this order: what bodies have come to must not be lost, and their callers are told that
    /// nobody knows. All other changes are given up.
    pub(crate) fn commit_failed(
        &mut self,
        writes: Vec<(Change, Tag<W>)>,
        error: &Error,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) -> Vec<(Change, Tag<W>)> {
        let mut again = Vec::new();
        for (change, tag) in writes {
            match tag {
                Tag::Insert { id, queue, fence: None } => {
                    self.unstored -= 1;
                    self.queue(&queue).waiting -= 1;
                    self.reject(&id, error, out);
                    self.recheck_if_awaited(&id, out);
                }
                Tag::Insert { .. } | Tag::Attempt { .. } => {
                    self.answer_outcome_unknown(&tag, error, out);
                    again.push((change, tag));
                }
                Tag::HostCall { waiter, enqueued } => {
                    if let Some(queue) = enqueued {
                        self.queue(&queue).waiting -= 1;
                    }
                    out.push(Command::Answer(waiter, Answer::Refused(error.clone())));
                }
                Tag::Firing { waiter, queues } => {
                    self.uncount_runs(&queues, &ChangeResult::Stale);
                    out.push(Command::Answer(waiter, Answer::Refused(error.clone())));
                }
                Tag::Cancel { waiter, .. }
                | Tag::Admin(waiter)
                | Tag::Schedule(waiter)
                | Tag::Purge { waiter, .. }
                | Tag::Queue { waiter, .. } => {
                    out.push(Command::Answer(waiter, Answer::Refused(error.clone())));
                }
                Tag::Promote => self.promoting = false,
                // Said in vain, a rest would leave a place taken, or free, for ever.
                Tag::Background | Tag::Output(_) | Tag::Node => again.push((change, tag)),
                Tag::Stop => self.stop_answered(Err(error), out),
                Tag::Prune => {}
            }
        }
        self.pause_store(now);
        again
    }

    /// The answer to a commit was lost, and asking again has not helped so far.
    pub(crate) fn commit_uncertain(
        &mut self,
        tags: &[Tag<W>],
        error: &Error,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        for tag in tags {
            self.answer_outcome_unknown(tag, error, out);
        }
        self.pause_store(now);
    }

    fn answer_outcome_unknown(&mut self, tag: &Tag<W>, error: &Error, out: &mut Vec<Command<W>>) {
        let (Tag::Insert { id, .. } | Tag::Attempt { id, .. }) = tag else { return };
        let Some(active) = self.active.get_mut(id) else { return };
        let unknown = Error::new(Code::OutcomeUnknown, error.message.clone());
        for (wait_for, waiter) in std::mem::take(&mut active.waiters) {
            match wait_for {
                // It asks again when the id is decided.
                WaitFor::IdDecision => active.wait(wait_for, waiter),
                _ => out.push(Command::Answer(waiter, Answer::Refused(unknown.clone()))),
            }
        }
    }

    pub(super) fn on_applied(
        &mut self,
        durability: Durability,
        applied: Applied,
        tag: Tag<W>,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        let Applied { result, ready, ended, retried, signals, more, events, outbox_written } =
            applied;
        self.announce(events, outbox_written, out);
        for task in retried {
            self.task_retried(&task);
        }
        for ready in ready {
            self.notify_watchers(|| WatchKey::Sequence(ready.position.sequence), out);
            self.arrive(ready, durability);
        }
        let own = match &tag {
            Tag::Attempt { fence, id } => {
                // Somebody's wish to cancel was stored first, or the claim is over.
                if result == ChangeResult::Stale || ended.iter().any(|it| it.task.id == *id) {
                    self.uncount(*fence);
                }
                Some(id)
            }
            _ => None,
        };
        for ended in ended {
            self.task_ended(ended, durability, own, now, out);
        }
        for (fence, reason) in signals {
            self.cancel_attempt(fence, &reason, now, out);
        }
        // The last change would never come while slices follow each other. The next boot goes on with
        // what is stored.
        if more && !(self.draining && durability == Durability::Durable) {
            let (change, tag) = match tag {
                Tag::Prune => (self.prune(), Tag::Prune),
                _ => (Change::NotifyDependants { limit: NOTIFY_SLICE }, Tag::Background),
            };
            self.write(durability, change, tag, now, out);
        }
        match tag {
            Tag::Insert { id, queue, fence } => {
                if durability == Durability::Durable {
                    self.unstored -= 1;
                }
                if let (Some(fence), ChangeResult::Inserted(state)) = (fence, &result)
                    && !state.has_ended()
                    && *state != State::Running
                {
                    self.detach(fence, &queue, out);
                }
                if let Some(error) = self.inserted(&id, result, out) {
                    if fence.is_none() {
                        self.queue(&queue).waiting -= 1;
                    }
                    self.reject(&id, &error, out);
                    self.recheck_if_awaited(&id, out);
                }
            }
            Tag::Attempt { fence, id } => {
                if let ChangeResult::Expanded { joined } = result {
                    for queue in joined {
                        self.queue(&queue).waiting -= 1;
                    }
                }
                if let Some(active) = self.active.get_mut(&id)
                    && active.fence == Some(fence)
                {
                    active.fence = None;
                    self.forget_if_idle(&id);
                }
                if let Some(attempt) = self.attempts.get(&fence) {
                    let sequence = attempt.sequence;
                    self.notify_watchers(|| WatchKey::Sequence(sequence), out);
                }
                self.attempt_stored(fence, out);
            }
            Tag::HostCall { waiter, enqueued } => {
                if let Some(queue) = enqueued
                    && !matches!(result, ChangeResult::Inserted(_))
                {
                    self.queue(&queue).waiting -= 1;
                }
                out.push(Command::Answer(waiter, Answer::Result(result)));
            }
            Tag::Output(sequence) => self.notify_watchers(|| WatchKey::Sequence(sequence), out),
            Tag::Firing { waiter, queues } => {
                self.uncount_runs(&queues, &result);
                out.push(Command::Wake(WakeTarget::Schedules));
                out.push(Command::Answer(waiter, Answer::Result(result)));
            }
            Tag::Schedule(waiter) => {
                out.push(Command::Wake(WakeTarget::Schedules));
                out.push(Command::Answer(waiter, Answer::Result(result)));
            }
            Tag::Purge { waiter, id } => {
                if result == ChangeResult::Done {
                    self.cache.remove(&id);
                }
                out.push(Command::Answer(waiter, Answer::Result(result)));
            }
            Tag::Admin(waiter) => {
                if let ChangeResult::Changed { ended: Some(ended), .. } = &result {
                    self.notify_watchers(|| WatchKey::Id(ended.task.id.clone()), out);
                    self.cache.put(ended.clone());
                    // Whoever looks the id up just now finds it in the cache.
                    self.answer_ended(&ended.task.id, ended, out);
                }
                out.push(Command::Answer(waiter, Answer::Result(result)));
            }
            Tag::Queue { waiter, queue, decided } => {
                self.apply_queue_change(&queue, decided, now);
                out.push(Command::Answer(waiter, Answer::Result(result)));
            }
            Tag::Cancel { waiter, reason } => {
                if let ChangeResult::Cancel { result, running } = result {
                    if let Some(fence) = running {
                        self.cancel_attempt(fence, &reason, now, out);
                    }
                    out.push(Command::Answer(waiter, Answer::Cancel(result)));
                }
            }
            Tag::Promote => self.promoting = false,
            Tag::Stop => self.stop_answered(Ok(()), out),
            Tag::Prune | Tag::Background | Tag::Node => {}
        }
    }

    /// What came of an insert. Answers why the task is not in, if it is not.
    fn inserted(
        &mut self,
        id: &TaskId,
        result: ChangeResult,
        out: &mut Vec<Command<W>>,
    ) -> Option<Error> {
        match result {
            ChangeResult::Inserted(state) => {
                self.notify_watchers(|| WatchKey::Id(id.clone()), out);
                if let Some(active) = self.active.get_mut(id) {
                    active.phase = Phase::Accepted;
                    let mut joined = false;
                    for (wait_for, waiter) in std::mem::take(&mut active.waiters) {
                        if wait_for == WaitFor::Acceptance {
                            let accepted = Accepted { joined, ..Accepted::joined(id, state) };
                            out.push(Command::Answer(waiter, Answer::Accepted(accepted)));
                            joined = true;
                        } else {
                            active.wait(wait_for, waiter);
                        }
                    }
                    self.forget_if_idle(id);
                }
                None
            }
            ChangeResult::UniqueConflict { first, replaced } => {
                self.unique_conflict(id, &first, replaced, out);
                Some(unique_taken())
            }
            ChangeResult::UniqueRefused => Some(unique_taken()),
            // A body had a child of that name meanwhile; or, on a store that others write to, somebody
            // else was first.
            ChangeResult::IdConflict(_) => {
                self.release_id(id, out);
                Some(id_taken(id))
            }
            ChangeResult::Unmet { dependency, problem } => Some(unmet(&dependency, problem)),
            _ => None,
        }
    }

    /// The unique key belongs to another task: those who asked for this one are told of that one, or
    /// wait for it.
    fn unique_conflict(
        &mut self,
        id: &TaskId,
        first: &Snapshot,
        replaced: bool,
        out: &mut Vec<Command<W>>,
    ) {
        let other = &first.task.id;
        let Some(active) = self.active.get_mut(id) else { return };
        for (wait_for, waiter) in std::mem::take(&mut active.waiters) {
            let answer = match (wait_for, &first.outcome) {
                (WaitFor::Acceptance, _) => {
                    let joined = Accepted::joined(other, first.state);
                    Answer::Accepted(Accepted { replaced, ..joined })
                }
                (WaitFor::Outcome, Some(outcome)) => Answer::Ended(Arc::new(Ended {
                    task: first.task.clone(),
                    outcome: outcome.clone(),
                })),
                (WaitFor::Outcome, None) => {
                    self.wait(other, first.task.digest, WaitFor::Outcome, waiter);
                    continue;
                }
                (WaitFor::IdDecision, _) => Answer::Resubmit,
            };
            out.push(Command::Answer(waiter, answer));
        }
    }

    /// A task that had ended has not any more.
    fn task_retried(&mut self, task: &Task) {
        self.queue(&task.options.queue).waiting += 1;
        self.cache.remove(&task.id);
    }

    /// A task has its outcome, and that is stored: the cache, its callers and whoever waits for it
    /// learn of it. `own` is the task whose attempt ended; all others ended without running.
    pub(super) fn task_ended(
        &mut self,
        ended: Arc<Ended>,
        durability: Durability,
        own: Option<&TaskId>,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        let id = &ended.task.id;
        if own != Some(id) {
            let queue = ended.task.options.queue.clone();
            self.queue(&queue).waiting -= 1;
            self.forget_if_empty(&queue);
        }
        self.notify_watchers(|| WatchKey::Id(id.clone()), out);
        let well = ended.outcome.state() == State::Succeeded;
        if well || durability == Durability::Ephemeral {
            self.cache.put(ended.clone());
        }
        self.answer_ended(id, &ended, out);
        if let Some(method) = self.resolve(&ended.task.method)
            && let Handler::Object(_) = method.handler
        {
            let (task, outcome) = (ended.task.clone(), ended.outcome.clone());
            let hook =
                if well { Hook::Success(task, outcome) } else { Hook::Failure(task, outcome) };
            out.push(Command::Hook(method, hook));
        }
        if durability == Durability::Durable {
            self.foreign_ended(id, well, now, out);
        }
    }

    /// A durable task ended that ephemeral ones may wait for.
    fn foreign_ended(&mut self, id: &TaskId, succeeded: bool, now: Now, out: &mut Vec<Command<W>>) {
        if self.ephemeral.waits_for(id) {
            let change = Change::ForeignEnded { id: id.clone(), succeeded };
            self.write(Durability::Ephemeral, change, Tag::Background, now, out);
        }
    }

    /// A durable task that ephemeral ones wait for may not have come in after all.
    pub(super) fn recheck_if_awaited(&self, id: &TaskId, out: &mut Vec<Command<W>>) {
        if self.ephemeral.waits_for(id) {
            out.push(Command::Recheck(vec![id.clone()]));
        }
    }

    /// What a [`Command::Recheck`] found: the state of a task in the store, if it is there.
    pub(crate) fn rechecked(
        &mut self,
        id: &TaskId,
        stored: Option<State>,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        match stored {
            Some(state) if state.has_ended() => {
                self.foreign_ended(id, state == State::Succeeded, now, out);
            }
            Some(_) => {}
            // It comes in once more: that will tell.
            None if self.active.get(id).is_some_and(|it| it.durability == Durability::Durable) => {}
            None => {
                let ended = self.cache.get(id);
                let well = ended.is_some_and(|it| it.outcome.state() == State::Succeeded);
                self.foreign_ended(id, well, now, out);
            }
        }
        self.dispatch(now, out);
    }

    pub(super) fn answer_ended(
        &mut self,
        id: &TaskId,
        ended: &Arc<Ended>,
        out: &mut Vec<Command<W>>,
    ) {
        let Some(active) = self.active.remove(id) else { return };
        // While an id is looked up, those who ask for the same as the first one join it. None of them
        // may have asked for this.
        let alike = active.digest == ended.task.digest;
        for (wait_for, waiter) in active.waiters {
            let answer = match wait_for {
                _ if !alike => Answer::Resubmit,
                WaitFor::Outcome => Answer::Ended(ended.clone()),
                WaitFor::Acceptance => {
                    Answer::Accepted(Accepted::joined(id, ended.outcome.state()))
                }
                WaitFor::IdDecision => Answer::Resubmit,
            };
            out.push(Command::Answer(waiter, answer));
        }
    }

    /// Somebody wishes a task cancelled.
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
            None => self.active.get(&id).map_or(Durability::Durable, |active| active.durability),
        };
        if durability == Durability::Ephemeral && !self.ephemeral.knows(&id) {
            // An inline body, at work on another thread. It will be over before it could be told, but
            // it will not be tried again.
            if let Some(active) = self.active.get_mut(&id) {
                active.cancel = Some(reason.into());
            }
            out.push(Command::Answer(waiter, Answer::Cancel(CancelVerdict::Requested)));
            return;
        }
        let tag = Tag::Cancel { waiter, reason: reason.clone() };
        self.write(durability, Change::Cancel { id, reason }, tag, now, out);
        self.dispatch(now, out);
    }
}

fn unique_taken() -> Error {
    let why = "the unique key belongs to another task, which has not ended, or whose window is not \
               over, or which cannot take these arguments";
    Error::new(Code::UniqueTaken, why)
}
