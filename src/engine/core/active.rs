//! Active tasks: tasks that are being submitted, that run, or that callers wait for.

use std::sync::Arc;

use ahash::{HashMap, HashMapExt};

use super::{Answer, Command, Waiter};
use crate::error::{Code, Error};
use crate::models::{Accepted, Digest, Durability, Ended, Fence, Snapshot, State, Task, TaskId};

/// What a waiter of a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitFor {
    /// The task is stored.
    Acceptance,
    /// The task has ended.
    Outcome,
    /// It is decided which task gets the id: the waiter sent other content with the same id, and
    /// submits again.
    IdDecision,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The store is being read for its id.
    Reserved,
    /// Its insert is on its way to the store.
    Inserting,
    /// It is stored; or it runs inline and needs no row.
    Accepted,
}

/// A task that is being submitted, that runs, or that callers wait for.
#[derive(Debug)]
pub(super) struct ActiveTask<W> {
    pub(super) digest: Digest,
    pub(super) durability: Durability,
    pub(super) phase: Phase,
    /// The attempt that runs.
    pub(super) fence: Option<Fence>,
    waiters: Vec<(WaitFor, W)>,
    /// Why the task was cancelled while its inline handler ran.
    cancel: Option<Box<str>>,
    /// The number of the reservation in [`Phase::Reserved`].
    reservation: u64,
}

impl<W: Waiter> ActiveTask<W> {
    fn new(digest: Digest, durability: Durability, phase: Phase) -> Self {
        let waiters = Vec::new();
        Self { digest, durability, phase, fence: None, waiters, cancel: None, reservation: 0 }
    }

    pub(super) fn wait(&mut self, wait_for: WaitFor, waiter: W) {
        // Whenever the list would have to grow, waiters that have gone are removed first.
        if self.waiters.len() == self.waiters.capacity() {
            self.waiters.retain(|(_, waiter)| !waiter.is_gone());
        }
        self.waiters.push((wait_for, waiter));
    }

    /// Whether it can be forgotten until it is claimed.
    fn is_idle(&self) -> bool {
        self.phase == Phase::Accepted && self.fence.is_none() && self.waiters.is_empty()
    }
}

/// All active tasks by id.
#[derive(Debug)]
pub(crate) struct ActiveTasks<W> {
    tasks: HashMap<TaskId, ActiveTask<W>>,
    /// How many ids have been reserved.
    reservations: u64,
}

impl<W: Waiter> ActiveTasks<W> {
    pub(super) fn new() -> Self {
        Self { tasks: HashMap::new(), reservations: 0 }
    }

    pub(crate) fn contains(&self, id: &TaskId) -> bool {
        self.tasks.contains_key(id)
    }

