//! Callers: their requests, the steps of a submission, and the answers. The steps are those of the
//! engine's `submit.rs`, with time between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::handlers::METHODS;
use super::host_calls::HostCallKind;
use super::world::{Ticket, Work, World};
use crate::engine::core::active::Phase;
use crate::engine::core::{Admission, Admittable, Answer, IdReservation, Submission, WaitFor};
use crate::error::{Code, Error};
use crate::models::{
    ArgValue, Digest, Durability, Fence, Keys, OnConflict, OnDependencyFailure, Options, QueueName,
    RetryPolicy, Snapshot, State, Task, TaskId, Unique,
};

/// How many ids are submitted again and again.
const POOL: usize = 40;

/// A request that is being submitted.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) ticket: Ticket,
    pub(super) wait_for: WaitFor,
    task: Arc<Task>,
    fresh: bool,
    must_read: bool,
    looked_up: Option<Option<Snapshot>>,
    reservation: u64,
    inserting: Vec<TaskId>,
    deps: Vec<(TaskId, Option<State>)>,
    /// Ids that were accepted before, or come before it in its own call.
    known_before: Arc<BTreeSet<TaskId>>,
}

pub(super) enum Waiting {
    Request(Box<Request>),
    Cancel(TaskId),
    HostCall { fence: Fence, id: TaskId, kind: HostCallKind, ephemeral: Option<Option<Arc<[u8]>>> },
    Admin { id: TaskId, purges: bool },
    Queue,
}

