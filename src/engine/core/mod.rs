//! The engine's decisions: one synchronous state machine.
//!
//! Its inputs are events and the time; its outputs are [`Command`]s. It has no threads, no clock, no
//! I/O and no random iteration order, so that a simulation can drive the core that runs in
//! production. Performers around it (the rest of `engine`) carry the commands out.
//!
//! The core is made of parts, and each owns its state: [`ActiveTasks`] the waiters and the ids that
//! are reserved, [`Dispatch`] the queues and the claims on their way, `Attempts` the running
//! handlers, `Slots`, `Timers`, `Admissions` the bounds on new tasks, [`Shutdown`],
//! [`Notifications`], `DurableStore`. All ephemeral tasks are here, too; all durable tasks are in the
//! store. [`Core`] has the inputs; `Step` has what several inputs do with several parts.
//!
//! Invariants:
//! - A waiter learns an outcome only after the commit that holds it.
//! - A handler starts only under a fence that was never used before.
//! - Memory is bounded by running and awaited tasks and one window a queue, not by the backlog of a
//!   store.

mod active;
mod admin;
mod admit;
mod apply;
mod attempts;
mod claims;
mod command;
mod conclusion;
mod dependencies;
mod dispatch;
mod durable_store;
mod execution;
mod explain;
mod host_calls;
mod inline;
mod notifications;
mod queue;
mod retry;
mod settings;
mod shutdown;
#[cfg(test)]
mod simulation;
mod slots;
mod status;
mod step;
mod system_tasks;
#[cfg(test)]
mod tests;
mod timers;
mod view;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use active::{ActiveTasks, WaitFor};
pub(crate) use admit::{Admission, Admittable, IdReservation, Submission, id_taken};
pub(crate) use command::{
    Answer, AttemptEnd, Command, Hook, QueueChange, StartAttempt, Tag, Waiter, WakeTarget, WatchKey,
};
pub(crate) use dependencies::unmet;
pub(crate) use dispatch::Dispatch;
pub(crate) use explain::{
    CoreStatus, CoreView, ExplainInput, KeyUsage, MAX_BEFORE, Obstacle, Reason, SlotsFull, Source,
    obstacles,
};
pub(crate) use host_calls::{HostCall, Output};
pub(crate) use notifications::Notifications;
pub(crate) use settings::{Limits, Settings};
pub(crate) use shutdown::{Shutdown, draining};
pub use status::{Pauses, Workers};

use crate::cache::ResultsCache;
use crate::clock::Now;
use crate::models::{
    Durability, Event, Fact, Fence, MethodRef, NodeFact, QueueName, QueueSettings, Sequence,
    Snapshot, Task, TaskId,
};
use crate::store::memory::Tables;
use crate::store::{Change, ChangeResult, Commit, Insert, OpenReport};
use crate::tasks::{Method, TaskRegistry};
use active::Phase;
use admit::Admissions;
use attempts::Attempts;
use durable_store::DurableStore;
use shutdown::{Stop, runs_later};
use slots::Slots;
use step::Step;
use timers::{Timer, Timers};

/// The time between two prunings of ended tasks.
const PRUNE_EVERY: Duration = Duration::from_secs(1);

/// The state machine. See the module's documentation.
pub(crate) struct Core<W> {
    settings: Settings,
    registry: Arc<TaskRegistry>,
    cache: Arc<ResultsCache>,
    rng: fastrand::Rng,
    numbers: Numbers,
    /// Ephemeral tasks that have not ended.
    ephemeral: Tables,
    pub(crate) active: ActiveTasks<W>,
    attempts: Attempts,
    pub(crate) dispatch: Dispatch,
    admissions: Admissions,
    slots: Slots,
    timers: Timers,
    store: DurableStore,
    pub(crate) shutdown: Shutdown<W>,
    pub(crate) notifications: Notifications,
}

/// Numbers that are given out once.
struct Numbers {
    epoch: u64,
    claims: u64,
    next_sequence: u64,
}

impl Numbers {
    fn fence(&mut self) -> Fence {
        self.claims += 1;
        Fence { epoch: self.epoch, counter: self.claims }
    }

    fn sequence(&mut self) -> Sequence {
        let sequence = Sequence(self.next_sequence);
        self.next_sequence += 1;
        sequence
    }

