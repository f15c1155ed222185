//! The engine's decisions: one synchronous state machine.
//!
//! It is handed what happened and the time, and answers with [`Command`]s. It has no threads, no
//! clock, no I/O and no random iteration order, so a simulation can drive the very core that runs
//! in production. Performers around it (the rest of `engine`) carry the commands out.
//!
//! What it owns: who waits for which task, the turns of the queues, the slots that bodies run in,
//! the timers of attempts, and all ephemeral tasks. What it leaves to the store: every durable task.
//!
//! Invariants:
//! - Nobody is told an outcome before the commit that holds it.
//! - A body starts only under a fence that was never used before.
//! - Memory is bounded by what runs, what is waited for and one window a queue, not by the backlog
//!   of a store.

mod active;
mod admin;
mod admit;
mod announce;
mod apply;
mod attempt;
mod command;
mod conclusion;
mod dependencies;
mod dispatch;
mod explain;
mod host_calls;
mod inline;
mod queue;
mod retry;
#[cfg(test)]
mod simulation;
mod status;
mod system_tasks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ahash::{HashMap, HashMapExt};

pub(crate) use active::WaitFor;
pub(crate) use admit::{Admission, Admittable, IdReservation, Submission, id_taken};
pub(crate) use attempt::Attempt;
pub(crate) use command::{
    Answer, AttemptEnd, Command, Hook, QueueChange, StartAttempt, Tag, Waiter, WakeTarget, WatchKey,
};
pub(crate) use dependencies::unmet;
pub(crate) use explain::{Fate, KeyStance, MAX_BEFORE, Situation, explain};
pub(crate) use host_calls::{HostCall, Output};
pub use status::{Pauses, Workers};

use crate::cache::ResultsCache;
use crate::clock::{Now, Timestamp};
use crate::error::{Code, Error};
use crate::models::{
    Durability, Event, Fact, Fence, LogLine, NodeFact, QueueName, QueueSettings, Sequence,
    Snapshot, TaskFilter, TaskId, TaskPage,
};
use crate::store::memory::Tables;
use crate::store::{Change, ChangeResult, Commit, NOTIFY_SLICE, OpenReport, Retention};
use crate::tasks::TaskRegistry;
use active::{ActiveTask, Phase};
use attempt::{Slots, Timer};
use queue::Queue;

/// How many due tasks one commit moves.
const PROMOTE_SLICE: usize = if cfg!(test) { 3 } else { 1_000 };
/// How many ended tasks one commit forgets.
const PRUNE_SLICE: usize = if cfg!(test) { 3 } else { 1_000 };
/// How often ended tasks are looked through.
const PRUNE_EVERY: Duration = Duration::from_secs(1);
/// How long a store that failed is left alone.
const STORE_PAUSE: Duration = Duration::from_millis(100);

/// What the core decides by.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Async bodies that may run at once.
    pub(crate) async_slots: usize,
    /// Sync bodies that may run at once.
    pub(crate) sync_slots: usize,
    /// Threads that may replace stuck ones.
    pub(crate) spare_threads: usize,
    /// The most tasks that may wait in one queue.
    pub(crate) queue_length: u64,
    /// How long a body has to stop after it was told to.
    pub(crate) cancel_grace: Duration,
    /// How long after that it is given up.
    pub(crate) stuck_after: Duration,
    /// Whether a body may start beside its insert.
    pub(crate) early_start: bool,
    /// Whether what is stored outlives the process.
    pub(crate) store_durable: bool,
    /// How long ended tasks are kept.
    pub(crate) retention: Retention,
    /// Queues that something was declared or decided about.
    pub(crate) queues: BTreeMap<QueueName, QueueSettings>,
}

