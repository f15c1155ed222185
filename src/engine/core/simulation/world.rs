//! The world around the core: the work on its way, and the end of a run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::events::Events;
use super::handlers::{Handlers, methods};
use super::ledger::Ledger;
use super::limits::Limits;
use super::operators::{CONFIGURED, limits};
use super::requests::{Request, Requests};
use super::stores::Committing;
use crate::cache::ResultsCache;
use crate::clock::{Now, Timestamp};
use crate::engine::core::{Answer, Command, Core, Hook, Settings, StartAttempt, Tag, Waiter};
use crate::models::{
    Event, Fact, Fence, NodeFact, QueueLimits, QueueName, QueueSettings, Sequence, Snapshot, State,
    TaskFilter, TaskId,
};
use crate::store::memory::Tables;
use crate::store::{
    Change, ClaimRequest, ClaimableTask, Claims, Commit, OpenOptions, Position, Retention,
    RetentionLimit,
};
use crate::tasks::TaskRegistry;

const STEPS: u32 = 600;
/// More than enough for every task to end.
const QUIET_ROUNDS: u32 = 3_000;

/// A waiter. Those with odd numbers go away at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(pub(super) u64);

impl Waiter for Ticket {
    fn is_gone(&self) -> bool {
        self.0 % 2 == 1
    }
}

/// Work that is done at any time and in any order.
#[derive(Debug)]
pub(super) enum Work {
    Claim { wanted: Vec<ClaimRequest>, maybe_claimed: bool },
    Claimed { wanted: Vec<ClaimRequest>, claims: Claims, again: bool },
    Refill { queue: QueueName, after: Option<Position>, limit: usize },
    Refilled(QueueName, Option<Position>, Vec<ClaimableTask>),
    Recheck(Vec<TaskId>),
    Rechecked(Vec<(TaskId, Option<State>)>),
    Start(Box<StartAttempt>),
    Signal(Fence),
    Abort(Fence),
    Reserve(Request),
    LookUp(Request),
    Submit(Request),
    Inline(Box<StartAttempt>, Request),
}