    /// The insert of a task that is not claimed.
    fn insert(&mut self, task: &Arc<Task>) -> Insert {
        Insert {
            sequence: self.sequence(),
            task: task.clone(),
            deps: task.deps.clone(),
            foreign: Vec::new(),
            claim: None,
        }
    }
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
        let mut settings = settings;
        configure_from_store(&mut settings, opened);
        let mut timers = Timers::default();
        timers.set(now.steady + PRUNE_EVERY, Timer::Prune);
        let mut core = Self {
            registry,
            cache,
            rng: fastrand::Rng::with_seed(seed),
            numbers: Numbers {
                epoch: opened.epoch,
                claims: 0,
                next_sequence: opened.next_sequence.0,
            },
            ephemeral: Tables::for_unfinished_tasks(opened.notify_slice),
            active: ActiveTasks::new(),
            attempts: Attempts::new(&settings),
            dispatch: Dispatch::new(&settings),
            admissions: Admissions::new(&settings),
            slots: Slots::new(&settings),
            timers,
            store: DurableStore::new(opened.due),
            shutdown: Shutdown::default(),
            notifications: Notifications::default(),
            settings,
        };
        for (queue, settings) in core.dispatch.configured() {
            admin::configure_ephemeral(&mut core.ephemeral, queue, *settings, now);
        }
        for state in opened.queues.iter().filter(|state| state.is_in_use()) {
            core.dispatch.load(&state.queue, state.waiting());
        }
        core
    }

    /// The first changes: they set the limits of queues in the store, and begin to notify dependants
    /// that an earlier boot did not notify.
    pub(crate) fn declare(&self) -> Vec<Change> {
        let limits = self.dispatch.configured().iter().map(|(queue, settings)| Change::SetQueue {
            queue: queue.clone(),
            limits: settings.limits,
        });
        let limit = self.settings.limits.notify_slice;
        limits.chain([Change::NotifyDependants { limit }]).collect()
    }

    /// The store has committed the [first changes](Self::declare): the core begins to work.
    pub(crate) fn start(&mut self, declared: Commit, now: Now, out: &mut Vec<Command<W>>) {
        let tags = declared.applied.iter().map(|_| Tag::Background).collect();
        self.committed(tags, declared, now, out);
        self.tick(now, out);
    }

    /// When to call [`tick`](Self::tick) next, on the steady clock.
    pub(crate) fn next_tick(&self, now: Now) -> Option<Duration> {
        if self.shutdown.is_stopped() {
            return None;
        }
        let promotion = self.store.next_promotion().filter(|_| !self.shutdown.is_draining());
        let due = [promotion, self.ephemeral.due()]
            .into_iter()
            .flatten()
            .min()
            .map(|due| now.steady + due.since(now.wall));
        [self.timers.next(), due].into_iter().flatten().min()
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Now, out: &mut Vec<Command<W>>) {
        if self.shutdown.is_stopped() {
            return;
        }
        let mut step = self.step(now, out);
        while let Some(timer) = step.core.timers.pop_due(now.steady) {
            step.timer_over(timer);
        }
        let limit = step.core.settings.limits.promote_slice;
        if !step.core.shutdown.is_draining() && step.core.store.promote(now.wall) {
            step.out.push(Command::Write(Change::Promote { limit }, Tag::Promote));
        }
        while step.core.ephemeral.due().is_some_and(|due| due <= now.wall) {
            step.write(Durability::Ephemeral, Change::Promote { limit }, Tag::Background);
        }
        step.dispatch();
    }

    /// Methods were registered: waiting tasks may have become claimable.
    pub(crate) fn methods_changed(&mut self, now: Now, out: &mut Vec<Command<W>>) {
        self.dispatch.rescan_waiting();
        self.step(now, out).dispatch();
    }

    /// An ephemeral task that has not ended, and the running attempt of an active task.
    pub(crate) fn find(&self, id: &TaskId) -> (Option<Snapshot>, Option<Fence>) {
        (self.ephemeral.find(id), self.active.fence(id))
    }

    /// Ephemeral tasks that have not ended.
    pub(crate) fn ephemeral(&self) -> &Tables {
        &self.ephemeral
    }

    /// From now on the core admits no task and claims none.
    pub(crate) fn drain(&mut self, now: Now, out: &mut Vec<Command<W>>) {
        if self.shutdown.drain() {
            let event = Event { at: now.wall, fact: Fact::Node(NodeFact::Draining) };
            out.push(Command::Write(Change::Announce(event), Tag::Node));
        }
    }

    /// Whether no attempt runs but stuck ones, and every conclusion is stored.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.dispatch.has_pending_claims() && self.attempts.are_quiet()
    }

    /// The time to drain is over: waiters are answered, and running tasks go back to their queues.
    pub(crate) fn abandon_all(&mut self, now: Now, out: &mut Vec<Command<W>>) {
        let mut step = self.step(now, out);
        for fence in step.core.attempts.fences() {
            step.requeue(fence);
        }
        let store_durable = self.settings.store_durable;
        self.active.abandon_all(
            |active| {
                // A durable task runs after the next start: it is not refused.
                let kept = store_durable
                    && active.durability == Durability::Durable
                    && active.phase == Phase::Accepted;
                if kept { runs_later() } else { draining() }
            },
            out,
        );
    }

    /// Writes the last change: the next boot finds an orderly stop. Call it when everything else is
    /// stored; the core refuses every later write. A second call waits for the first.
    pub(crate) fn stop(&mut self, waiter: W, out: &mut Vec<Command<W>>) {
        match self.shutdown.stop(waiter) {
            Stop::Write => out.push(Command::Write(Change::Stop, Tag::Stop)),
            Stop::Wait => {}
            Stop::Done(waiter) => {
                out.push(Command::Answer(waiter, Answer::Result(ChangeResult::Done)));
            }
        }
    }

    /// One input, which is being handled.
    fn step<'a>(&'a mut self, now: Now, out: &'a mut Vec<Command<W>>) -> Step<'a, W> {
        Step { core: self, now, out }
    }
}

/// The method of a task, if this node has it.
fn resolve(registry: &TaskRegistry, method: &str) -> Option<Arc<Method>> {
    registry.resolve(&MethodRef::parse(method).ok()?)
}

/// Adds what the store knows of queues to the settings.
fn configure_from_store(settings: &mut Settings, opened: &OpenReport) {
    // Limits that operators set are kept unless the settings have others; pauses are always kept.
    for status in &opened.queues {
        let queue = settings.queues.entry(status.queue.clone()).or_insert(status.settings);
        queue.paused = status.settings.paused;
    }
    // Default settings are written only where the store has others.
    let stored: BTreeSet<&QueueName> = opened
        .queues
        .iter()
        .filter(|status| status.settings != QueueSettings::default())
        .map(|status| &status.queue)
        .collect();
    let default = QueueSettings::default();
    settings.queues.retain(|queue, settings| *settings != default || stored.contains(queue));
}
