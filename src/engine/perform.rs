//! Carries out what the core wants done.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::core::{Core, Hook, StartAttempt, WakeTarget, draining};
use super::mailbox::Round;
use super::{Caller, Command, Shared, attempt};
use crate::clock::{Now, now};
use crate::models::{QueueName, TaskId};
use crate::store::Position;
use crate::tasks::{Handler, HandlerKind, Method, TaskContext};

/// How long a store that could not say what became of dependencies is left alone.
const RECHECK_PAUSE: Duration = Duration::from_millis(100);

/// A body under way.
pub(super) struct Running {
    pub(super) context: TaskContext,
    /// How to drop it; a sync body cannot be dropped.
    pub(super) abort: Option<AbortHandle>,
    /// It was to be dropped before that was known.
    pub(super) aborted: bool,
}

impl Shared {
    /// Tells the core something and carries out what it wants done.
    pub(super) fn act<T>(
        self: &Arc<Self>,
        tell: impl FnOnce(&mut Core<Caller>, Now, &mut Vec<Command>) -> T,
    ) -> T {
        self.act_at(now(), tell)
    }

    /// The same, for somebody who knows the time.
    pub(super) fn act_at<T>(
        self: &Arc<Self>,
        now: Now,
        tell: impl FnOnce(&mut Core<Caller>, Now, &mut Vec<Command>) -> T,
    ) -> T {
        let mut commands = Vec::new();
        let (told, wrote) = self.tell(&mut commands, now, tell);
        if !commands.is_empty() || wrote {
            self.perform(commands, wrote);
        }
        told
    }

    /// Answers also whether something is to be written. What is to be announced was, then.
    fn tell<T>(
        &self,
        commands: &mut Vec<Command>,
        now: Now,
        tell: impl FnOnce(&mut Core<Caller>, Now, &mut Vec<Command>) -> T,
    ) -> (T, bool) {
        let mut core = self.core.lock();
        core.notifications.observe_events(self.announcements.listened_to());
        let was_stopped = core.shutdown.is_stopped();
        let told = tell(&mut core, now, commands);
        if was_stopped {
            refuse_writes(&mut core, commands, now);
        }
        let kept =
            if commands.is_empty() { Kept::default() } else { self.keep_order(commands, now) };
        let next = core.next_tick(now);
        let draining = self.draining.load(Ordering::Acquire);
        drop(core);
        if kept.events {
            self.announcements.tell();
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
        (told, kept.writes)
    }

    /// What must not be overtaken is done while the core is held: writes reach the store, and events
    /// those who listen, in the order in which they were decided, and a body can be told to stop from
    /// the moment it is to start.
    fn keep_order(&self, commands: &mut Vec<Command>, now: Now) -> Kept {
        let mut kept = Kept::default();
        for command in commands.iter() {
            match command {
                Command::Write(..) => kept.writes = true,
                Command::Announce(_) => kept.events = true,
                Command::Start(start) if !runs_here(start) => {
                    let context = attempt::context(start, self.host.clone(), now);
                    let running = Running { context, abort: None, aborted: false };
                    self.running.lock().insert(start.claimed.fence, running);
                }
                _ => {}
            }
        }
        if kept.writes {
            let mut waiting = self.writes.lock();
            let is_write = |command: &mut Command| matches!(command, Command::Write(..));
            for command in commands.extract_if(.., is_write) {
                if let Command::Write(change, tag) = command {
                    waiting.push((change, tag));
                }
            }
        }
        if kept.events {
            let is_event = |command: &mut Command| matches!(command, Command::Announce(_));
            for command in commands.extract_if(.., is_event) {
                if let Command::Announce(events) = command {
                    self.announcements.take_over(events);
                }
            }
        }
        kept
    }

    /// A list, not recursion: an inline body's end may start the next one.
    ///
    /// `commits` is woken last, so that what an inline body came to goes with its insert.
    fn perform(self: &Arc<Self>, commands: Vec<Command>, mut wrote: bool) {
        let mut work = VecDeque::from(commands);
        let mut round = Round::default();
        while let Some(command) = work.pop_front() {
            match command {
                Command::Write(..) | Command::Announce(_) => {
                    unreachable!("they are taken out while the core is held")
                }
                Command::Claim(wanted) => {
                    self.claims.lock().extend(wanted);
                    self.claim_wake.notify_one();
                }
                Command::Refill { queue, after, limit } => self.refill(queue, after, limit),
                Command::Recheck(ids) => self.recheck(ids),
                Command::Start(start) => {
                    if runs_here(&start) {
                        let (ran, said) = attempt::run_inline(&start, self.host.clone(), now());
                        let mut more = Vec::new();
                        let ((), wrote_more) = self.tell(&mut more, now(), |core, now, out| {
                            core.output(start.claimed.fence, said, now, out);
                            core.ended(start.claimed.fence, ran, now, out);
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
                Command::Answer(caller, answer) => round.answer(caller, answer),
                Command::Hook(method, hook) => self.hook(method, hook),
                Command::NotifyWatchers(touched) => self.watches.touch(&touched),
                Command::Wake(WakeTarget::Schedules) => self.schedules_changed.notify_one(),
                Command::Wake(WakeTarget::Outbox) => self.posted.notify_one(),
            }
        }
        round.end();
        if wrote {
            self.write_wake.notify_one();
        }
    }

    /// Hands a body to where it runs.
    fn start(self: &Arc<Self>, start: StartAttempt) {
        let fence = start.claimed.fence;
        let Some(context) = self.running.lock().get(&fence).map(|it| it.context.clone()) else {
            unreachable!("a body is known from the moment it is to start until it reports its end")
        };
        let ready = attempt::is_ready(&start);
        match start.method.handler {
            Handler::Sync(run) | Handler::Inline(run) if ready => {
                let shared = self.clone();
                self.on_bodies.spawn_blocking(move || {
                    let args = attempt::args(&start);
                    attempt::run_sync(&shared, run, context, args);
                });
            }
            _ => {
                let shared = self.clone();
                let report = attempt::Report::new(shared.clone(), fence);
                let body = attempt::run_async(shared, start, context, report);
                let abort = self.on_bodies.spawn(body).abort_handle();
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
            let found = loop {
                match shared.store.find(&ids).await {
                    Ok(found) => break found,
                    Err(error) => {
                        tracing::warn!(%error, "cannot look at dependencies again; trying again");
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
        let called = self.on_bodies.spawn(async move {
            match hook {
                Hook::Retry { task, attempt, error } => {
                    handler.on_retry(&task, attempt, &error).await;
                }
                Hook::Success(task, outcome) => handler.on_success(&task, &outcome).await,
                Hook::Failure(task, outcome) => handler.on_failure(&task, &outcome).await,
            }
        });
        self.on_bodies.spawn(async move {
            if let Err(error) = called.await
                && error.is_panic()
            {
                tracing::error!(method = %method.name, "a hook panicked");
            }
        });
    }
}

/// What of the commands was kept in order, and is taken out.
#[derive(Clone, Copy, Default)]
struct Kept {
    writes: bool,
    events: bool,
}

/// Nothing is stored after the last change: whoever waits for that is told.
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
        // What it would try again is about what no longer matters: everything was stored before.
        drop(core.commit_failed(writes, &draining(), now, commands));
    }
}

/// Whether the body runs on the thread that performs.
fn runs_here(start: &StartAttempt) -> bool {
    start.method.handler.kind() == HandlerKind::Inline && attempt::is_ready(start)
}
