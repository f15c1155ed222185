//! Those who ask: what for, in which steps, and what they are told. The steps are those of
//! `Engine::begin`, with time between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::handlers::METHODS;
use super::host_calls::Heard;
use super::world::{Ticket, Work, World};
use crate::engine::core::active::Phase;
use crate::engine::core::{Admission, Admittable, Answer, IdReservation, Submission, WaitFor};
use crate::error::{Code, Error};
use crate::models::{
    ArgValue, Digest, Durability, Fence, Keys, OnConflict, OnDependencyFailure, Options, QueueName,
    RetryPolicy, Snapshot, State, Task, TaskId, Unique,
};

/// How many ids are asked for again and again.
const POOL: usize = 40;

/// A request on its way in.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    pub(super) ticket: Ticket,
    pub(super) wait_for: WaitFor,
    task: Arc<Task>,
    fresh: bool,
    must_read: bool,
    looked_up: Option<Option<Snapshot>>,
    reservation: u64,
    inserting: Vec<TaskId>,
    deps: Vec<(TaskId, Option<State>)>,
    /// Ids that somebody was told of, or that stood before it in its own call.
    known_before: Arc<BTreeSet<TaskId>>,
}

pub(super) enum Waiting {
    Request(Box<Asking>),
    Cancel(TaskId),
    During { fence: Fence, id: TaskId, heard: Heard, ephemeral: Option<Option<Arc<[u8]>>> },
    ByHand { id: TaskId, forgets: bool },
    Queue,
}

pub(super) struct Requests {
    contents: Vec<Content>,
    tickets: u64,
    fresh: u64,
    pub(super) waiting: BTreeMap<Ticket, Waiting>,
    /// Let in.
    let_in: BTreeSet<TaskId>,
    /// Refused after they had been let in: it was not worth anything.
    put_out: BTreeSet<TaskId>,
}

#[derive(Clone)]
struct Content {
    method: &'static str,
    deps: Vec<TaskId>,
}

impl Requests {
    pub(super) fn new(rng: &mut fastrand::Rng) -> Self {
        let contents = (0..POOL)
            .map(|number| Content {
                method: rng.choice(METHODS).expect("there are some"),
                deps: (0..if rng.bool() { 0 } else { rng.usize(0..4) })
                    .filter(|_| number > 0)
                    .map(|_| pool_id(rng.usize(0..number)))
                    .collect(),
            })
            .collect();
        Self {
            contents,
            tickets: 0,
            fresh: 0,
            waiting: BTreeMap::new(),
            let_in: BTreeSet::new(),
            put_out: BTreeSet::new(),
        }
    }

    pub(super) fn ticket(&mut self, rng: &mut fastrand::Rng) -> Ticket {
        self.tickets += 2;
        Ticket(self.tickets + u64::from(rng.u32(0..8) == 0))
    }

    /// A task of that name is not in after all.
    pub(super) fn put_out(&mut self, id: &TaskId) {
        if self.let_in.contains(id) {
            self.put_out.insert(id.clone());
        }
    }

    /// Whether a task of that name was refused after it had been let in.
    pub(super) fn was_put_out(&self, id: &TaskId) -> bool {
        self.put_out.contains(id)
    }

    /// The process has died, and with it everybody's connection.
    pub(super) fn die(&mut self) {
        self.waiting.clear();
        self.let_in.clear();
    }

    pub(super) fn check_the_end(&self) {
        let forgotten: Vec<_> = self.waiting.keys().filter(|it| it.0 % 2 == 0).collect();
        assert!(forgotten.is_empty(), "nobody answered {forgotten:?}");
    }
}

fn keys(rng: &mut fastrand::Rng) -> Option<Box<Keys>> {
    let keys = Keys {
        concurrency: (rng.u32(0..4) == 0).then(|| rng.choice(["a", "b"]).expect("some").to_owned()),
        unique: (rng.u32(0..6) == 0).then(|| Unique {
            key: rng.choice(["u", "v"]).expect("some").to_owned(),
            window: rng.bool().then(|| Duration::from_millis(rng.u64(0..1_000))),
            on_conflict: rng
                .choice([OnConflict::ReturnFirst, OnConflict::Replace, OnConflict::Refuse])
                .expect("some"),
        }),
    };
    (!keys.is_empty()).then(|| Box::new(keys))
}

fn pool_id(number: usize) -> TaskId {
    TaskId::parse(&format!("t{number}"), "").expect("an id")
}

