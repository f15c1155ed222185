//! What running attempts say and ask for.

use std::sync::Arc;

use super::{Answer, Attempt, Command, Core, Tag, Waiter};
use crate::clock::Now;
use crate::models::{ArgValue, Fence, LogLine, Sequence, Task};
use crate::store::{Change, Verdict};

/// What a running attempt has stored, and waits for.
pub(crate) enum Asked {
    /// It decided about its own arguments.
    Decide(Vec<ArgValue>),
    /// What the next attempt is to find.
    Checkpoint(Option<Arc<[u8]>>),
    /// A child. Of the class of its parent.
    Spawn(Arc<Task>),
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
            out.push(Command::Answer(waiter, Answer::Said(Verdict::Stale)));
            return;
        };
        let mut entering = None;
        let change = match asked {
            Asked::Decide(args) => Change::Decide { sequence, fence, args },
            Asked::Checkpoint(data) => Change::Checkpoint { sequence, fence, data },
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

    /// A body begins to wait for its children, or goes on. Meanwhile it has no slot, so that they can
    /// have it; when it goes on it has one in any case, and others have to wait.
    pub(crate) fn rest(
        &mut self,
        fence: Fence,
        resting: bool,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        // Something that a body left behind may wait on after it: that holds no slot.
        let there = |it: &&mut Attempt| it.resting != resting && !it.gone;
        let Some(attempt) = self.attempts.get_mut(&fence).filter(there) else { return };
        attempt.resting = resting;
        // The slot of a body whose thread was replaced is another's by now.
        let slot = (!attempt.replaced).then_some(attempt.slot);
        let queue = attempt.task.options.queue.clone();
        if resting {
            if let Some(slot) = slot {
                self.slots.free(slot);
            }
            self.queue(&queue).running -= 1;
        } else {
            if let Some(slot) = slot {
                self.slots.take(slot);
            }
            self.queue(&queue).running += 1;
        }
        if let Some((sequence, class)) = self.at_work(fence) {
            let change = Change::Rest { sequence, fence, resting };
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
