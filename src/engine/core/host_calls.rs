//! What running attempts say and ask for.

use std::sync::Arc;

use super::{Answer, Attempt, Command, Core, Tag, Waiter};
use crate::clock::Now;
use crate::models::{ArgValue, Custom, Fence, LogLine, Sequence, Task};
use crate::store::{Change, ChangeResult};

/// What a running attempt has stored, and waits for.
pub(crate) enum HostCall {
    /// It decided about its own arguments.
    SetArgs(Vec<ArgValue>),
    /// What the next attempt is to find.
    Checkpoint(Option<Arc<[u8]>>),
    /// A child. Of the class of its parent.
    Spawn(Arc<Task>),
    /// Something that is to be announced.
    Emit(Arc<Custom>),
}

/// What a running attempt says, and does not wait for.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// How far it is.
    pub(crate) progress: Option<(f64, String)>,
    /// What it wrote down.
    pub(crate) lines: Vec<LogLine>,
}

impl<W: Waiter> Core<W> {
    /// Something that a running attempt asks for is to be stored before it goes on.
    pub(crate) fn host_call(
        &mut self,
        fence: Fence,
        call: HostCall,
        waiter: W,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        let Some((sequence, durability)) = self.at_work(fence) else {
            out.push(Command::Answer(waiter, Answer::Result(ChangeResult::Stale)));
            return;
        };
        let mut enqueued = None;
        let change = match call {
            HostCall::SetArgs(args) => Change::SetArgs { sequence, fence, args },
            HostCall::Checkpoint(data) => Change::Checkpoint { sequence, fence, data },
            HostCall::Emit(custom) => Change::Emit { sequence, fence, custom },
            HostCall::Spawn(task) => {
                let queue = task.options.queue.clone();
                // Counted at once, as arrivals are.
                self.queue(&queue).waiting += 1;
                enqueued = Some(queue);
                Change::Spawn { sequence, fence, child: self.child(&task) }
            }
        };
        self.write(durability, change, Tag::HostCall { waiter, enqueued }, now, out);
        self.dispatch(now, out);
    }

    /// A running attempt said something.
    pub(crate) fn output(
        &mut self,
        fence: Fence,
        said: Output,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        let Some((sequence, durability)) = self.at_work(fence) else { return };
        let Output { progress, lines } = said;
        if let Some((fraction, message)) = progress {
            let change = Change::Progress { sequence, fence, fraction, message };
            self.write(durability, change, Tag::Output(sequence), now, out);
        }
        if !lines.is_empty() {
            let change = Change::Log { sequence, fence, lines };
            self.write(durability, change, Tag::Output(sequence), now, out);
        }
    }

    /// A body begins to wait for children; it may wait for several at a time. Meanwhile it has no slot,
    /// so that they can have it.
    pub(crate) fn suspend(&mut self, fence: Fence, now: Now, out: &mut Vec<Command<W>>) {
        // Something that a body left behind may wait on after it: that holds no slot.
        let Some(attempt) = self.attempts.get_mut(&fence).filter(|it| !it.gone) else { return };
        attempt.joins += 1;
        if attempt.joins > 1 {
            return;
        }
        attempt.suspended = true;
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
    pub(crate) fn resume(&mut self, fence: Fence, now: Now, out: &mut Vec<Command<W>>) {
        let suspended = |it: &&mut Attempt| it.joins > 0 && !it.gone;
        let Some(attempt) = self.attempts.get_mut(&fence).filter(suspended) else { return };
        attempt.joins -= 1;
        if attempt.joins > 0 {
            return;
        }
        attempt.suspended = false;
        let slot = (!attempt.replaced).then_some(attempt.slot);
        let queue = attempt.task.options.queue.clone();
        if let Some(slot) = slot {
            self.slots.take(slot);
        }
        self.queue(&queue).running += 1;
        self.write_rest(fence, false, now, out);
    }

    fn write_rest(&mut self, fence: Fence, suspended: bool, now: Now, out: &mut Vec<Command<W>>) {
        if let Some((sequence, durability)) = self.at_work(fence) {
            let change = Change::Suspend { sequence, fence, suspended: suspended };
            self.write(durability, change, Tag::Output(sequence), now, out);
        }
        self.dispatch(now, out);
    }

    /// The task of an attempt of which nothing is decided yet.
    fn at_work(&self, fence: Fence) -> Option<(Sequence, crate::models::Durability)> {
        let attempt = self.attempts.get(&fence).filter(|it| !it.is_concluded())?;
        Some((attempt.sequence, attempt.durability))
    }
}