pub(super) struct World {
    pub(super) rng: fastrand::Rng,
    pub(super) now: Now,
    /// Nothing new is submitted, and nothing fails.
    pub(super) calm: bool,
    /// In how many of ten commits the disk is full.
    pub(super) full_disk: u32,
    traced: bool,
    pub(super) settings: Settings,
    pub(super) registry: Arc<TaskRegistry>,
    pub(super) cache: Arc<ResultsCache>,
    pub(super) core: Core<Ticket>,
    pub(super) store: Tables,
    pub(super) writes: VecDeque<(Change, Tag<Ticket>)>,
    pub(super) committing: Option<Committing>,
    pub(super) work: Vec<Work>,
    pub(super) handlers: Handlers,
    pub(super) requests: Requests,
    pub(super) ledger: Ledger,
    pub(super) limits: Limits,
    pub(super) events: Events,
    /// Fences of claims that were checked.
    pub(super) fences: BTreeSet<Fence>,
    /// Fences of claims that the core sent.
    reserved: BTreeSet<Fence>,
    /// Whether the latest boot found that the one before it had crashed.
    pub(super) found_a_crash: bool,
    /// Whether limits per key change.
    pub(super) changes_keys: bool,
    /// After how many crashes a task is a quarantine candidate; 0: never.
    pub(super) quarantine_after: u32,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let now = Now {
            wall: Timestamp::EPOCH.plus(Duration::from_secs(1_700_000_000)),
            steady: Duration::ZERO,
        };
        let settings = settings(&mut rng);
        let quarantine_after = rng.u32(0..3);
        let registry = Arc::new(methods());
        let cache = Arc::new(cache());
        let mut store = Tables::default();
        let opened = store.open(options(now.wall, quarantine_after));
        let core =
            Core::new(settings.clone(), registry.clone(), cache.clone(), &opened, rng.u64(..), now);
        let full_disk = if rng.u32(0..4) == 0 { 6 } else { 1 };
        let mut world = Self {
            ledger: Ledger::new(opened.epoch),
            requests: Requests::new(&mut rng),
            handlers: Handlers::default(),
            limits: Limits::default(),
            events: Events::default(),
            fences: BTreeSet::new(),
            reserved: BTreeSet::new(),
            found_a_crash: false,
            changes_keys: rng.bool(),
            quarantine_after,
            rng,
            now,
            calm: false,
            full_disk,
            traced: std::env::var_os("SIMULATION_TRACE").is_some(),
            settings,
            registry,
            cache,
            core,
            store,
            writes: VecDeque::new(),
            committing: None,
            work: Vec::new(),
        };
        world.declare();
        world
    }

    pub(super) fn run(mut self) {
        for _ in 0..STEPS {
            match self.rng.u32(0..1_000) {
                0..140 => self.submit_something(),
                140..160 => self.cancel_something(),
                160..165 => self.list_something(),
                165..240 => self.handler_calls_host(),
                240..260 => self.operator_writes(),
                260..270 => self.operator_changes_queue(),
                270..460 => self.commit_step(),
                460..790 => self.work_step(),
                790..920 => self.handler_returns(),
                920..995 => self.time_passes(),
                995..998 => self.crash(),
                _ => self.drain(),
            }
            self.check();
        }
        self.finish();
        self.check_end();
    }

    /// Gives the core an input and keeps the work of its commands.
    pub(super) fn act<T>(
        &mut self,
        input: impl FnOnce(&mut Core<Ticket>, Now, &mut Vec<Command<Ticket>>) -> T,
    ) -> T {
        let mut out = Vec::new();
        let result = input(&mut self.core, self.now, &mut out);
        for command in out {
            self.perform(command);
        }
        result
    }

    fn perform(&mut self, command: Command<Ticket>) {
        match command {
            Command::Write(change, tag) => self.writes.push_back((change, tag)),
            Command::Claim(wanted) => {
                for claim in &wanted {
                    self.reserved.insert(claim.fence);
                    if let Some(queue) = self.queue_of(claim.sequence) {
                        self.check_start_allowed(&queue);
                    }
                }
                self.work.push(Work::Claim { wanted, maybe_claimed: false });
            }
            Command::Refill { queue, after, limit } => {
                self.work.push(Work::Refill { queue, after, limit });
            }
            Command::Recheck(ids) => self.work.push(Work::Recheck(ids)),
            Command::Start(start) => {
                self.check_start(&start);
                self.work.push(Work::Start(start));
            }
            Command::Signal(fence) => {
                self.ledger.signalled(fence);
                self.work.push(Work::Signal(fence));
            }
            Command::Abort(fence) => self.work.push(Work::Abort(fence)),
            Command::Answer(ticket, answer) => self.answered(ticket, answer),
            Command::Hook(_, hook) => self.check_hook(&hook),
            Command::Announce(events) => self.announced(&events),
            Command::NotifyWatchers(_) | Command::Wake(_) => {}
        }
    }

    fn check_hook(&self, hook: &Hook) {
        if let Hook::Success(task, outcome) | Hook::Failure(task, outcome) = hook {
            self.check_is_stored(&task.id, outcome);
        }
    }

    fn answered(&mut self, ticket: Ticket, answer: Answer) {
        match answer {
            Answer::Result(_) | Answer::Cancel(_) => {
                self.write_answered(ticket, answer);
            }
            Answer::Refused(_) if !self.is_request(ticket) => self.drop_refused(ticket),
            _ => self.request_answered(ticket, answer),
        }
    }

    pub(super) fn work_step(&mut self) {
        if self.work.is_empty() {
            return;
        }
        let at = self.rng.usize(0..self.work.len());
        let work = self.work.swap_remove(at);
        self.do_work(work);
    }

    pub(super) fn do_work(&mut self, work: Work) {
        self.trace(&work);
        match work {
            Work::Claim { wanted, maybe_claimed } => self.claim(wanted, maybe_claimed),
            Work::Claimed { wanted, claims, again: false } => {
                self.act(|core, now, out| core.claimed(&wanted, claims, now, out));
            }
            Work::Claimed { wanted, claims, again: true } => {
                self.act(|core, now, out| core.claimed_after_retry(&wanted, claims, now, out));
            }
            Work::Refill { queue, after, limit } => self.read_queue(queue, after, limit),
            Work::Refilled(queue, after, ready) => {
                self.act(|core, now, out| core.refilled(&queue, after, ready, now, out));
            }
            Work::Recheck(ids) => self.recheck(ids),
            Work::Rechecked(found) => self.rechecked(found),
            Work::Start(start) => self.start(*start),
            Work::Signal(fence) => self.handlers.signal(fence),
            Work::Abort(fence) => self.handlers.abort(fence),
            Work::Reserve(request) => self.reserve(request),
            Work::LookUp(request) => self.look_up(request),
            Work::Submit(request) => self.submit(request),
            Work::Inline(start, request) => self.run_inline(*start, request),
        }
    }

    fn time_passes(&mut self) {
        let step = match self.core.next_tick(self.now) {
            Some(next) if self.rng.bool() => next.saturating_sub(self.now.steady),
            _ => Duration::from_millis(self.rng.u64(0..400)),
        };
        self.now.steady += step;
        self.now.wall = self.now.wall.plus(step);
        if !self.calm && self.rng.u32(0..20) == 0 {
            // The wall clock is set.
            self.limits.clock_was_set();
            let jump = Duration::from_millis(self.rng.u64(0..2_000));
            self.now.wall = if self.rng.bool() {
                self.now.wall.plus(jump)
            } else {
                Timestamp::from_micros(
                    self.now.wall.as_micros().saturating_sub(jump.as_micros() as u64),
                )
                .expect("earlier than before")
            };
        }
        self.act(|core, now, out| core.tick(now, out));
    }

    pub(super) fn reopen(&mut self) {
        self.writes.clear();
        self.committing = None;
        self.work.clear();
        self.handlers.crash();
        self.requests.crash();
        self.cache = Arc::new(cache());
        self.limits.reopened();
        let expected = self.interrupted_tasks();
        if self.rng.u32(0..3) == 0 {
            self.change_settings();
        }
        let opened = self.store.open(options(self.now.wall, self.quarantine_after));
        self.ledger.reopened(&opened, &self.store);
        self.events.reopened(&opened);
        let is_crash = |event: &Event| matches!(event.fact, Fact::Node(NodeFact::Crashed { .. }));
        self.found_a_crash = opened.events.iter().any(is_crash);
        self.check_rescued(expected);
        self.core = Core::new(
            self.settings.clone(),
            self.registry.clone(),
            self.cache.clone(),
            &opened,
            self.rng.u64(..),
            self.now,
        );
        self.declare();
    }

    /// The tasks that run while the process crashes, and their states after the next boot.
    fn interrupted_tasks(&mut self) -> Vec<(TaskId, State)> {
        let filter = TaskFilter { states: vec![State::Running], ..TaskFilter::default() };
        let mut dying = Vec::new();
        for snapshot in self.store.list(&filter, None, usize::MAX).tasks {
            let id = snapshot.task.id.clone();
            let crashes = self.limits.crashed_with(&id);
            let state = if snapshot.cancel_requested {
                State::Cancelled
            } else if self.quarantine_after > 0 && crashes > self.quarantine_after {
                State::Failed
            } else {
                State::Queued
            };
            if let Some(sequence) = snapshot.sequence {
                self.limits.claim_was_lost(sequence);
            }
            dying.push((id, state));
        }
        dying
    }

    fn check_rescued(&mut self, expected: Vec<(TaskId, State)>) {
        for (id, state) in expected {
            let found = self.store.find(&id).expect("it ran");
            assert_eq!(found.state, state, "{found:#?}");
            if state.has_ended() {
                self.ledger.ended_at_boot(&id, found.outcome.expect("it has ended"));
                self.limits.clear_crashes(&id);
            }
        }
    }

    /// The next process starts with other settings.
    fn change_settings(&mut self) {
        let name = self.rng.choice(CONFIGURED).expect("some");
        let queue = QueueName::parse(name, "").expect("a name");
        let before = self.limits_of(&queue);
        let limits = limits(&mut self.rng, name, self.changes_keys, before);
        match self.rng.u32(0..3) {
            0 => drop(self.settings.queues.remove(&queue)),
            1 if self.changes_keys => {
                self.settings.queues.insert(queue, QueueSettings::default());
            }
            _ => {
                let settings = QueueSettings { limits, paused: false };
                self.settings.queues.insert(queue, settings);
            }
        }
    }

    /// A handler starts: early, or under a claim that was checked when the core sent it.
    pub(super) fn check_reserved(&mut self, start: &StartAttempt) {
        if !self.reserved.remove(&start.claimed.fence) {
            let queue = start.claimed.task.options.queue.clone();
            self.check_start_allowed(&queue);
        }
    }

    /// A durable task.
    pub(super) fn snapshot_at(&self, sequence: Sequence) -> Option<Snapshot> {
        let before = Some(Sequence(sequence.0 + 1));
        let task = self.store.list(&TaskFilter::default(), before, 1).tasks;
        task.into_iter().find(|it| it.sequence == Some(sequence))
    }

    fn declare(&mut self) {
        let wall = self.now.wall;
        let changes = self.core.declare();
        let applied = changes.iter().map(|change| self.apply(change, wall)).collect();
        let declared = Commit { applied, due: self.store.due() };
        self.act(|core, now, out| core.start(declared, now, out));
    }

    /// Lets every task end.
    fn finish(&mut self) {
        self.calm = true;
        self.resume_all();
        for _ in 0..QUIET_ROUNDS {
            while !self.work.is_empty() {
                self.work_step();
                self.check();
            }
            while !self.writes.is_empty() || self.committing.is_some() {
                self.commit_step();
            }
            self.check();
            self.handler_returns();
            self.check();
            let idle =
                self.work.is_empty() && self.writes.is_empty() && self.handlers.all_suspended();
            if idle {
                // Ephemeral tasks are kept after their end while their unique keys are held.
                let forgotten = self.core.ephemeral.is_empty();
                if forgotten && self.everything_has_ended() && self.handlers.all_returned() {
                    return;
                }
                // A write on its way may have paused a queue again.
                self.resume_all();
                self.time_passes();
            }
        }
        let Core { dispatch, attempts, .. } = &self.core;
        panic!("tasks do not end: {:#?}\n{dispatch:#?}\n{attempts:?}", self.unfinished());
    }

    fn everything_has_ended(&self) -> bool {
        self.unfinished().is_empty()
    }

    fn unfinished(&self) -> Vec<String> {
        let durable = self.ledger.ids().filter_map(|id| self.store.find(id));
        let ephemeral = self.ledger.ids().filter_map(|id| self.core.find(id).0);
        durable
            .chain(ephemeral)
            .filter(|it| !it.state.has_ended())
            .map(|it| format!("{it:?}"))
            .collect()
    }

    /// Prints what happens if `SIMULATION_TRACE` is set.
    pub(super) fn trace(&self, event: &dyn std::fmt::Debug) {
        if self.traced {
            eprintln!("{:?} {event:?}", self.now.steady);
        }
    }
}