/// See the module's documentation.
pub(crate) struct Core<W> {
    settings: Settings,
    registry: Arc<TaskRegistry>,
    cache: Arc<ResultsCache>,
    rng: fastrand::Rng,
    epoch: u64,
    claims: u64,
    next_sequence: u64,
    /// Ephemeral tasks that have not ended.
    ephemeral: Tables,
    /// Tasks that enter, run or are waited for.
    active: HashMap<TaskId, ActiveTask<W>>,
    attempts: HashMap<Fence, Attempt>,
    /// Claims that were asked for: the queue, the kind, and where it stood.
    pending_claims: HashMap<Fence, dispatch::PendingClaim>,
    queues: BTreeMap<QueueName, Queue>,
    /// Queues that are not idle.
    ready_queues: BTreeSet<QueueName>,
    /// Queues in which the store did not give what their windows offered.
    blocked_queues: BTreeSet<QueueName>,
    slots: Slots,
    timers: BTreeSet<(Duration, Timer)>,
    /// When the store's next task is due.
    due: Option<Timestamp>,
    promoting: bool,
    store_pauses: bool,
    draining: bool,
    last: ShutdownState<W>,
    /// Whether anybody listens to what happens.
    listened: bool,
    /// How many look-ups held an id so far.
    reservations: u64,
    /// How many watch a task.
    watched: usize,
    /// Durable tasks on their way to the store.
    unstored: usize,
}

/// How far the last change is.
enum ShutdownState<W> {
    /// It was not asked for.
    Running,
    /// It is on its way to the store, and nothing may follow; these wait for it.
    Stopping(Vec<W>),
    Stopped,
}

impl<W: Waiter> Core<W> {
    pub(crate) fn new(
        settings: Settings,
        registry: Arc<TaskRegistry>,
        cache: Arc<ResultsCache>,
        opened: &OpenReport,
        seed: u64,
        now: Now,
    ) -> Self {
        let slots = Slots::new(settings.async_slots, settings.sync_slots);
        let mut settings = settings;
        // What was decided while an earlier boot ran holds, where nothing else is declared.
        for status in &opened.queues {
            let declared = settings.queues.entry(status.queue.clone()).or_insert(status.settings);
            declared.paused = status.settings.paused;
        }
        // What was decided before and is declared otherwise now has to be told to the store.
        let known: BTreeSet<&QueueName> = opened
            .queues
            .iter()
            .filter(|status| status.settings != QueueSettings::default())
            .map(|status| &status.queue)
            .collect();
        let nothing = QueueSettings::default();
        settings.queues.retain(|queue, settings| *settings != nothing || known.contains(queue));
        let mut core = Self {
            registry,
            cache,
            rng: fastrand::Rng::with_seed(seed),
            epoch: opened.epoch,
            claims: 0,
            next_sequence: opened.next_sequence.0,
            ephemeral: Tables::for_unfinished_tasks(opened.notify_slice),
            active: HashMap::new(),
            attempts: HashMap::new(),
            pending_claims: HashMap::new(),
            queues: BTreeMap::new(),
            ready_queues: BTreeSet::new(),
            blocked_queues: BTreeSet::new(),
            slots,
            timers: BTreeSet::from([(now.steady + PRUNE_EVERY, Timer::Prune)]),
            due: opened.due,
            promoting: false,
            store_pauses: false,
            draining: false,
            last: ShutdownState::Running,
            listened: true,
            reservations: 0,
            watched: 0,
            unstored: 0,
            settings,
        };
        let declared = core.settings.queues.clone();
        for (queue, settings) in declared {
            core.change_ephemeral_queue(&queue, settings, now);
        }
        for state in opened.queues.iter().filter(|state| state.is_in_use()) {
            let queue = core.queue(&state.queue);
            queue.waiting = i64::try_from(state.waiting()).unwrap_or(i64::MAX);
            if state.waiting() > 0 {
                queue.rescan();
                core.ready_queues.insert(state.queue.clone());
            }
        }
        core
    }

    /// The changes that make the store know how queues were declared, and that begin with what an
    /// earlier boot has not released.
    pub(crate) fn declare(&self) -> Vec<Change> {
        let queues = self.settings.queues.iter();
        let declared = queues.map(|(queue, settings)| Change::SetQueue {
            queue: queue.clone(),
            limits: settings.limits,
        });
        declared.chain([Change::NotifyDependants { limit: NOTIFY_SLICE }]).collect()
    }

