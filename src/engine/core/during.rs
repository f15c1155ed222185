//! What running attempts say and ask for.

use std::sync::Arc;

use super::{Answer, Attempt, Command, Core, Tag, Waiter};
use crate::clock::Now;
use crate::models::{ArgValue, Custom, Fence, LogLine, Sequence, Task};
use crate::store::{Change, ChangeResult};

/// What a running attempt has stored, and waits for.
pub(crate) enum Asked {
    /// It decided about its own arguments.
    Decide(Vec<ArgValue>),
    /// What the next attempt is to find.
    Checkpoint(Option<Arc<[u8]>>),
    /// A child. Of the class of its parent.
    Spawn(Arc<Task>),
    /// Something that is to be announced.
    Emit(Arc<Custom>),
}

/// What a running attempt says, and does not wait for.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// How far it is.
    pub(crate) progress: Option<(f64, String)>,
    /// What it wrote down.
    pub(crate) lines: Vec<LogLine>,
}

impl<W: Waiter> Core<W> {
    /// Something that a running attempt asks for is to be stored before it goes on.
    pub(crate) fn ask(
        &mut self,
        fence: Fence,
        asked: Asked,
        waiter: W,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        let Some((sequence, class)) = self.at_work(fence) else {
            out.push(Command::Answer(waiter, Answer::Said(ChangeResult::Stale)));
            return;
        };
        let mut entering = None;
        let change = match asked {
            Asked::Decide(args) => Change::SetArgs { sequence, fence, args },
            Asked::Checkpoint(data) => Change::Checkpoint { sequence, fence, data },
            Asked::Emit(custom) => Change::Emit { sequence, fence, custom },
            Asked::Spawn(task) => {
                let queue = task.options.queue.clone();
                // Counted at once, as arrivals are.
                self.queue(&queue).waiting += 1;
                entering = Some(queue);
                Change::Spawn { sequence, fence, child: self.child(&task) }
            }
        };
        self.write(class, change, Tag::During { waiter, entering }, now, out);
        self.dispatch(now, out);
    }

    /// A running attempt said something.
    pub(crate) fn said(&mut self, fence: Fence, said: Said, now: Now, out: &mut Vec<Command<W>>) {
        let Some((sequence, class)) = self.at_work(fence) else { return };
        let Said { progress, lines } = said;
        if let Some((fraction, message)) = progress {
            let change = Change::Progress { sequence, fence, fraction, message };
            self.write(class, change, Tag::Said(sequence), now, out);
        }
        if !lines.is_empty() {
            let change = Change::Log { sequence, fence, lines };
            self.write(class, change, Tag::Said(sequence), now, out);
        }
    }

    /// A body begins to wait for children; it may wait for several at a time. Meanwhile it has no slot,
    /// so that they can have it.
    pub(crate) fn rest(&mut self, fence: Fence, now: Now, out: &mut Vec<Command<W>>) {
        // Something that a body left behind may wait on after it: that holds no slot.
        let Some(attempt) = self.attempts.get_mut(&fence).filter(|it| !it.gone) else { return };
        attempt.waits_for += 1;
        if attempt.waits_for > 1 {
            return;
        }
        attempt.resting = true;
        // The slot of a body whose thread was replaced is another's by now.
        let slot = (!attempt.replaced).then_some(attempt.slot);
        let queue = attempt.task.options.queue.clone();
        if let Some(slot) = slot {
            self.slots.free(slot);
        }
        self.queue(&queue).running -= 1;
        self.write_rest(fence, true, now, out);
    }

    /// One of those is over. A body that goes on has a slot in any case, and others have to wait.
    pub(crate) fn go_on(&mut self, fence: Fence, now: Now, out: &mut Vec<Command<W>>) {
        let resting = |it: &&mut Attempt| it.waits_for > 0 && !it.gone;
        let Some(attempt) = self.attempts.get_mut(&fence).filter(resting) else { return };
        attempt.waits_for -= 1;
        if attempt.waits_for > 0 {
            return;
        }
        attempt.resting = false;
        let slot = (!attempt.replaced).then_some(attempt.slot);
        let queue = attempt.task.options.queue.clone();
        if let Some(slot) = slot {
            self.slots.take(slot);
        }
        self.queue(&queue).running += 1;
        self.write_rest(fence, false, now, out);
    }

    fn write_rest(&mut self, fence: Fence, resting: bool, now: Now, out: &mut Vec<Command<W>>) {
        if let Some((sequence, class)) = self.at_work(fence) {
            let change = Change::Suspend { sequence, fence, suspended: resting };
            self.write(class, change, Tag::Said(sequence), now, out);
        }
        self.dispatch(now, out);
    }

    /// The task of an attempt of which nothing is decided yet.
    fn at_work(&self, fence: Fence) -> Option<(Sequence, crate::models::Durability)> {
        let attempt = self.attempts.get(&fence).filter(|it| !it.is_decided())?;
        Some((attempt.sequence, attempt.class))
    }
}