impl World {
    /// Somebody asks for something; at times for several things in one call.
    pub(super) fn ask_something(&mut self) {
        let mut numbers = vec![self.rng.usize(0..POOL)];
        match self.rng.u32(0..8) {
            0 => numbers.extend((0..self.rng.usize(1..5)).map(|_| self.rng.usize(0..POOL))),
            1 => self.put_dependencies_first(&mut numbers),
            _ => {}
        }
        let count = numbers.len();
        for number in numbers {
            let asking = self.request(number);
            self.ledger.asked(&asking.task.id);
            if asking.task.options.durability == Durability::Ephemeral {
                self.ledger.may_be_forgotten(&asking.task.id);
            }
            self.requests.waiting.insert(asking.ticket, Waiting::Request(Box::new(asking.clone())));
            if count == 1 && self.rng.bool() {
                self.work.push(Work::Ask(asking));
            } else {
                self.ask_and_stay(asking);
            }
        }
    }

    /// Nothing but the core's other callers comes between the steps of this one: so a later request
    /// of the same call finds this one let in.
    fn ask_and_stay(&mut self, asking: Asking) {
        let ticket = asking.ticket;
        self.ask(asking);
        let own = |work: &Work| match work {
            Work::LookUp(asking) | Work::Submit(asking) => asking.ticket == ticket,
            _ => false,
        };
        while let Some(at) = self.work.iter().position(own) {
            if self.rng.bool() {
                self.commit_step();
            }
            let work = self.work.swap_remove(at);
            self.do_work(work);
        }
    }

    /// Something that has dependencies, behind all of them.
    fn put_dependencies_first(&mut self, numbers: &mut Vec<usize>) {
        let contents = &self.requests.contents;
        let dependants = (0..POOL).filter(|number| !contents[*number].deps.is_empty());
        if let Some(number) = self.rng.choice(dependants.collect::<Vec<_>>()) {
            let ids = &contents[number].deps;
            *numbers = (0..number).filter(|number| ids.contains(&pool_id(*number))).collect();
            numbers.push(number);
        }
    }

    fn request(&mut self, number: usize) -> Asking {
        let ticket = self.requests.ticket(&mut self.rng);
        let rng = &mut self.rng;
        let fresh = rng.u32(0..5) == 0;
        let id = if fresh {
            self.requests.fresh += 1;
            TaskId::parse(&format!("f{}", self.requests.fresh), "").expect("an id")
        } else {
            pool_id(number)
        };
        let Content { method, deps } = self.requests.contents[number].clone();
        let other = rng.u32(0..12) == 0;
        let args = if other { vec![ArgValue::Bool(true)] } else { Vec::new() };
        let soon = |rng: &mut fastrand::Rng, wall: crate::clock::Timestamp| {
            let wait = Duration::from_millis(rng.u64(0..1_500));
            (rng.u32(0..5) == 0).then(|| wall.plus(wait))
        };
        let wall = self.now.wall;
        let queue = rng.choice(["wide", "narrow", "heavy", "other"]).expect("some");
        let options = Options {
            queue: QueueName::parse(queue, "").expect("a name"),
            priority: rng.i32(-1..2),
            run_at: soon(rng, wall),
            expires_at: soon(rng, wall),
            timeout: Duration::from_millis(rng.u64(1..2_000)),
            retry: RetryPolicy {
                base: Duration::from_millis(rng.u64(0..200)),
                ..RetryPolicy::with_retries(rng.u32(0..4))
            },
            durability: if rng.u32(0..3) == 0 {
                Durability::Ephemeral
            } else {
                Durability::Durable
            },
            wait_for_dependencies: rng.u32(0..4) > 0,
            on_dependency_failure: if rng.u32(0..4) == 0 {
                OnDependencyFailure::Run
            } else {
                OnDependencyFailure::Fail
            },
            labels: None,
            keys: keys(rng),
        };
        let known_before = deps
            .iter()
            .filter(|id| self.ledger.is_accepted(id) || self.requests.let_in.contains(*id))
            .cloned()
            .collect();
        let task = Arc::new(Task {
            digest: Digest::of(method, &args, &deps),
            id,
            method: method.into(),
            args,
            deps,
            submitted_at: wall,
            parent: None,
            options,
        });
        Asking {
            ticket,
            wait_for: if rng.bool() { WaitFor::Acceptance } else { WaitFor::Outcome },
            task,
            fresh,
            must_read: false,
            looked_up: None,
            reservation: 0,
            inserting: Vec::new(),
            deps: Vec::new(),
            known_before: Arc::new(known_before),
        }
    }