    /// The store has made what was [declared](Self::declare) to it: begins to work.
    pub(crate) fn start(&mut self, declared: Commit, now: Now, out: &mut Vec<Command<W>>) {
        let tags = declared.applied.iter().map(|_| Tag::Background).collect();
        self.committed(tags, declared, now, out);
        self.tick(now, out);
    }

    /// When [`tick`](Self::tick) is to be called next, counted on the steady clock.
    pub(crate) fn next_tick(&self, now: Now) -> Option<Duration> {
        if self.is_stopped() {
            return None;
        }
        let timer = self.timers.first().map(|(at, _)| *at);
        let stored = if self.promoting || self.draining { None } else { self.due };
        let due = [stored, self.ephemeral.due()]
            .into_iter()
            .flatten()
            .min()
            .map(|due| now.steady + due.since(now.wall));
        [timer, due].into_iter().flatten().min()
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Now, out: &mut Vec<Command<W>>) {
        if self.is_stopped() {
            return;
        }
        while let Some(&(at, timer)) = self.timers.first() {
            if at > now.steady {
                break;
            }
            self.timers.pop_first();
            match timer {
                // The next boot does.
                Timer::Prune if self.draining => {}
                Timer::Prune => {
                    out.push(Command::Write(self.prune(), Tag::Prune));
                    self.timers.insert((now.steady + PRUNE_EVERY, Timer::Prune));
                }
                Timer::StoreRetry => self.store_pauses = false,
                // That is done below.
                Timer::Dispatch => {}
                Timer::RetryBlockedQueues => self.retry_blocked_queues(),
                Timer::Deadline(fence) => self.timed_out_at(fence, now, out),
                Timer::Grace(fence) => self.grace_over(fence, now, out),
                Timer::Stuck(fence) => self.abandon(fence, now, out),
            }
        }
        let promotes = !self.promoting && !self.draining;
        if promotes && self.due.is_some_and(|due| due <= now.wall) {
            self.promoting = true;
            out.push(Command::Write(Change::Promote { limit: PROMOTE_SLICE }, Tag::Promote));
        }
        while self.ephemeral.due().is_some_and(|due| due <= now.wall) {
            let change = Change::Promote { limit: PROMOTE_SLICE };
            self.write(Durability::Ephemeral, change, Tag::Background, now, out);
        }
        self.dispatch(now, out);
    }

    /// Has one slice of the ended tasks forgotten that were kept for long enough.
    fn prune(&self) -> Change {
        Change::Prune { retention: self.settings.retention, limit: PRUNE_SLICE }
    }

