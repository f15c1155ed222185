//! Calls of running handlers: arguments, checkpoints, children, events, progress and log lines.

use std::sync::Arc;

use super::step::Step;
use super::{Answer, Command, Core, Tag, Waiter};
use crate::clock::Now;
use crate::models::{ArgValue, Custom, Fence, LogLine, Task};
use crate::store::{Change, ChangeResult};

/// A write of a running attempt that the attempt waits for.
pub(crate) enum HostCall {
    /// Sets the arguments that this and later attempts run with.
    SetArgs(Vec<ArgValue>),
    /// Sets the checkpoint that the next attempt gets.
    Checkpoint(Option<Arc<[u8]>>),
    /// Spawns a child, which has the durability of its parent.
    Spawn(Arc<Task>),
    /// Publishes a custom event.
    Emit(Arc<Custom>),
}

/// Output of a running attempt, which does not wait for its write.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// The progress from 0 to 1, and its message.
    pub(crate) progress: Option<(f64, String)>,
    pub(crate) lines: Vec<LogLine>,
}

impl<W: Waiter> Core<W> {
    /// Writes a call of a running attempt. The waiter gets the result, which is
    /// [`ChangeResult::Stale`] if the attempt is concluded.
    pub(crate) fn host_call(
        &mut self,
        fence: Fence,
        call: HostCall,
        waiter: W,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        let Some((sequence, durability)) = self.attempts.task_of(fence) else {
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
                // It counts as waiting before it is stored, as submitted tasks do.
                self.dispatch.add_waiting(&queue);
                enqueued = Some(queue);
                Change::Spawn { sequence, fence, child: self.numbers.insert(&task) }
            }
        };
        let mut step = self.step(now, out);
        step.write(durability, change, Tag::HostCall { waiter, enqueued });
        step.dispatch();
    }

    /// Writes the output of a running attempt.
    pub(crate) fn output(
        &mut self,
        fence: Fence,
        output: Output,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        let Some((sequence, durability)) = self.attempts.task_of(fence) else { return };
        let mut step = self.step(now, out);
        let Output { progress, lines } = output;
        if let Some((fraction, message)) = progress {
            let change = Change::Progress { sequence, fence, fraction, message };
            step.write(durability, change, Tag::Output(sequence));
        }
        if !lines.is_empty() {
            let change = Change::Log { sequence, fence, lines };
            step.write(durability, change, Tag::Output(sequence));
        }
    }

    /// A handler begins to wait for children; it may wait for several at the same time. Meanwhile it
    /// gives its slot back, so that its children can have it.
    pub(crate) fn suspend(&mut self, fence: Fence, now: Now, out: &mut Vec<Command<W>>) {
        if let Some(queue) = self.attempts.suspend(fence, &mut self.slots) {
            self.dispatch.queue(&queue).running -= 1;
            self.step(now, out).write_suspended(fence, true);
        }
    }

    /// A join of a handler is over. When none is left, the handler takes its slot back even if that
    /// exceeds the limit.
    pub(crate) fn resume(&mut self, fence: Fence, now: Now, out: &mut Vec<Command<W>>) {
        if let Some(queue) = self.attempts.resume(fence, &mut self.slots) {
            self.dispatch.queue(&queue).running += 1;
            self.step(now, out).write_suspended(fence, false);
        }
    }
}

impl<W: Waiter> Step<'_, W> {
    fn write_suspended(&mut self, fence: Fence, suspended: bool) {
        if let Some((sequence, durability)) = self.core.attempts.task_of(fence) {
            let change = Change::Suspend { sequence, fence, suspended };
            self.write(durability, change, Tag::Output(sequence));
        }
        self.dispatch();
    }
}