    pub(super) fn get(&self, id: &TaskId) -> Option<&ActiveTask<W>> {
        self.tasks.get(id)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Reserves an id while the store is read for it; returns the number of the reservation.
    pub(super) fn reserve(&mut self, id: &TaskId, digest: Digest) -> u64 {
        self.reservations += 1;
        // Its durability is not known yet, and is not used before the task is inserted.
        let mut active = ActiveTask::new(digest, Durability::Durable, Phase::Reserved);
        active.reservation = self.reservations;
        self.tasks.insert(id.clone(), active);
        self.reservations
    }

    /// Whether the id is reserved under this number.
    pub(super) fn is_reserved(&self, id: &TaskId, reservation: u64) -> bool {
        let mine =
            |it: &ActiveTask<W>| it.phase == Phase::Reserved && it.reservation == reservation;
        self.tasks.get(id).is_some_and(mine)
    }

    /// Whether the id is reserved under another number.
    pub(super) fn is_reserved_by_other(&self, id: &TaskId, reservation: u64) -> bool {
        let other =
            |it: &ActiveTask<W>| it.phase == Phase::Reserved && it.reservation != reservation;
        self.tasks.get(id).is_some_and(other)
    }

    /// Whether the insert of the task is on its way to the store.
    pub(super) fn is_inserting(&self, id: &TaskId) -> bool {
        self.tasks.get(id).is_some_and(|it| it.phase == Phase::Inserting)
    }

    /// The attempt of the task that runs.
    pub(super) fn fence(&self, id: &TaskId) -> Option<Fence> {
        self.tasks.get(id).and_then(|it| it.fence)
    }

    /// The task is admitted: its insert begins.
    pub(super) fn insert(
        &mut self,
        task: &Task,
        digest: Digest,
        fence: Option<Fence>,
    ) -> &mut ActiveTask<W> {
        let durability = task.options.durability;
        let active = self
            .tasks
            .entry(task.id.clone())
            .and_modify(|it| (it.phase, it.durability) = (Phase::Inserting, durability))
            .or_insert_with(|| ActiveTask::new(digest, durability, Phase::Inserting));
        active.fence = fence;
        active
    }

    pub(super) fn wait(&mut self, id: &TaskId, digest: Digest, wait_for: WaitFor, waiter: W) {
        self.tasks
            .entry(id.clone())
            .or_insert_with(|| ActiveTask::new(digest, Durability::Durable, Phase::Accepted))
            .wait(wait_for, waiter);
    }

    /// An attempt of the task starts.
    pub(super) fn attempt_started(&mut self, task: &Task, durability: Durability, fence: Fence) {
        self.tasks
            .entry(task.id.clone())
            .or_insert_with(|| ActiveTask::new(task.digest, durability, Phase::Accepted))
            .fence = Some(fence);
    }

    /// The attempt is over, and that is stored.
    pub(super) fn attempt_over(&mut self, id: &TaskId, fence: Fence) {
        if let Some(active) = self.tasks.get_mut(id)
            && active.fence == Some(fence)
        {
            active.fence = None;
            self.remove_if_idle(id);
        }
    }

    /// The attempt that was started early does not count.
    pub(super) fn detach_attempt(&mut self, id: &TaskId) {
        if let Some(active) = self.tasks.get_mut(id) {
            active.fence = None;
        }
    }

    pub(super) fn remove_if_idle(&mut self, id: &TaskId) {
        if self.tasks.get(id).is_some_and(ActiveTask::is_idle) {
            self.tasks.remove(id);
        }
    }

    /// Cancels a task whose inline handler runs on another thread: it is not retried.
    pub(super) fn cancel_inline(&mut self, id: &TaskId, reason: String) {
        if let Some(active) = self.tasks.get_mut(id) {
            active.cancel = Some(reason.into());
        }
    }

    /// Why the task was cancelled while its inline handler ran, if it was.
    pub(super) fn take_cancel(&mut self, id: &TaskId) -> Option<Box<str>> {
        self.tasks.get_mut(id).and_then(|it| it.cancel.take())
    }

    /// Frees an id; every waiter submits again.
    pub(super) fn release(&mut self, id: &TaskId, out: &mut Vec<Command<W>>) {
        for (_, waiter) in self.tasks.remove(id).into_iter().flat_map(|it| it.waiters) {
            out.push(Command::Answer(waiter, Answer::Resubmit));
        }
    }

    /// The task does not enter; its waiters get the error.
    pub(super) fn reject(&mut self, id: &TaskId, error: &Error, out: &mut Vec<Command<W>>) {
        for (wait_for, waiter) in self.tasks.remove(id).into_iter().flat_map(|it| it.waiters) {
            let answer = match wait_for {
                WaitFor::IdDecision => Answer::Resubmit,
                WaitFor::Acceptance | WaitFor::Outcome => Answer::Refused(error.clone()),
            };
            out.push(Command::Answer(waiter, answer));
        }
    }

    /// The store may or may not have the last write about the task: its waiters get
    /// `OUTCOME_UNKNOWN`.
    pub(super) fn answer_unknown(&mut self, id: &TaskId, error: &Error, out: &mut Vec<Command<W>>) {
        let Some(active) = self.tasks.get_mut(id) else { return };
        let unknown = Error::new(Code::OutcomeUnknown, error.message.clone());
        for (wait_for, waiter) in std::mem::take(&mut active.waiters) {
            match wait_for {
                WaitFor::IdDecision => active.wait(wait_for, waiter),
                WaitFor::Acceptance | WaitFor::Outcome => {
                    out.push(Command::Answer(waiter, Answer::Refused(unknown.clone())));
                }
            }
        }
    }

    /// The task is stored: the first waiter for acceptance learns that its request was accepted, all
    /// others that they joined it.
    pub(super) fn inserted(&mut self, id: &TaskId, state: State, out: &mut Vec<Command<W>>) {
        let Some(active) = self.tasks.get_mut(id) else { return };
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
        self.remove_if_idle(id);
    }

    /// Another task holds the unique key: its waiters get that task, or wait for its outcome.
    pub(super) fn unique_conflict(
        &mut self,
        id: &TaskId,
        first: &Snapshot,
        replaced: bool,
        out: &mut Vec<Command<W>>,
    ) {
        let other = &first.task.id;
        let Some(active) = self.tasks.get_mut(id) else { return };
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

    /// A store has the id: waiters that sent other content submit again.
    pub(super) fn found_stored(
        &mut self,
        stored: &Snapshot,
        digest: Digest,
        out: &mut Vec<Command<W>>,
    ) {
        let id = &stored.task.id;
        let Some(active) = self.tasks.get_mut(id) else { return };
        active.phase = Phase::Accepted;
        active.durability = stored.task.options.durability;
        active.digest = stored.task.digest;
        for (wait_for, waiter) in std::mem::take(&mut active.waiters) {
            match wait_for {
                WaitFor::Outcome if active.digest == digest => active.wait(wait_for, waiter),
                WaitFor::Acceptance if active.digest == digest => {
                    let accepted = Accepted::joined(id, stored.state);
                    out.push(Command::Answer(waiter, Answer::Accepted(accepted)));
                }
                _ => out.push(Command::Answer(waiter, Answer::Resubmit)),
            }
        }
    }

    /// The task has ended: every waiter is answered.
    pub(super) fn ended(&mut self, ended: &Arc<Ended>, out: &mut Vec<Command<W>>) {
        let id = &ended.task.id;
        let Some(active) = self.tasks.remove(id) else { return };
        // While an id is reserved, requests that send the same content wait for it together. The
        // task that has the id may have other content.
        let same = active.digest == ended.task.digest;
        for (wait_for, waiter) in active.waiters {
            let answer = match wait_for {
                _ if !same => Answer::Resubmit,
                WaitFor::Outcome => Answer::Ended(ended.clone()),
                WaitFor::Acceptance => {
                    Answer::Accepted(Accepted::joined(id, ended.outcome.state()))
                }
                WaitFor::IdDecision => Answer::Resubmit,
            };
            out.push(Command::Answer(waiter, answer));
        }
    }

    /// Removes all tasks, in the order of their ids, and refuses their waiters with an error that
    /// depends on the task.
    pub(super) fn abandon_all(
        &mut self,
        error: impl Fn(&ActiveTask<W>) -> Error,
        out: &mut Vec<Command<W>>,
    ) {
        let mut tasks: Vec<_> = self.tasks.drain().collect();
        tasks.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        for (_, active) in tasks {
            let error = error(&active);
            for (_, waiter) in active.waiters {
                out.push(Command::Answer(waiter, Answer::Refused(error.clone())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    /// A waiter that a test can make go away.
    #[derive(Clone, Debug, Default)]
    struct Caller(Rc<Cell<bool>>);

    impl Waiter for Caller {
        fn is_gone(&self) -> bool {
            self.0.get()
        }
    }

    fn id(name: &str) -> TaskId {
        TaskId::parse(name, "").expect("an id")
    }

    fn digest(content: &str) -> Digest {
        Digest::of(content, &[], &[])
    }

    #[test]
    fn waiters_that_have_gone_are_removed_instead_of_growing_the_list() {
        let mut active = ActiveTasks::new();
        let stays = Caller::default();
        active.wait(&id("a"), digest("x"), WaitFor::Outcome, stays);
        for _ in 0..10_000 {
            let leaves = Caller::default();
            active.wait(&id("a"), digest("x"), WaitFor::Outcome, leaves.clone());
            leaves.0.set(true);
        }
        let waiters = &active.get(&id("a")).expect("it is waited for").waiters;
        assert!(waiters.capacity() <= 8, "{} places", waiters.capacity());
        assert_eq!(waiters.iter().filter(|(_, waiter)| !waiter.is_gone()).count(), 1);
    }

    #[test]
    fn a_reservation_that_is_over_does_not_free_the_id_of_the_next() {
        let mut active = ActiveTasks::<Caller>::new();
        let first = active.reserve(&id("a"), digest("x"));
        active.release(&id("a"), &mut Vec::new());
        let second = active.reserve(&id("a"), digest("x"));
        assert!(!active.is_reserved(&id("a"), first) && active.is_reserved(&id("a"), second));
        assert!(active.is_reserved_by_other(&id("a"), first));
    }

    #[test]
    fn a_rejected_task_answers_other_content_with_resubmit() {
        let mut active = ActiveTasks::new();
        let mut out = Vec::new();
        active.reserve(&id("a"), digest("x"));
        for wait_for in [WaitFor::Acceptance, WaitFor::Outcome, WaitFor::IdDecision] {
            active.wait(&id("a"), digest("x"), wait_for, Caller::default());
        }
        let error = Error::new(Code::QueueFull, "full");
        active.reject(&id("a"), &error, &mut out);
        let resubmits =
            |command: &Command<Caller>| matches!(command, Command::Answer(_, Answer::Resubmit));
        assert_eq!(out.iter().map(resubmits).collect::<Vec<_>>(), [false, false, true]);
        assert!(active.is_empty());
    }
}