    /// The first part of `Engine::begin`: what is to be read?
    pub(super) fn ask(&mut self, mut asking: Asking) {
        let cache = &self.cache;
        asking.deps = asking
            .task
            .deps
            .iter()
            .filter(|dep| {
                cache.get(dep).is_none_or(|ended| ended.outcome.state() != State::Succeeded)
            })
            .map(|dep| (dep.clone(), None))
            .collect();
        asking.looked_up = None;
        let id_unread = !asking.fresh && self.store.knows(&asking.task.id);
        asking.must_read = id_unread || !asking.deps.is_empty();
        let (id, digest) = (&asking.task.id, asking.task.digest);
        let deps: Vec<TaskId> = asking.deps.iter().map(|(dep, _)| dep.clone()).collect();
        let entry = asking.must_read.then(|| self.core.reserve_id(id, digest, &deps));
        self.work.push(match entry {
            Some(IdReservation::Reserved { inserting, number }) => {
                (asking.inserting, asking.reservation) = (inserting, number);
                Work::LookUp(asking)
            }
            _ => Work::Submit(asking),
        });
    }

    pub(super) fn look_up(&mut self, mut asking: Asking) {
        if !self.calm && self.rng.u32(0..15) == 0 {
            // The store cannot be read, or the caller goes away.
            let (id, reservation) = (asking.task.id.clone(), asking.reservation);
            self.act(|core, _, out| core.release_reservation(&id, reservation, out));
            self.requests.waiting.remove(&asking.ticket);
            return;
        }
        for (id, state) in &mut asking.deps {
            *state = self.store.find(id).map(|it| it.state);
        }
        asking.looked_up = Some(self.store.find(&asking.task.id));
        self.work.push(Work::Submit(asking));
    }

    pub(super) fn submit(&mut self, asking: Asking) {
        let method = self.registry.find(&asking.task.method).expect("it is registered");
        let submission = Submission {
            id: asking.task.id.clone(),
            fresh: asking.fresh,
            digest: asking.task.digest,
            wait_for: asking.wait_for,
            must_read: asking.must_read,
            looked_up: asking.looked_up.clone(),
            reservation: asking.reservation,
            inserting: asking.inserting.clone(),
            gate: Ok(Admittable { task: asking.task.clone(), method, deps: asking.deps.clone() }),
        };
        let ticket = asking.ticket;
        let id = &asking.task.id;
        let unsure = !asking.must_read && !asking.fresh;
        if unsure && !self.core.active.contains(id) && self.store.knows(id) {
            self.work.push(Work::Ask(asking));
            return;
        }
        let admission = self.act(|core, now, out| core.submit(submission, now, || ticket, out));
        self.admitted(asking, admission);
    }

    pub(super) fn admitted(&mut self, asking: Asking, admission: Admission) {
        match admission {
            Admission::Ended(ended) => self.request_answered(asking.ticket, Answer::Ended(ended)),
            Admission::Accepted(accepted) => {
                self.request_answered(asking.ticket, Answer::Accepted(accepted));
            }
            Admission::Refused(error) => {
                self.request_answered(asking.ticket, Answer::Refused(error));
            }
            Admission::Resubmit => self.work.push(Work::Ask(asking)),
            Admission::Wait => {
                let id = &asking.task.id;
                // Who joins another request's look-up is not in yet; who has another's unique key waits
                // for that one.
                let phase = self.core.active.get(id).map(|it| it.phase);
                let not_in = match phase {
                    Some(phase) => phase == Phase::Reserved,
                    None => self.known(id).is_none(),
                };
                if !not_in {
                    self.requests.let_in.insert(id.clone());
                }
            }
            Admission::Run(start) => self.run_inline_later(start, asking),
        }
    }