    /// Methods were registered: what nobody could run may have become claimable.
    pub(crate) fn methods_changed(&mut self, now: Now, out: &mut Vec<Command<W>>) {
        let names: Vec<QueueName> = self
            .queues
            .iter()
            .filter(|(_, queue)| queue.waiting != 0)
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            self.rescan(&name);
        }
        self.dispatch(now, out);
    }

    /// What is known here of a task that has not ended, and the claim that it runs under.
    pub(crate) fn find(&self, id: &TaskId) -> (Option<Snapshot>, Option<Fence>) {
        (self.ephemeral.find(id), self.active.get(id).and_then(|active| active.fence))
    }

    /// Ephemeral tasks that match and have not ended, newest first.
    pub(crate) fn list(
        &self,
        filter: &TaskFilter,
        before: Option<Sequence>,
        limit: usize,
    ) -> TaskPage {
        self.ephemeral.list(filter, before, limit)
    }

    /// Lines of the log of an ephemeral task, if it is here.
    pub(crate) fn log(&self, id: &TaskId, after: u32, limit: usize) -> Option<Vec<LogLine>> {
        self.ephemeral.knows(id).then(|| self.ephemeral.log(id, after, limit))
    }

    /// Whether this id enters, runs or is waited for here.
    pub(crate) fn is_active(&self, id: &TaskId) -> bool {
        self.active.contains_key(id)
    }

    /// From now on nothing enters and nothing is claimed.
    pub(crate) fn drain(&mut self, now: Now, out: &mut Vec<Command<W>>) {
        if !self.draining {
            self.draining = true;
            let event = Event { at: now.wall, fact: Fact::Node(NodeFact::Draining) };
            out.push(Command::Write(Change::Announce(event), Tag::Node));
        }
    }

    /// Whether a claim is under way: what comes of it has to be stored.
    pub(crate) fn has_pending_claims(&self) -> bool {
        !self.pending_claims.is_empty()
    }

    /// Everything is stored, and this is the last: the next boot finds that this one ended as it was
    /// told to. Whatever is to be written after it is refused. Asked for once more, it is waited for.
    pub(crate) fn stop(&mut self, waiter: W, out: &mut Vec<Command<W>>) {
        match &mut self.last {
            ShutdownState::Running => {
                self.last = ShutdownState::Stopping(vec![waiter]);
                out.push(Command::Write(Change::Stop, Tag::Stop));
            }
            ShutdownState::Stopping(waiters) => waiters.push(waiter),
            ShutdownState::Stopped => {
                out.push(Command::Answer(waiter, Answer::Result(ChangeResult::Done)))
            }
        }
    }

    /// What came of the last change. If it was refused, it may be asked for again.
    fn stop_answered(&mut self, came: Result<(), &Error>, out: &mut Vec<Command<W>>) {
        let then = if came.is_ok() { ShutdownState::Stopped } else { ShutdownState::Running };
        let ShutdownState::Stopping(waiters) = std::mem::replace(&mut self.last, then) else {
            return;
        };
        for waiter in waiters {
            let answer = match came {
                Ok(()) => Answer::Result(ChangeResult::Done),
                Err(error) => Answer::Refused(error.clone()),
            };
            out.push(Command::Answer(waiter, answer));
        }
    }

    /// Whether the last change is stored, or on its way.
    pub(crate) fn is_stopped(&self) -> bool {
        !matches!(self.last, ShutdownState::Running)
    }

    /// Whether nothing runs and everything that was told has been stored.
    pub(crate) fn is_quiet(&self) -> bool {
        // A body that was given up is not waited for.
        self.pending_claims.is_empty()
            && self.attempts.values().all(|it| it.is_stuck() && it.stored)
    }

    /// The time to drain is over: whoever still waits is told, and what runs goes back to its queue.
    pub(crate) fn abandon_all(&mut self, now: Now, out: &mut Vec<Command<W>>) {
        let mut fences: Vec<Fence> = self.attempts.keys().copied().collect();
        fences.sort_unstable();
        for fence in fences {
            self.requeue(fence, now, out);
        }
        let mut ids: Vec<TaskId> = self.active.keys().cloned().collect();
        ids.sort_unstable();
        for id in ids {
            let Some(active) = self.active.remove(&id) else { continue };
            // A durable task runs after the next start: that is no refusal.
            let kept = self.settings.store_durable
                && active.durability == Durability::Durable
                && active.phase == Phase::Accepted;
            let told = if kept { runs_later() } else { draining() };
            for (_, waiter) in active.waiters {
                out.push(Command::Answer(waiter, Answer::Refused(told.clone())));
            }
        }
    }

    /// Bodies that were given up and have not returned.
    pub(crate) fn stuck_handlers(&self) -> usize {
        self.attempts.values().filter(|attempt| attempt.is_stuck()).count()
    }

    fn next_fence(&mut self) -> Fence {
        self.claims += 1;
        Fence { epoch: self.epoch, counter: self.claims }
    }

    fn take_sequence(&mut self) -> Sequence {
        let sequence = Sequence(self.next_sequence);
        self.next_sequence += 1;
        sequence
    }
}

/// What a caller who waits for a task that is kept is told when the server shuts down.
fn runs_later() -> Error {
    let why = "the server is shutting down; the task is kept, and runs after the next start";
    Error::new(Code::OutcomeUnknown, why).retry_after(Duration::from_secs(1))
}

/// What a caller is told while the server shuts down.
pub(crate) fn draining() -> Error {
    Error::new(Code::Draining, "the server is shutting down").retry_after(Duration::from_secs(1))
}
