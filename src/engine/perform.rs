//! Performs the commands of the core.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::core::{Core, Hook, StartAttempt, WakeTarget, draining};
use super::mailbox::Delivery;
use super::{Caller, Command, Shared, attempt};
use crate::clock::{Now, now};
use crate::models::{QueueName, TaskId};
use crate::store::Position;
use crate::tasks::{Handler, HandlerKind, Method, TaskContext};

/// The pause after the store failed to read the states of dependencies.
const RECHECK_PAUSE: Duration = Duration::from_millis(100);

/// An attempt whose handler runs.
pub(super) struct Running {
    pub(super) context: TaskContext,
    /// Drops the handler; a sync handler cannot be dropped.
    pub(super) abort: Option<AbortHandle>,
    /// The core aborted it before `abort` was known.
    pub(super) aborted: bool,
}

impl Shared {
    /// Changes the core and performs the commands that follow.
    pub(super) fn act<T>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Core<Caller>, Now, &mut Vec<Command>) -> T,
    ) -> T {
        self.act_at(now(), change)
    }

    /// [`act`](Self::act) for a caller that has read the clock.
    pub(super) fn act_at<T>(
        self: &Arc<Self>,
        now: Now,
        change: impl FnOnce(&mut Core<Caller>, Now, &mut Vec<Command>) -> T,
    ) -> T {
        let mut commands = Vec::new();
        let (result, wrote) = self.decide(&mut commands, now, change);
        if !commands.is_empty() || wrote {
            self.perform(commands, wrote);
        }
        result
    }

    /// Changes the core. Queues the writes and publishes the events that follow, and leaves the other
    /// commands in `commands`. Returns also whether it queued a write.
    fn decide<T>(
        &self,
        commands: &mut Vec<Command>,
        now: Now,
        change: impl FnOnce(&mut Core<Caller>, Now, &mut Vec<Command>) -> T,
    ) -> (T, bool) {
        let mut core = self.core.lock();
        core.notifications.observe_events(self.announcements.has_listeners());
        let was_stopped = core.shutdown.is_stopped();
        let result = change(&mut core, now, commands);
        if was_stopped {
            refuse_writes(&mut core, commands, now);
        }
        let queued =
            if commands.is_empty() { Queued::default() } else { self.queue_ordered(commands, now) };
        let next = core.next_tick(now);
        let draining = self.draining.load(Ordering::Acquire);
        drop(core);
        if queued.events {
            self.announcements.publish();
        }
        if let Some(next) = next
            && u64::try_from(next.as_micros()).unwrap_or(u64::MAX)
                < self.tick_at.load(Ordering::Acquire)
        {
            self.tick_wake.notify_one();
        }
        if draining {
            self.quiet.notify_waiters();
        }
        (result, queued.writes)
    }

    /// Queues, while the core is held, the commands that must keep the core's order: writes for the store
    /// and events for subscribers. Registers each started attempt, so that a cancel finds it.
    fn queue_ordered(&self, commands: &mut Vec<Command>, now: Now) -> Queued {
        let mut queued = Queued::default();
        for command in commands.iter() {
            match command {
                Command::Write(..) => queued.writes = true,
                Command::Announce(_) => queued.events = true,
                Command::Start(start) if !runs_here(start) => {
                    let context = attempt::context(start, self.host.clone(), now);
                    let running = Running { context, abort: None, aborted: false };
                    self.running.lock().insert(start.claimed.fence, running);
                }
                _ => {}
            }
        }
        if queued.writes {
            let mut writes = self.writes.lock();
            let is_write = |command: &mut Command| matches!(command, Command::Write(..));
            for command in commands.extract_if(.., is_write) {
                if let Command::Write(change, tag) = command {
                    writes.push((change, tag));
                }
            }
        }
        if queued.events {
            let is_event = |command: &mut Command| matches!(command, Command::Announce(_));
            for command in commands.extract_if(.., is_event) {
                if let Command::Announce(events) = command {
                    self.announcements.queue(events);
                }
            }
        }
        queued
    }

    /// Performs commands. A loop over a list, not recursion: the end of an inline handler may start the
    /// next one.
    ///
    /// Wakes `commits` last, so that the end of an inline handler is in one commit with its insert.
    fn perform(self: &Arc<Self>, commands: Vec<Command>, mut wrote: bool) {
        let mut work = VecDeque::from(commands);
        let mut delivery = Delivery::default();
        while let Some(command) = work.pop_front() {
            match command {
                Command::Write(..) | Command::Announce(_) => {
                    unreachable!("queued while the core was held")
                }
                Command::Claim(claims) => {
                    self.claims.lock().extend(claims);
                    self.claim_wake.notify_one();
                }
                Command::Refill { queue, after, limit } => self.refill(queue, after, limit),
                Command::Recheck(ids) => self.recheck(ids),
                Command::Start(start) => {
                    if runs_here(&start) {
                        let (end, output) = attempt::run_inline(&start, self.host.clone(), now());
                        let mut more = Vec::new();
                        let ((), wrote_more) = self.decide(&mut more, now(), |core, now, out| {
                            core.output(start.claimed.fence, output, now, out);
                            core.ended(start.claimed.fence, end, now, out);
                        });
                        wrote |= wrote_more;
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
                    if let Some(running) = self.running.lock().get_mut(&fence) {
                        running.aborted = true;
                        if let Some(abort) = &running.abort {
                            abort.abort();
                        }
                    }
                }
                Command::Answer(caller, answer) => delivery.answer(caller, answer),
                Command::Hook(method, hook) => self.hook(method, hook),
                Command::NotifyWatchers(key) => self.watches.wake(&key),
                Command::Wake(WakeTarget::Schedules) => self.schedules_changed.notify_one(),
                Command::Wake(WakeTarget::Outbox) => self.outbox_written.notify_one(),
            }
        }
        delivery.wake();
        if wrote {
            self.write_wake.notify_one();
        }
    }

    /// Starts an attempt on the thread or the runtime of its handler.
    fn start(self: &Arc<Self>, start: StartAttempt) {
        let fence = start.claimed.fence;
        let Some(context) = self.running.lock().get(&fence).map(|it| it.context.clone()) else {
            unreachable!(
                "an attempt is registered when the core starts it, until it reports its end"
            )
        };
        let ready = attempt::is_ready(&start);
        match start.method.handler {
            Handler::Sync(run) | Handler::Inline(run) if ready => {
                let shared = self.clone();
                self.handler_threads.spawn_blocking(move || {
                    let args = attempt::args(&start);
                    attempt::run_sync(&shared, run, context, args);
                });
            }
            _ => {
                let shared = self.clone();
                let report = attempt::Report::new(shared.clone(), fence);
                let attempt = attempt::run_async(shared, start, context, report);
                let abort = self.handler_threads.spawn(attempt).abort_handle();
                if let Some(running) = self.running.lock().get_mut(&fence) {
                    if running.aborted {
                        abort.abort();
                    }
                    running.abort = Some(abort);
                }
            }
        }
    }

    fn refill(self: &Arc<Self>, queue: QueueName, after: Option<Position>, limit: usize) {
        let shared = self.clone();
        self.service_thread.spawn(async move {
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
        self.service_thread.spawn(async move {
            let found = loop {
                match shared.store.find(&ids).await {
                    Ok(found) => break found,
                    Err(error) => {
                        tracing::warn!(%error, "cannot read the states of dependencies; trying again");
                        tokio::time::sleep(RECHECK_PAUSE).await;
                    }
                }
            };
            for (id, snapshot) in ids.iter().zip(found) {
                let state = snapshot.map(|snapshot| snapshot.state);
                shared.act(|core, now, out| core.rechecked(id, state, now, out));
            }
        });
    }

    fn hook(&self, method: Arc<Method>, hook: Hook) {
        let Handler::Object(handler) = &method.handler else { return };
        let handler = handler.clone();
        let called = self.handler_threads.spawn(async move {
            match hook {
                Hook::Retry { task, attempt, error } => {
                    handler.on_retry(&task, attempt, &error).await;
                }
                Hook::Success(task, outcome) => handler.on_success(&task, &outcome).await,
                Hook::Failure(task, outcome) => handler.on_failure(&task, &outcome).await,
            }
        });
        self.handler_threads.spawn(async move {
            if let Err(error) = called.await
                && error.is_panic()
            {
                tracing::error!(method = %method.name, "a hook panicked");
            }
        });
    }
}

/// Which kinds of ordered commands a change of the core caused.
#[derive(Clone, Copy, Default)]
struct Queued {
    writes: bool,
    events: bool,
}

/// Refuses the writes that follow the last change, and answers their callers.
fn refuse_writes(core: &mut Core<Caller>, commands: &mut Vec<Command>, now: Now) {
    let is_write = |command: &mut Command| matches!(command, Command::Write(..));
    let writes: Vec<_> = commands
        .extract_if(.., is_write)
        .filter_map(|command| match command {
            Command::Write(change, tag) => Some((change, tag)),
            _ => None,
        })
        .collect();
    if !writes.is_empty() {
        // Dropped: the writes that the core would repeat do not matter after the last change.
        drop(core.commit_failed(writes, &draining(), now, commands));
    }
}

/// Whether the handler runs on the thread that performs the command.
fn runs_here(start: &StartAttempt) -> bool {
    start.method.handler.kind() == HandlerKind::Inline && attempt::is_ready(start)
}