    pub(super) fn request_answered(&mut self, ticket: Ticket, answer: Answer) {
        let Some(Waiting::Request(asking)) = self.requests.waiting.remove(&ticket) else {
            panic!("{ticket:?} does not wait for {answer:?}");
        };
        let id = &asking.task.id;
        let of_another = match &answer {
            Answer::Ended(ended) => ended.task.id != *id,
            Answer::Accepted(accepted) => accepted.id != *id,
            _ => false,
        };
        if of_another {
            self.requests.put_out(id);
        }
        match answer {
            Answer::Ended(ended) => {
                self.check_is_meant(&asking, &ended.task);
                self.check_is_stored(&ended.task.id, &ended.outcome);
                self.ledger.accepted(&ended.task);
            }
            Answer::Accepted(accepted) => {
                if accepted.id != *id {
                    assert!(accepted.joined, "{accepted:?}");
                }
                if let Some(task) = self.known(&accepted.id) {
                    self.check_is_meant(&asking, &task);
                    self.ledger.accepted(&task);
                } else {
                    // An inline body is at work that nobody needs stored.
                    let known =
                        self.core.active.contains(id) || self.ledger.was_forgotten(&accepted.id);
                    assert!(known, "{id} was accepted and is not known");
                }
            }
            Answer::Refused(error) => self.check_refusal(&asking, &error),
            Answer::Resubmit => {
                self.requests.waiting.insert(ticket, Waiting::Request(asking.clone()));
                self.work.push(Work::Ask(*asking));
            }
            answer => panic!("{answer:?} is no answer to a request"),
        }
    }

    /// Whoever asks is told of what he asked for, or of what has the same unique key.
    fn check_is_meant(&self, asking: &Asking, task: &Task) {
        if task.id == asking.task.id {
            // Its arguments may be a newcomer's by now, and a forgotten one's name another's.
            let key = task.options.unique();
            let replaced = key.is_some();
            let another = self.ledger.was_forgotten(&task.id);
            let same = task.digest == asking.task.digest;
            assert!(same || replaced || another, "{} has other content", task.id);
        } else {
            let key = |task: &Task| task.options.unique().map(|it| it.key.clone());
            // Whoever joined another's request shares its fate, whatever key he asked with.
            assert!(key(task).is_some(), "{task:?} {asking:?}");
        }
    }

    /// The task that has the id, if one has.
    pub(super) fn known(&self, id: &TaskId) -> Option<Arc<Task>> {
        let stored = self.store.find(id).map(|it| it.task);
        let ephemeral = || self.core.find(id).0.map(|it| it.task);
        stored.or_else(ephemeral).or_else(|| self.cache.get(id).map(|it| it.task.clone()))
    }

    pub(super) fn known_state(&self, id: &TaskId) -> Option<State> {
        let stored = self.store.find(id).map(|it| it.state);
        stored.or_else(|| self.core.find(id).0.map(|it| it.state))
    }

    fn check_refusal(&mut self, asking: &Asking, error: &Error) {
        let id = &asking.task.id;
        self.requests.put_out(id);
        match error.code {
            Code::IdTaken => {
                let taken = self.known(id).is_some_and(|it| it.digest != asking.task.digest);
                let forgotten = self.ledger.was_forgotten(id);
                let is_child = self.known(id).is_some_and(|it| it.parent.is_some());
                assert!(
                    taken || self.core.active.contains(id) || forgotten || is_child,
                    "nobody else has {id}"
                );
            }
            Code::DependencyUnmet => {
                if error.message.ends_with("is not known") {
                    for dependency in asking.known_before.iter() {
                        let named = error.message.contains(&format!("dependency {dependency} "));
                        assert!(
                            !named
                                || self.known(dependency).is_none()
                                || self.ledger.was_forgotten(dependency)
                                || self.requests.put_out.contains(dependency),
                            "{id} was refused: {error}"
                        );
                    }
                }
            }
            // The store's word for it is checked where it is said; those who joined share it.
            Code::UniqueTaken => {}
            Code::QueueFull | Code::Draining | Code::StoreUnavailable | Code::OutcomeUnknown => {}
            _ => panic!("{id} was refused: {error:?}"),
        }
    }

    /// Nobody learns of an outcome that is not stored.
    pub(super) fn check_is_stored(&self, id: &TaskId, outcome: &crate::models::Outcome) {
        let stored = self.store.find(id).and_then(|it| it.outcome);
        let kept = || self.cache.get(id).map(|it| it.outcome.clone());
        let is = stored.or_else(kept).as_ref() == Some(outcome);
        // Somebody may have changed that since.
        let was = self.ledger.has_come_to(id, outcome);
        assert!(is || was, "what {id} came to is stored: {outcome:?}");
    }

    /// Cancels and records whose change was not stored are refused, too.
    pub(super) fn is_request(&self, ticket: Ticket) -> bool {
        matches!(self.requests.waiting.get(&ticket), Some(Waiting::Request(_)))
    }

    pub(super) fn forget_refused(&mut self, ticket: Ticket) {
        assert!(self.requests.waiting.remove(&ticket).is_some(), "{ticket:?} does not wait");
    }
}
