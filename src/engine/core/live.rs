//! Who waits for which task, and what is known of the tasks that somebody waits for.

use super::admit::Want;
use super::{Answer, Command, Core, Waiter};
use crate::error::Error;
use crate::models::{Digest, Durability, Fence, TaskId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    Acceptance,
    Outcome,
    /// Has the same id and other content; is to ask again.
    Decision,
}

impl From<Want> for Interest {
    fn from(want: Want) -> Self {
        match want {
            Want::Acceptance => Self::Acceptance,
            Want::Outcome => Self::Outcome,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its id is being looked up.
    Entering,
    /// Its insert is under way.
    Inserting,
    /// It is stored, or it runs inline and nobody needs it stored.
    Known,
}

/// A task that enters, runs or is waited for.
#[derive(Debug)]
pub(super) struct Live<W> {
    pub(super) digest: Digest,
    pub(super) class: Durability,
    pub(super) phase: Phase,
    pub(super) fence: Option<Fence>,
    pub(super) waiters: Vec<(Interest, W)>,
    /// Why somebody wished it cancelled, while its inline body was at work.
    pub(super) cancel: Option<Box<str>>,
    /// Whose look-up it is, while it is [`Phase::Entering`].
    pub(super) hold: u64,
}

impl<W: Waiter> Live<W> {
    pub(super) fn new(digest: Digest, class: Durability, phase: Phase) -> Self {
        Self { digest, class, phase, fence: None, waiters: Vec::new(), cancel: None, hold: 0 }
    }

    pub(super) fn wait(&mut self, interest: Interest, waiter: W) {
        // Callers that went away are swept out whenever the list would have to grow.
        if self.waiters.len() == self.waiters.capacity() {
            self.waiters.retain(|(_, waiter)| !waiter.is_gone());
        }
        self.waiters.push((interest, waiter));
    }

    /// Whether it can be forgotten until it is claimed.
    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Known && self.fence.is_none() && self.waiters.is_empty()
    }
}

impl<W: Waiter> Core<W> {
    /// Whoever held the id went away before it handed its request in. Another may hold it by now.
    pub(crate) fn let_go_of(&mut self, id: &TaskId, hold: u64, out: &mut Vec<Command<W>>) {
        let held = |live: &Live<W>| live.phase == Phase::Entering && live.hold == hold;
        if self.live.get(id).is_some_and(held) {
            self.let_in_others(id, out);
        }
    }

    /// Lets go of an id that was held; whoever waited for that asks again.
    pub(super) fn let_in_others(&mut self, id: &TaskId, out: &mut Vec<Command<W>>) {
        for (_, waiter) in self.live.remove(id).into_iter().flat_map(|live| live.waiters) {
            out.push(Command::Answer(waiter, Answer::AskAgain));
        }
        // They may count on it because somebody held its id.
        self.recheck_if_awaited(id, out);
    }

    /// A task is not in after all; whoever waited for it is told why.
    pub(super) fn leave(&mut self, id: &TaskId, error: &Error, out: &mut Vec<Command<W>>) {
        if let Some(live) = self.live.remove(id) {
            for (interest, waiter) in live.waiters {
                let answer = match interest {
                    Interest::Decision => Answer::AskAgain,
                    _ => Answer::Refused(error.clone()),
                };
                out.push(Command::Answer(waiter, answer));
            }
        }
    }

    pub(super) fn wait(&mut self, id: &TaskId, digest: Digest, interest: Interest, waiter: W) {
        self.live
            .entry(id.clone())
            .or_insert_with(|| Live::new(digest, Durability::Durable, Phase::Known))
            .wait(interest, waiter);
    }

    pub(super) fn forget_if_idle(&mut self, id: &TaskId) {
        if self.live.get(id).is_some_and(Live::is_idle) {
            self.live.remove(id);
        }
    }
}
