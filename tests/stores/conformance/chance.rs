//! Random changes for a store: valid, stale, repeated and invalid ones. Order and content depend on
//! the seed alone.
//!
//! The unit tests of the memory store include this file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use task_scheduler::clock::Timestamp;
use task_scheduler::error::Code;
use task_scheduler::models::{
    ArgValue, CatchUp, Custom, Digest, Durability, Event, EventFilter, Fact, Failure, Fence, Keys,
    Labels, LogLevel, LogLine, Name, NamePattern, NodeFact, OnConflict, OnDependencyFailure,
    Options, Overlap, Payload, QueueLimits, QueueName, RUN_INITIATOR, Rate, RetryPolicy, Rule,
    Schedule, Secret, Sequence, Task, TaskId, Unique, Webhook,
};
use task_scheduler::store::{
    Applied, Change, ClaimRequest, ClaimableTask, Claims, Firing, Insert, NOTIFY_SLICE, Retention,
    RetentionLimit,
};

const SECOND: Duration = Duration::from_secs(1);
/// The number of ids that tasks have, besides those of children.
const IDS: u64 = 40;
const QUEUES: [&str; 2] = ["default", "other"];
const CONCURRENCY_KEYS: [&str; 2] = ["k", "l"];
const UNIQUE_KEYS: [&str; 3] = ["u", "v", "w"];
const SCHEDULES: [&str; 2] = ["hourly", "daily"];
const WEBHOOKS: [(&str, &str); 3] = [("all", "*"), ("ends", "task.failed"), ("runs", "schedule.*")];

/// The next step.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Commit(Arc<[Change]>),
    Claim(Vec<ClaimRequest>),
    /// The process ends, and another one opens the store.
    Open {
        quarantine_after: u32,
    },
}