pub(super) struct Requests {
    contents: Vec<Content>,
    tickets: u64,
    fresh: u64,
    pub(super) waiting: BTreeMap<Ticket, Waiting>,
    /// Ids of admitted tasks.
    admitted: BTreeSet<TaskId>,
    /// Ids of tasks that were rejected after they had been admitted.
    rejected: BTreeSet<TaskId>,
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
            admitted: BTreeSet::new(),
            rejected: BTreeSet::new(),
        }
    }

    pub(super) fn ticket(&mut self, rng: &mut fastrand::Rng) -> Ticket {
        self.tickets += 2;
        Ticket(self.tickets + u64::from(rng.u32(0..8) == 0))
    }

    /// An admitted task was rejected.
    pub(super) fn rejected(&mut self, id: &TaskId) {
        if self.admitted.contains(id) {
            self.rejected.insert(id.clone());
        }
    }

    /// Whether an admitted task with this id was rejected.
    pub(super) fn was_rejected(&self, id: &TaskId) -> bool {
        self.rejected.contains(id)
    }

    /// The process crashed, and every connection is lost.
    pub(super) fn crash(&mut self) {
        self.waiting.clear();
        self.admitted.clear();
    }

    pub(super) fn check_end(&self) {
        let unanswered: Vec<_> = self.waiting.keys().filter(|it| it.0 % 2 == 0).collect();
        assert!(unanswered.is_empty(), "no answer to {unanswered:?}");
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
    /// A caller submits a task; at times several in one call.
    pub(super) fn submit_something(&mut self) {
        let mut numbers = vec![self.rng.usize(0..POOL)];
        match self.rng.u32(0..8) {
            0 => numbers.extend((0..self.rng.usize(1..5)).map(|_| self.rng.usize(0..POOL))),
            1 => self.put_dependencies_first(&mut numbers),
            _ => {}
        }
        let count = numbers.len();
        for number in numbers {
            let request = self.new_request(number);
            self.ledger.submitted(&request.task.id);
            if request.task.options.durability == Durability::Ephemeral {
                self.ledger.add_ephemeral_id(&request.task.id);
            }
            self.requests
                .waiting
                .insert(request.ticket, Waiting::Request(Box::new(request.clone())));
            if count == 1 && self.rng.bool() {
                self.work.push(Work::Reserve(request));
            } else {
                self.submit_in_one_call(request);
            }
        }
    }

    /// Only commits come between the steps of this request, so that a later request of the same call
    /// finds this one admitted.
    fn submit_in_one_call(&mut self, request: Request) {
        let ticket = request.ticket;
        self.reserve(request);
        let own = |work: &Work| match work {
            Work::LookUp(request) | Work::Submit(request) => request.ticket == ticket,
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

    /// Replaces the requests by one that has dependencies, and puts all of them before it.
    fn put_dependencies_first(&mut self, numbers: &mut Vec<usize>) {
        let contents = &self.requests.contents;
        let dependants = (0..POOL).filter(|number| !contents[*number].deps.is_empty());
        if let Some(number) = self.rng.choice(dependants.collect::<Vec<_>>()) {
            let ids = &contents[number].deps;
            *numbers = (0..number).filter(|number| ids.contains(&pool_id(*number))).collect();
            numbers.push(number);
        }
    }

    fn new_request(&mut self, number: usize) -> Request {
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
            .filter(|id| self.ledger.is_accepted(id) || self.requests.admitted.contains(*id))
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
        Request {
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

    /// The first step of a submission: what has to be read?
    pub(super) fn reserve(&mut self, mut request: Request) {
        let cache = &self.cache;
        request.deps = request
            .task
            .deps
            .iter()
            .filter(|dep| {
                cache.get(dep).is_none_or(|ended| ended.outcome.state() != State::Succeeded)
            })
            .map(|dep| (dep.clone(), None))
            .collect();
        request.looked_up = None;
        let id_unread = !request.fresh && self.store.knows(&request.task.id);
        request.must_read = id_unread || !request.deps.is_empty();
        let (id, digest) = (&request.task.id, request.task.digest);
        let deps: Vec<TaskId> = request.deps.iter().map(|(dep, _)| dep.clone()).collect();
        let entry = request.must_read.then(|| self.core.reserve_id(id, digest, &deps));
        self.work.push(match entry {
            Some(IdReservation::Reserved { inserting, number }) => {
                (request.inserting, request.reservation) = (inserting, number);
                Work::LookUp(request)
            }
            _ => Work::Submit(request),
        });
    }

    pub(super) fn look_up(&mut self, mut request: Request) {
        if !self.calm && self.rng.u32(0..15) == 0 {
            // The store cannot be read, or the caller goes away.
            let (id, reservation) = (request.task.id.clone(), request.reservation);
            self.act(|core, _, out| core.release_reservation(&id, reservation, out));
            self.requests.waiting.remove(&request.ticket);
            return;
        }
        for (id, state) in &mut request.deps {
            *state = self.store.find(id).map(|it| it.state);
        }
        request.looked_up = Some(self.store.find(&request.task.id));
        self.work.push(Work::Submit(request));
    }

    pub(super) fn submit(&mut self, request: Request) {
        let method = self.registry.find(&request.task.method).expect("it is registered");
        let submission = Submission {
            id: request.task.id.clone(),
            fresh: request.fresh,
            digest: request.task.digest,
            wait_for: request.wait_for,
            must_read: request.must_read,
            looked_up: request.looked_up.clone(),
            reservation: request.reservation,
            inserting: request.inserting.clone(),
            gate: Ok(Admittable { task: request.task.clone(), method, deps: request.deps.clone() }),
        };
        let ticket = request.ticket;
        let id = &request.task.id;
        let unsure = !request.must_read && !request.fresh;
        if unsure && !self.core.active.contains(id) && self.store.knows(id) {
            self.work.push(Work::Reserve(request));
            return;
        }
        let admission = self.act(|core, now, out| core.submit(submission, now, || ticket, out));
        self.admitted(request, admission);
    }

    pub(super) fn admitted(&mut self, request: Request, admission: Admission) {
        match admission {
            Admission::Ended(ended) => self.request_answered(request.ticket, Answer::Ended(ended)),
            Admission::Accepted(accepted) => {
                self.request_answered(request.ticket, Answer::Accepted(accepted));
            }
            Admission::Refused(error) => {
                self.request_answered(request.ticket, Answer::Refused(error));
            }
            Admission::Resubmit => self.work.push(Work::Reserve(request)),
            Admission::Wait => {
                let id = &request.task.id;
                // A request that joins a reservation is not admitted yet; one whose unique key another
                // task holds waits for that task.
                let phase = self.core.active.get(id).map(|it| it.phase);
                let not_in = match phase {
                    Some(phase) => phase == Phase::Reserved,
                    None => self.known(id).is_none(),
                };
                if !not_in {
                    self.requests.admitted.insert(id.clone());
                }
            }
            Admission::Run(start) => self.run_inline_later(start, request),
        }
    }

    pub(super) fn request_answered(&mut self, ticket: Ticket, answer: Answer) {
        let Some(Waiting::Request(request)) = self.requests.waiting.remove(&ticket) else {
            panic!("{ticket:?} does not wait for {answer:?}");
        };
        let id = &request.task.id;
        let of_another = match &answer {
            Answer::Ended(ended) => ended.task.id != *id,
            Answer::Accepted(accepted) => accepted.id != *id,
            _ => false,
        };
        if of_another {
            self.requests.rejected(id);
        }
        match answer {
            Answer::Ended(ended) => {
                self.check_same_request(&request, &ended.task);
                self.check_is_stored(&ended.task.id, &ended.outcome);
                self.ledger.accepted(&ended.task);
            }
            Answer::Accepted(accepted) => {
                if accepted.id != *id {
                    assert!(accepted.joined, "{accepted:?}");
                }
                if let Some(task) = self.known(&accepted.id) {
                    self.check_same_request(&request, &task);
                    self.ledger.accepted(&task);
                } else {
                    // An inline handler runs whose task needs no row.
                    let known =
                        self.core.active.contains(id) || self.ledger.was_purged(&accepted.id);
                    assert!(known, "{id} was accepted and is not known");
                }
            }
            Answer::Refused(error) => self.check_refusal(&request, &error),
            Answer::Resubmit => {
                self.requests.waiting.insert(ticket, Waiting::Request(request.clone()));
                self.work.push(Work::Reserve(*request));
            }
            answer => panic!("{answer:?} is no answer to a request"),
        }
    }

    /// The answer is about the task of the request, or about the holder of its unique key.
    fn check_same_request(&self, request: &Request, task: &Task) {
        if task.id == request.task.id {
            // A replacement may have changed its arguments, and another task may have a purged id.
            let key = task.options.unique();
            let replaced = key.is_some();
            let another = self.ledger.was_purged(&task.id);
            let same = task.digest == request.task.digest;
            assert!(same || replaced || another, "{} has other content", task.id);
        } else {
            let key = |task: &Task| task.options.unique().map(|it| it.key.clone());
            // A request that joined another one gets its answer, whatever its own key is.
            assert!(key(task).is_some(), "{task:?} {request:?}");
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

    fn check_refusal(&mut self, request: &Request, error: &Error) {
        let id = &request.task.id;
        self.requests.rejected(id);
        match error.code {
            Code::IdTaken => {
                let taken = self.known(id).is_some_and(|it| it.digest != request.task.digest);
                let forgotten = self.ledger.was_purged(id);
                let is_child = self.known(id).is_some_and(|it| it.parent.is_some());
                assert!(
                    taken || self.core.active.contains(id) || forgotten || is_child,
                    "no other task has {id}"
                );
            }
            Code::DependencyUnmet => {
                if error.message.ends_with("is not known") {
                    for dependency in request.known_before.iter() {
                        let named = error.message.contains(&format!("dependency {dependency} "));
                        assert!(
                            !named
                                || self.known(dependency).is_none()
                                || self.ledger.was_purged(dependency)
                                || self.requests.rejected.contains(dependency),
                            "{id} was refused: {error}"
                        );
                    }
                }
            }
            // `check_unique` checks the store's refusal; requests that joined share it.
            Code::UniqueTaken => {}
            Code::QueueFull | Code::Draining | Code::StoreUnavailable | Code::OutcomeUnknown => {}
            _ => panic!("{id} was refused: {error:?}"),
        }
    }

    /// An outcome that a caller learns is stored.
    pub(super) fn check_is_stored(&self, id: &TaskId, outcome: &crate::models::Outcome) {
        let stored = self.store.find(id).and_then(|it| it.outcome);
        let kept = || self.cache.get(id).map(|it| it.outcome.clone());
        let is = stored.or_else(kept).as_ref() == Some(outcome);
        // An operator may have changed it since.
        let was = self.ledger.had_outcome(id, outcome);
        assert!(is || was, "the outcome of {id} is stored: {outcome:?}");
    }

    /// Cancels and other writes that fail are refused, too.
    pub(super) fn is_request(&self, ticket: Ticket) -> bool {
        matches!(self.requests.waiting.get(&ticket), Some(Waiting::Request(_)))
    }

    pub(super) fn drop_refused(&mut self, ticket: Ticket) {
        assert!(self.requests.waiting.remove(&ticket).is_some(), "{ticket:?} does not wait");
    }
}
