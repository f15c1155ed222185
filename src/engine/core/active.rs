//! Who waits for which task, and what is known of the tasks that somebody waits for.

use super::{Answer, Command, Core, Waiter};
use crate::error::Error;
use crate::models::{Digest, Durability, Fence, TaskId};

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
    /// Its id is being looked up.
    Reserved,
    /// Its insert is under way.
    Inserting,
    /// It is stored, or it runs inline and nobody needs it stored.
    Accepted,
}

/// A task that enters, runs or is waited for.
#[derive(Debug)]
pub(super) struct ActiveTask<W> {
    pub(super) digest: Digest,
    pub(super) durability: Durability,
    pub(super) phase: Phase,
    pub(super) fence: Option<Fence>,
    pub(super) waiters: Vec<(WaitFor, W)>,
    /// Why somebody wished it cancelled, while its inline body was at work.
    pub(super) cancel: Option<Box<str>>,
    /// Whose look-up it is, while it is [`Phase::Reserved`].
    pub(super) reservation: u64,
}

impl<W: Waiter> ActiveTask<W> {
    pub(super) fn new(digest: Digest, durability: Durability, phase: Phase) -> Self {
        Self {
            digest,
            durability,
            phase,
            fence: None,
            waiters: Vec::new(),
            cancel: None,
            reservation: 0,
        }
    }

    pub(super) fn wait(&mut self, wait_for: WaitFor, waiter: W) {
        // Callers that went away are swept out whenever the list would have to grow.
        if self.waiters.len() == self.waiters.capacity() {
            self.waiters.retain(|(_, waiter)| !waiter.is_gone());
        }
        self.waiters.push((wait_for, waiter));
    }

    /// Whether it can be forgotten until it is claimed.
    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Accepted && self.fence.is_none() && self.waiters.is_empty()
    }
}

impl<W: Waiter> Core<W> {
    /// Whoever held the id went away before it handed its request in. Another may hold it by now.
    pub(crate) fn release_reservation(
        &mut self,
        id: &TaskId,
        reservation: u64,
        out: &mut Vec<Command<W>>,
    ) {
        let held = |active: &ActiveTask<W>| {
            active.phase == Phase::Reserved && active.reservation == reservation
        };
        if self.active.get(id).is_some_and(held) {
            self.release_id(id, out);
        }
    }

    /// Lets go of an id that was held; whoever waited for that asks again.
    pub(super) fn release_id(&mut self, id: &TaskId, out: &mut Vec<Command<W>>) {
        for (_, waiter) in self.active.remove(id).into_iter().flat_map(|active| active.waiters) {
            out.push(Command::Answer(waiter, Answer::Resubmit));
        }
        // They may count on it because somebody held its id.
        self.recheck_if_awaited(id, out);
    }

    /// A task is not in after all; whoever waited for it is told why.
    pub(super) fn reject(&mut self, id: &TaskId, error: &Error, out: &mut Vec<Command<W>>) {
        if let Some(active) = self.active.remove(id) {
            for (wait_for, waiter) in active.waiters {
                let answer = match wait_for {
                    WaitFor::IdDecision => Answer::Resubmit,
                    _ => Answer::Refused(error.clone()),
                };
                out.push(Command::Answer(waiter, answer));
            }
        }
    }

    pub(super) fn wait(&mut self, id: &TaskId, digest: Digest, wait_for: WaitFor, waiter: W) {
        self.active
            .entry(id.clone())
            .or_insert_with(|| ActiveTask::new(digest, Durability::Durable, Phase::Accepted))
            .wait(wait_for, waiter);
    }

    pub(super) fn forget_if_idle(&mut self, id: &TaskId) {
        if self.active.get(id).is_some_and(ActiveTask::is_idle) {
            self.active.remove(id);
        }
    }
}