pub(crate) struct Chance {
    rng: fastrand::Rng,
    pub(crate) now: Timestamp,
    sequences: u64,
    fences: u64,
    epoch: u64,
    /// Claimable tasks, the latest last.
    ready: Vec<Sequence>,
    /// All claims, ended or not, the latest last, with their tasks.
    claims: Vec<(Sequence, Fence, TaskId)>,
    /// Inserts, to be repeated.
    inserts: Vec<Insert>,
    /// The revision and the next time of each schedule.
    schedules: BTreeMap<&'static str, (u64, Option<Timestamp>)>,
    /// An upper bound of the outbox positions.
    posted: u64,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            now: Timestamp::EPOCH.plus(Duration::from_secs(1_800_000_000)),
            sequences: 0,
            fences: 0,
            epoch: 0,
            ready: Vec::new(),
            claims: Vec::new(),
            inserts: Vec::new(),
            schedules: BTreeMap::new(),
            posted: 1,
        }
    }

    pub(crate) fn opened(&mut self, epoch: u64) {
        self.epoch = epoch;
    }

    /// Moves the clock, and makes the next step.
    pub(crate) fn next(&mut self) -> Step {
        if self.one_in(3) {
            self.now = self.now.plus(SECOND * self.rng.u32(0..4) / 2);
        }
        match self.rng.u32(0..100) {
            0 => {
                if self.one_in(4) {
                    // Long enough to reset the crash count of what runs.
                    self.now = self.now.plus(700 * SECOND);
                }
                Step::Open { quarantine_after: *self.pick(&[0, 1, 2, 2, 2, 2]) }
            }
            1..=35 => Step::Claim(self.wanted()),
            _ => {
                let changes = self.rng.usize(1..4);
                Step::Commit((0..changes).map(|_| self.change()).collect())
            }
        }
    }

    pub(crate) fn applied(&mut self, applied: &Applied) {
        self.became_ready(&applied.ready);
        self.posted += applied.events.len() as u64;
    }

    pub(crate) fn claimed(&mut self, claims: &Claims) {
        self.became_ready(&claims.ready);
        for claimed in claims.claimed.iter().flatten() {
            let claim = (claimed.sequence, claimed.fence, claimed.task.id.clone());
            if self.claims.last() != Some(&claim) {
                self.claims.push(claim);
            }
        }
    }

    fn became_ready(&mut self, ready: &[ClaimableTask]) {
        self.ready.extend(ready.iter().map(|ready| ready.position.sequence));
    }

    fn one_in(&mut self, many: u32) -> bool {
        self.rng.u32(0..many) == 0
    }

    fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.rng.usize(0..among.len())]
    }

    fn wanted(&mut self) -> Vec<ClaimRequest> {
        let mut wanted = Vec::new();
        for _ in 0..self.rng.usize(1..4) {
            let sequence = match self.ready.len() {
                0 => Sequence(self.rng.u64(0..self.sequences + 2)),
                many if self.one_in(8) => self.ready[self.rng.usize(0..many)],
                many => self.ready.swap_remove(self.rng.usize(0..many)),
            };
            wanted.push(ClaimRequest { sequence, fence: self.fence() });
        }
        wanted
    }

    fn fence(&mut self) -> Fence {
        self.fences += 1;
        Fence { epoch: self.epoch, counter: self.fences }
    }

    fn id(&mut self) -> TaskId {
        let number = self.rng.u64(0..IDS);
        match self.one_in(8) {
            true => id(&format!("t{number}/{}", self.rng.u32(0..3))),
            false => id(&format!("t{number}")),
        }
    }

    /// A claim, mostly one of the latest.
    fn claim(&mut self) -> (Sequence, Fence, TaskId) {
        match self.claims.len() {
            0 => (Sequence(1), Fence { epoch: self.epoch, counter: 0 }, id("t0")),
            many if self.one_in(6) => self.claims[self.rng.usize(0..many)].clone(),
            many => self.claims[self.rng.usize(many.saturating_sub(6)..many)].clone(),
        }
    }

    fn change(&mut self) -> Change {
        let (sequence, fence, id) = self.claim();
        let soon = self.now.plus(SECOND * self.rng.u32(0..5));
        let failure = Failure { code: Code::HandlerFailed, message: "broken".into() };
        let reason = String::from("tired");
        match self.rng.u32(0..100) {
            0..=25 => Change::Insert(self.insert()),
            26..=33 => self.of_schedules_and_webhooks(),
            34..=40 => {
                let result = Arc::new(ArgValue::Int64(self.rng.i64(..)));
                Change::Complete { sequence, fence, result }
            }
            41..=45 => Change::Fail { sequence, fence, failure },
            46 => Change::Skip { sequence, fence },
            47 => Change::CancelAttempt { sequence, fence, reason },
            48..=51 => Change::Retry { sequence, fence, failure, due: soon },
            52..=53 => Change::Snooze { sequence, fence, due: soon },
            54..=55 => Change::Requeue { sequence, fence },
            56 => Change::SetArgs { sequence, fence, args: vec![ArgValue::Int32(2)] },
            57..=58 => {
                let mut children = Vec::new();
                for at in 0..self.rng.u32(0..3) {
                    let at = if self.one_in(8) { 0 } else { at };
                    let mut child = self.child(&id, at);
                    // A cycle would never end; handlers must avoid it.
                    let task = Task { deps: Vec::new(), ..Task::clone(&child.task) };
                    let digest = Digest::of(&task.method, &task.args, &[]);
                    (child.task, child.deps) = (Task { digest, ..task }.into(), Vec::new());
                    children.push(child);
                }
                Change::Expand { sequence, fence, children }
            }
            59..=64 => {
                let at = self.rng.u32(0..3);
                Change::Spawn { sequence, fence, child: self.child(&id, at) }
            }
            65..=69 => Change::Suspend { sequence, fence, suspended: self.one_in(2) },
            70 => {
                let data = self.rng.bool().then(|| vec![7; self.rng.usize(1..9)].into());
                Change::Checkpoint { sequence, fence, data }
            }
            71 => {
                let fraction = f64::from(self.rng.u8(0..=4)) / 4.0;
                Change::Progress { sequence, fence, fraction, message: "on".into() }
            }
            72..=73 => Change::Log { sequence, fence, lines: self.lines() },
            74..=78 => Change::Cancel { id: self.id(), reason },
            79..=82 => Change::RetryEnded { id: self.id(), reason },
            83 => {
                let result = Arc::new(ArgValue::Bool(true));
                Change::Resolve { id: self.id(), result, reason }
            }
            84..=85 => Change::Purge { id: self.id() },
            86 => Change::ForeignEnded {
                id: elsewhere(self.rng.u32(0..3)),
                succeeded: self.rng.bool(),
            },
            87..=91 => Change::Promote { limit: self.rng.usize(1..6) },
            92..=94 => Change::NotifyDependants { limit: self.rng.usize(1..6) },
            95..=96 => Change::Prune { retention: self.retention(), limit: 1_000 },
            97..=98 => Change::SetQueue { queue: self.queue(), limits: self.limits() },
            _ => Change::PauseQueue { queue: self.queue(), paused: self.one_in(3) },
        }
    }

    fn of_schedules_and_webhooks(&mut self) -> Change {
        let schedule = *self.pick(&SCHEDULES);
        let next = Some(self.now.plus(SECOND * self.rng.u32(1..4)));
        match self.rng.u32(0..20) {
            0..=1 => self.define(schedule, next),
            2 => {
                let enabled = self.rng.bool();
                if let Some((revision, at)) = self.schedules.get_mut(schedule)
                    && at.is_some() != enabled
                {
                    (*revision, *at) = (*revision + 1, next.filter(|_| enabled));
                }
                Change::EnableSchedule { name: called(schedule), enabled, next }
            }
            3 if self.one_in(3) => {
                self.schedules.remove(schedule);
                Change::DeleteSchedule { name: called(schedule) }
            }
            3..=9 => self.fire(schedule, next),
            10 => {
                let (occurrence, run) = (self.now, self.run(schedule));
                Change::Trigger { name: called(schedule), occurrence, run }
            }
            11..=12 => self.watch(),
            13 => Change::DeleteWebhook { name: called(self.pick(&WEBHOOKS).0) },
            14..=16 => {
                let position = self.rng.u64(0..self.posted);
                let mut delivery = self.insert();
                delivery.task =
                    Task { method: "system/webhook".into(), ..Task::clone(&delivery.task) }.into();
                Change::Deliver { position, delivery }
            }
            17 => Change::Stop,
            18 => {
                let fact = Fact::Node(NodeFact::Draining);
                Change::Announce(Event { at: self.now, fact })
            }
            _ => {
                let (sequence, fence, id) = self.claim();
                let (task, payload) = (Arc::new(self.task(id)), Payload::new());
                let custom = Custom { name: "custom.seen".into(), payload, task, attempt: 1 };
                Change::Emit { sequence, fence, custom: Arc::new(custom) }
            }
        }
    }

    fn define(&mut self, schedule: &'static str, next: Option<Timestamp>) -> Change {
        let overlap = *self.pick(&[Overlap::Allow, Overlap::Skip, Overlap::Replace]);
        let (defined, enabled) = (self.task(id("template")), !self.one_in(4));
        let (revision, at) = self.schedules.entry(schedule).or_default();
        (*revision, *at) = (*revision + 1, next.filter(|_| enabled));
        let schedule = Schedule {
            name: called(schedule),
            description: String::new(),
            rule: Rule::Every { interval: SECOND, anchor: Timestamp::EPOCH },
            task: Arc::new(defined),
            overlap,
            catch_up: CatchUp::Last,
            jitter: Duration::ZERO,
        };
        Change::SetSchedule { schedule: Arc::new(schedule), enabled, next }
    }

    /// Mostly a valid firing.
    fn fire(&mut self, schedule: &'static str, next: Option<Timestamp>) -> Change {
        let stale = self.one_in(6);
        let runs = (0..self.rng.u32(0..3)).map(|_| (self.now, self.run(schedule))).collect();
        let missed = self.one_in(4).then_some((3, self.now));
        let known = self.schedules.get_mut(schedule);
        let (revision, due) = match known {
            Some((revision, at @ Some(_))) if !stale => {
                let due = std::mem::replace(at, next);
                (*revision, due.unwrap_or(self.now))
            }
            _ => (0, self.now),
        };
        Change::Fire(Firing { name: called(schedule), revision, due, runs, missed, next })
    }

    /// A task that is a run of this schedule, or would be if the schedule existed.
    fn run(&mut self, schedule: &str) -> Insert {
        let id = self.id();
        let mut task = self.task(id);
        let initiator = format!("{RUN_INITIATOR}{schedule}");
        task.options.labels = Some(Box::new(Labels { initiator, ..Labels::default() }));
        self.sequences += 1;
        let (sequence, deps) = (Sequence(self.sequences), task.deps.clone());
        Insert { sequence, task: Arc::new(task), deps, foreign: Vec::new(), claim: None }
    }

    fn watch(&mut self) -> Change {
        let (name, pattern) = *self.pick(&WEBHOOKS);
        let filter =
            EventFilter { names: vec![NamePattern::parse(pattern)], ..EventFilter::default() };
        Change::SetWebhook(Arc::new(Webhook {
            name: called(name),
            description: String::new(),
            url: "http://localhost/".into(),
            filter,
            secret: Secret::new("secret"),
            timeout: SECOND,
            retries: 3,
            enabled: !self.one_in(4),
            updated_at: self.now,
        }))
    }

    fn queue(&mut self) -> QueueName {
        queue(self.pick::<&str>(&QUEUES))
    }

    fn insert(&mut self) -> Insert {
        if !self.inserts.is_empty() && self.one_in(12) {
            return self.inserts[self.rng.usize(0..self.inserts.len())].clone();
        }
        let id = self.id();
        let task = self.task(id);
        self.sequences += 1;
        let deps = task.deps.clone();
        let foreign = match self.one_in(12) {
            true => vec![elsewhere(self.rng.u32(0..3))],
            false => Vec::new(),
        };
        // Only the store knows whether a key permits a start, so a task with a key never comes
        // claimed.
        let claims = self.one_in(6) && task.options.keys.is_none();
        let claim = claims.then(|| self.fence());
        let sequence = Sequence(self.sequences);
        let insert = Insert { sequence, task: Arc::new(task), deps, foreign, claim };
        if let Some(fence) = claim {
            self.claims.push((sequence, fence, insert.task.id.clone()));
        }
        self.inserts.push(insert.clone());
        insert
    }

    fn child(&mut self, parent: &TaskId, at: u32) -> Insert {
        let mut task = self.task(id(&format!("{parent}/{at}").replace("//", "/")));
        task.parent = Some(parent.clone());
        // Sometimes what was spawned before is not a child of this one.
        if !self.one_in(6) {
            task.deps.clear();
            task.args = vec![ArgValue::Int32(1)];
        }
        task.digest = Digest::of(&task.method, &task.args, &task.deps);
        self.sequences += 1;
        let (sequence, deps) = (Sequence(self.sequences), task.deps.clone());
        Insert { sequence, task: Arc::new(task), deps, foreign: Vec::new(), claim: None }
    }

    fn task(&mut self, id: TaskId) -> Task {
        let args = vec![ArgValue::Int32(self.rng.i32(0..2))];
        let deps: Vec<TaskId> = match self.rng.u32(0..5) {
            0..=2 => Vec::new(),
            many => (2..many).map(|_| self.id()).filter(|dep| *dep != id).collect(),
        };
        let keys = Keys {
            concurrency: self.one_in(2).then(|| (*self.pick(&CONCURRENCY_KEYS)).to_owned()),
            unique: self.one_in(5).then(|| Unique {
                key: (*self.pick(&UNIQUE_KEYS)).to_owned(),
                window: self.one_in(2).then(|| 3 * SECOND),
                on_conflict: *self.pick(&[
                    OnConflict::ReturnFirst,
                    OnConflict::Replace,
                    OnConflict::Refuse,
                ]),
            }),
        };
        let tags = vec!["red".to_owned()];
        let labels = self.one_in(3).then(|| Box::new(Labels { tags, ..Labels::default() }));
        let run_fate = [OnDependencyFailure::Fail, OnDependencyFailure::Run];
        Task {
            id,
            method: "add".into(),
            digest: Digest::of("add", &args, &deps),
            args,
            deps,
            submitted_at: self.now,
            parent: None,
            options: Options {
                queue: self.queue(),
                priority: self.rng.i32(0..3),
                run_at: self.one_in(6).then(|| self.now.plus(2 * SECOND)),
                expires_at: self.one_in(6).then(|| self.now.plus(5 * SECOND)),
                timeout: 60 * SECOND,
                retry: RetryPolicy::with_retries(3),
                durability: Durability::Durable,
                wait_for_dependencies: !self.one_in(8),
                on_dependency_failure: run_fate[usize::from(self.one_in(3))],
                labels,
                keys: (!keys.is_empty()).then(|| keys.into()),
            },
        }
    }

    fn lines(&mut self) -> Vec<LogLine> {
        let first = self.rng.u32(1..6);
        let line = |number| LogLine {
            number,
            at: self.now,
            level: LogLevel::Info,
            attempt: 1,
            text: format!("line {number}"),
        };
        (first..first + 3).map(line).collect()
    }

    fn limits(&mut self) -> QueueLimits {
        let rate = Rate { count: self.rng.u32(1..4), per: 4 * SECOND };
        QueueLimits {
            concurrency: self.one_in(3).then(|| self.rng.u32(1..5)),
            concurrency_per_key: self.rng.u32(1..4),
            rate_per_key: self.one_in(3).then_some(rate),
            ..QueueLimits::default()
        }
    }

    fn retention(&mut self) -> Retention {
        // Stores may differ in which surplus tasks go first.
        let keep = RetentionLimit { max_age: SECOND * self.rng.u32(3..9), max_count: 1_000 };
        Retention { succeeded: keep, others: RetentionLimit { max_age: 8 * SECOND, ..keep } }
    }

    /// Changes that lift every limit except those of keys, so that all tasks can end.
    pub(crate) fn lift(&mut self) -> Vec<Change> {
        let keyed =
            |per_key| QueueLimits { concurrency_per_key: per_key, ..QueueLimits::default() };
        let mut changes = Vec::new();
        for name in QUEUES {
            let limits = keyed(self.rng.u32(1..3));
            changes.push(Change::SetQueue { queue: queue(name), limits });
            changes.push(Change::PauseQueue { queue: queue(name), paused: false });
        }
        for number in 0..3 {
            changes.push(Change::ForeignEnded { id: elsewhere(number), succeeded: true });
        }
        changes.push(Change::NotifyDependants { limit: NOTIFY_SLICE });
        changes
    }

    /// Claims these tasks, and chooses how the attempts end.
    pub(crate) fn requests(&mut self, ready: &[ClaimableTask]) -> Vec<ClaimRequest> {
        let wish = |ready: &ClaimableTask| ClaimRequest {
            sequence: ready.position.sequence,
            fence: self.fence(),
        };
        ready.iter().map(wish).collect()
    }

    /// The ends of all claims.
    pub(crate) fn ends(&mut self) -> Vec<Change> {
        let result = Arc::new(ArgValue::Null);
        let claims = std::mem::take(&mut self.claims);
        let end = |(sequence, fence, _): &(Sequence, Fence, TaskId)| Change::Complete {
            sequence: *sequence,
            fence: *fence,
            result: result.clone(),
        };
        claims.iter().map(end).collect()
    }
}

/// Every queue with tasks.
pub(crate) fn queues() -> [QueueName; 2] {
    QUEUES.map(queue)
}

/// Every id that a task may have.
pub(crate) fn every_id() -> Vec<TaskId> {
    let own = (0..IDS).map(|number| format!("t{number}"));
    let children = (0..IDS).flat_map(|number| (0..3).map(move |at| format!("t{number}/{at}")));
    own.chain(children).map(|name| id(&name)).collect()
}

/// Every concurrency key that tasks share.
pub(crate) fn keys() -> [&'static str; 2] {
    CONCURRENCY_KEYS
}

fn called(name: &str) -> Name {
    Name::parse(name, "name").expect("a good name")
}

fn id(name: &str) -> TaskId {
    TaskId::parse(name, "task_id").expect("a good id")
}

fn elsewhere(number: u32) -> TaskId {
    id(&format!("elsewhere{number}"))
}

fn queue(name: &str) -> QueueName {
    QueueName::parse(name, "queue").expect("a good name")
}
