//! Carries out what the core wants done.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::AbortHandle;

use super::core::{Answer, Core, Hook, Start};
use super::{Caller, Command, Shared, attempt};
use crate::clock::{Now, now};
use crate::models::{QueueName, TaskId};
use crate::store::Place;
use crate::tasks::{Body, Kind, Method, TaskContext};

/// A body under way.
pub(super) struct Running {
    pub(super) context: TaskContext,
    /// How to drop it; a sync body cannot be dropped.
    pub(super) abort: Option<AbortHandle>,
}

impl Shared {
    /// Tells the core something and carries out what it wants done.
    pub(super) fn act<T>(
        self: &Arc<Self>,
        tell: impl FnOnce(&mut Core<Caller>, Now, &mut Vec<Command>) -> T,
    ) -> T {
        let mut commands = Vec::new();
        let told = self.tell(&mut commands, tell);
        if !commands.is_empty() {
            self.perform(commands);
        }
        told
    }

    fn tell<T>(
        &self,
        commands: &mut Vec<Command>,
        tell: impl FnOnce(&mut Core<Caller>, Now, &mut Vec<Command>) -> T,
    ) -> T {
        let now = now();
        let mut core = self.core.lock();
        let told = tell(&mut core, now, commands);
        let next = core.next_tick(now);
        let quiet = self.draining.load(Ordering::Acquire) && core.is_quiet();
        drop(core);
        if let Some(next) = next
            && u64::try_from(next.as_micros()).unwrap_or(u64::MAX)
                < self.tick_at.load(Ordering::Acquire)
        {
            self.tick_wake.notify_one();
        }
        if quiet {
            self.quiet.notify_waiters();
        }
        told
    }

    /// A list, not recursion: an inline body's end may start the next one.
    fn perform(self: &Arc<Self>, commands: Vec<Command>) {
        let mut work = VecDeque::from(commands);
        let mut wrote = false;
        while let Some(command) = work.pop_front() {
            match command {
                Command::Write(change, tag) => {
                    self.writes.lock().push((change, tag));
                    wrote = true;
                }
                Command::Claim(wanted) => {
                    self.claims.lock().extend(wanted);
                    self.claim_wake.notify_one();
                }
                Command::Refill { queue, after, limit } => self.refill(queue, after, limit),
                Command::Recheck(ids) => self.recheck(ids),
                Command::Start(start) => {
                    if start.method.body.kind() == Kind::Inline && attempt::is_ready(&start) {
                        let ran = attempt::run_inline(&start);
                        let mut more = Vec::new();
                        self.tell(&mut more, |core, now, out| {
                            core.ended(start.fence, ran, now, out)
                        });
                        work.extend(more);
                    } else {
                        self.start(*start);
                    }
                }
                Command::Signal(fence) => {
                    if let Some(running) = self.running.lock().get(&fence) {
                        running.context.stop();
                    }
                }
                Command::Abort(fence) => {
                    let running = self.running.lock();
                    if let Some(abort) = running.get(&fence).and_then(|it| it.abort.as_ref()) {
                        abort.abort();
                    }
                }
                Command::Answer(caller, answer) => tell_caller(caller, answer),
                Command::Hook(method, hook) => self.hook(method, hook),
            }
        }
        if wrote {
            self.write_wake.notify_one();
        }
    }

    /// Hands a body to where it runs.
    fn start(self: &Arc<Self>, start: Start) {
        let context = TaskContext::new(start.task.clone(), start.number, start.fence);
        let fence = start.fence;
        let running = Running { context: context.clone(), abort: None };
        self.running.lock().insert(fence, running);
        let ready = attempt::is_ready(&start);
        match start.method.body {
            Body::Sync(run) | Body::Inline(run) if ready => {
                let shared = self.clone();
                self.on_bodies.spawn_blocking(move || {
                    let args = attempt::args(&start);
                    attempt::run_sync(&shared, run, context, args);
                });
            }
            _ => {
                let shared = self.clone();
                let body = self.on_bodies.spawn(attempt::run_async(shared, start, context));
                if let Some(running) = self.running.lock().get_mut(&fence) {
                    running.abort = Some(body.abort_handle());
                }
            }
        }
    }

    fn refill(self: &Arc<Self>, queue: QueueName, after: Option<Place>, limit: usize) {
        let shared = self.clone();
        self.on_loops.spawn(async move {
            match shared.store.window(&queue, after, limit).await {
                Ok(ready) => {
                    shared.act(|core, now, out| core.refilled(&queue, after, ready, now, out));
                }
                Err(error) => {
                    tracing::warn!(%queue, %error, "cannot read a queue");
                    shared.act(|core, now, _| core.refill_failed(&queue, now));
                }
            }
        });
    }

    fn recheck(self: &Arc<Self>, ids: Vec<TaskId>) {
        let shared = self.clone();
        self.on_loops.spawn(async move {
            let found = match shared.store.find(&ids).await {
                Ok(found) => found,
                Err(error) => {
                    // Their ends are told by their commits; this only covers what ended just before.
                    tracing::warn!(%error, "cannot look at dependencies again");
                    return;
                }
            };
            for snapshot in found.into_iter().flatten() {
                if let Some(outcome) = snapshot.outcome {
                    let well = outcome.state() == crate::models::State::Succeeded;
                    let id = &snapshot.task.id;
                    shared.act(|core, now, out| core.foreign_ended(id, well, now, out));
                }
            }
        });
    }

    fn hook(&self, method: Arc<Method>, hook: Hook) {
        let Body::Handler(handler) = &method.body else { return };
        let handler = handler.clone();
        // A hook that panics ends its own tokio task and nothing else.
        self.on_bodies.spawn(async move {
            match hook {
                Hook::Retry { task, attempt, error } => {
                    handler.on_retry(&task, attempt, &error).await;
                }
                Hook::Success(task, outcome) => handler.on_success(&task, &outcome).await,
                Hook::Failure(task, outcome) => handler.on_failure(&task, &outcome).await,
            }
        });
    }
}

fn tell_caller(caller: Caller, answer: Answer) {
    // A caller that went away needs no answer.
    drop(caller.send(answer));
}