fn cache() -> ResultsCache {
    ResultsCache::new(NonZeroUsize::new(10_000).expect("not zero"), 64 << 20)
}

fn settings(rng: &mut fastrand::Rng) -> Settings {
    let mut queues = BTreeMap::new();
    for name in CONFIGURED {
        let limits = limits(rng, name, true, QueueLimits::default());
        let settings = QueueSettings { limits, paused: false };
        queues.insert(QueueName::parse(name, "").expect("a name"), settings);
    }
    Settings {
        async_slots: rng.usize(1..5),
        sync_slots: rng.usize(1..4),
        spare_threads: rng.usize(0..3),
        queue_length: rng.u64(5..60),
        cancel_grace: Duration::from_millis(rng.u64(1..300)),
        stuck_after: Duration::from_millis(rng.u64(1..300)),
        early_start: rng.u32(0..4) > 0,
        store_durable: true,
        retention: Retention {
            succeeded: RetentionLimit {
                max_age: Duration::from_secs(1_000_000),
                max_count: 1_000_000,
            },
            others: RetentionLimit {
                max_age: Duration::from_secs(1_000_000),
                max_count: 1_000_000,
            },
        },
        queues,
        limits: crate::engine::core::tests::limits(),
    }
}

/// A slice so small that a second one is frequent.
fn options(now: Timestamp, quarantine_after: u32) -> OpenOptions {
    OpenOptions { now, quarantine_after, notify_slice: 2 }
}
