//! Admission: is this id known, may this task enter, and may it start at once?

use std::sync::Arc;
use std::time::Duration;

use super::active::{ActiveTask, Phase, WaitFor};
use super::{Answer, Attempt, Command, Core, StartAttempt, Tag, Waiter, draining};
use crate::clock::Now;
use crate::error::{Code, Error};
use crate::models::{
    Accepted, Digest, Durability, Ended, QueueName, Snapshot, State, Task, TaskId,
};
use crate::store::{Change, Claimed, Insert};
use crate::tasks::{HandlerKind, Method};

/// When a full queue is worth another try.
const QUEUE_FULL_WAIT: Duration = Duration::from_secs(1);

/// The most ephemeral tasks that have not ended: they live in memory, however long queues may be.
const MAX_EPHEMERAL: usize = 100_000;

/// The most durable tasks on their way to the store: a store that does not get on must not fill the
/// memory.
const MAX_UNSTORED: usize = 100_000;

/// A request that passed the gate, or what the gate said.
pub(crate) struct Submission {
    pub(crate) id: TaskId,
    /// The server gave the id just now: nobody else can know it.
    pub(crate) fresh: bool,
    pub(crate) digest: Digest,
    pub(crate) wait_for: WaitFor,
    /// The store has to be read first: for the id, or for dependencies.
    pub(crate) must_read: bool,
    /// It was read, under an [`IdReservation::Reserved`], and this has the id.
    pub(crate) looked_up: Option<Option<Snapshot>>,
    /// The number of that hold.
    pub(crate) reservation: u64,
    /// Dependencies that were on their way into the store when that was read.
    pub(crate) inserting: Vec<TaskId>,
    pub(crate) gate: Result<Admittable, Error>,
}

/// A task that may enter as far as the gate could see.
#[derive(Clone)]
pub(crate) struct Admittable {
    pub(crate) task: Arc<Task>,
    pub(crate) method: Arc<Method>,
    /// Dependencies that the results cache does not know as succeeded, and their state in the store.
    pub(crate) deps: Vec<(TaskId, Option<State>)>,
}

/// What the core says to a submission.
pub(crate) enum Admission {
    /// It had ended before.
    Ended(Arc<Ended>),
    /// It was refused.
    Refused(Error),
    /// Run this body at once, on this thread, and tell [`Core::ended_inline`].
    Run(Box<StartAttempt>),
    /// It had been accepted before.
    Accepted(Accepted),
    /// The waiter will be answered.
    Wait,
    /// Something changed while the store was read: ask again.
    Resubmit,
}

/// What the core says to somebody who has to read the store before it can submit.
pub(crate) enum IdReservation {
    /// The id is held: read the store, then submit. These dependencies are on their way into it.
    Reserved { inserting: Vec<TaskId>, number: u64 },
    /// Another request with this id is ahead, or the task is known: submit without reading.
    Taken,
}

impl<W: Waiter> Core<W> {
    /// Holds an id while the store is read for it and for those that it depends on.
    pub(crate) fn reserve_id(
        &mut self,
        id: &TaskId,
        digest: Digest,
        deps: &[TaskId],
    ) -> IdReservation {
        if self.active.contains_key(id) || self.ephemeral.knows(id) || self.cache.get(id).is_some()
        {
            return IdReservation::Taken;
        }
        // Nothing is known of its class yet, and nobody asks before it has entered.
        self.reservations += 1;
        let mut active = ActiveTask::new(digest, Durability::Durable, Phase::Reserved);
        active.reservation = self.reservations;
        self.active.insert(id.clone(), active);
        let inserting = deps.iter().filter(|dep| self.is_inserting(dep)).cloned().collect();
        IdReservation::Reserved { inserting, number: self.reservations }
    }

    /// Decides about a request. A known id is answered even while draining, full, or when its
    /// method is gone.
    pub(crate) fn submit(
        &mut self,
        submission: Submission,
        now: Now,
        waiter: impl FnOnce() -> W,
        out: &mut Vec<Command<W>>,
    ) -> Admission {
        let Submission {
            id,
            fresh,
            digest,
            wait_for,
            must_read,
            looked_up,
            reservation,
            inserting,
            gate,
        } = submission;
        // What was read under a hold that is over may not be so any more.
        let others = |active: &ActiveTask<W>| {
            active.phase == Phase::Reserved && active.reservation != reservation
        };
        let looked_up = looked_up.filter(|_| !self.active.get(&id).is_some_and(others));
        let unread = must_read && looked_up.is_none();
        if !fresh {
            match self.known(&id, digest, wait_for, looked_up, out) {
                Known::No => {}
                Known::Answered(admission) => return admission,
                Known::Joins(wait_for) => {
                    self.wait(&id, digest, wait_for, waiter());
                    return Admission::Wait;
                }
            }
        }
        if unread {
            return Admission::Resubmit;
        }
        let gate = if self.draining { Err(draining()) } else { gate };
        let admitted = gate.and_then(|admittable| {
            let newcomer = Newcomer { digest, wait_for, admittable, inserting };
            self.admit(newcomer, now, waiter, out)
        });
        match admitted {
            Ok(Admission::Resubmit) => {
                self.release_id(&id, out);
                Admission::Resubmit
            }
            Ok(admission) => admission,
            Err(error) => {
                // Those who joined may have asked later, or for other options.
                self.release_id(&id, out);
                Admission::Refused(error)
            }
        }
    }

    fn known(
        &mut self,
        id: &TaskId,
        digest: Digest,
        wait_for: WaitFor,
        looked_up: Option<Option<Snapshot>>,
        out: &mut Vec<Command<W>>,
    ) -> Known {
        if let Some(ended) = self.cache.get(id) {
            return Known::Answered(same(ended, digest));
        }
        if let Some(active) = self.active.get(id) {
            return match (active.phase, looked_up) {
                (Phase::Reserved, Some(None)) => Known::No,
                (Phase::Reserved, Some(Some(stored))) => self.stored(digest, wait_for, stored, out),
                (Phase::Reserved, None) if active.digest != digest => {
                    Known::Joins(WaitFor::IdDecision)
                }
                _ if active.digest != digest => Known::Answered(Admission::Refused(id_taken(id))),
                (Phase::Accepted, _) if wait_for == WaitFor::Acceptance => {
                    Known::Answered(joined(id))
                }
                _ => Known::Joins(wait_for),
            };
        }
        if let Some(snapshot) = self.ephemeral.find(id) {
            return self.stored(digest, wait_for, snapshot, out);
        }
        match looked_up {
            // While the store was read, the task that came in under this id ended.
            Some(_) => Known::Answered(Admission::Resubmit),
            None => Known::No,
        }
    }

    /// The id is taken by a task that a store holds.
    fn stored(
        &mut self,
        digest: Digest,
        wait_for: WaitFor,
        stored: Snapshot,
        out: &mut Vec<Command<W>>,
    ) -> Known {
        let id = stored.task.id.clone();
        let durability = stored.task.options.durability;
        if let Some(outcome) = stored.outcome {
            let ended = Arc::new(Ended { task: stored.task, outcome });
            self.answer_ended(&id, &ended, out);
            return Known::Answered(same(ended, digest));
        }
        if let Some(active) = self.active.get_mut(&id) {
            active.phase = Phase::Accepted;
            active.durability = durability;
            active.digest = stored.task.digest;
            for (wait_for, waiter) in std::mem::take(&mut active.waiters) {
                match wait_for {
                    WaitFor::Outcome if active.digest == digest => active.wait(wait_for, waiter),
                    WaitFor::Acceptance if active.digest == digest => {
                        let accepted = Accepted::joined(&id, stored.state);
                        out.push(Command::Answer(waiter, Answer::Accepted(accepted)));
                    }
                    _ => out.push(Command::Answer(waiter, Answer::Resubmit)),
                }
            }
        }
        if stored.task.digest != digest {
            self.forget_if_idle(&id);
            return Known::Answered(Admission::Refused(id_taken(&id)));
        }
        match wait_for {
            WaitFor::Outcome | WaitFor::IdDecision => Known::Joins(wait_for),
            WaitFor::Acceptance => {
                self.forget_if_idle(&id);
                Known::Answered(joined(&id))
            }
        }
    }

    fn admit(
        &mut self,
        newcomer: Newcomer,
        now: Now,
        waiter: impl FnOnce() -> W,
        out: &mut Vec<Command<W>>,
    ) -> Result<Admission, Error> {
        let Newcomer { digest, wait_for, admittable, inserting } = newcomer;
        let Admittable { task, method, deps } = admittable;
        let id = &task.id;
        let durability = task.options.durability;
        let queue_name = &task.options.queue;
        let Some(deps) = self.check_dependencies(&task, deps, &inserting)? else {
            return Ok(Admission::Resubmit);
        };
        self.check_length(queue_name, durability)?;
        let kind = method.handler.kind();
        let starts = deps.none_unfinished
            && task.options.run_at.is_none_or(|at| at <= now.wall)
            && task.options.expires_at.is_none_or(|at| at > now.wall)
            // Whether keys allow it is for the store to say.
            && task.options.keys.is_none()
            && (durability == Durability::Ephemeral || self.may_start_early())
            && self.may_start_at_once(queue_name, kind, now);
        let sequence = self.take_sequence();
        let fence = starts.then(|| self.claim_at_once(queue_name, kind, now));
        let start = fence.map(|fence| {
            Box::new(StartAttempt {
                claimed: Claimed {
                    sequence,
                    fence,
                    task: task.clone(),
                    attempt: 1,
                    resolved_args: None,
                    children: Vec::new(),
                    checkpoint: None,
                    log_lines: 0,
                    attempts_before_retry: 0,
                },
                durability,
                method,
            })
        });
        let active = self
            .active
            .entry(id.clone())
            .and_modify(|active| (active.phase, active.durability) = (Phase::Inserting, durability))
            .or_insert_with(|| ActiveTask::new(digest, durability, Phase::Inserting));
        active.fence = fence;
        let start = match start {
            // Nobody needs it stored: it will have ended before anybody could look.
            Some(start)
                if durability == Durability::Ephemeral
                    && kind == HandlerKind::Inline
                    && task.deps.is_empty() =>
            {
                active.phase = Phase::Accepted;
                return Ok(Admission::Run(start));
            }
            start => start,
        };
        active.wait(wait_for, waiter());
        if durability == Durability::Ephemeral {
            // Not the durable one that others may count on.
            self.recheck_if_awaited(id, out);
        }
        if start.is_none() {
            self.queue(queue_name).waiting += 1;
        }
        // Those that are on their way in tell of themselves.
        let recheck: Vec<TaskId> =
            deps.foreign.iter().filter(|dep| !self.is_inserting(dep)).cloned().collect();
        if !recheck.is_empty() {
            out.push(Command::Recheck(recheck));
        }
        let insert = Insert {
            sequence,
            task: task.clone(),
            deps: deps.here,
            foreign: deps.foreign,
            claim: fence,
        };
        if let Some(start) = &start {
            let attempt = Attempt::new(start, kind, now);
            self.watch(start.claimed.fence, attempt);
        }
        let tag = Tag::Insert { id: id.clone(), queue: queue_name.clone(), fence };
        if durability == Durability::Durable {
            self.unstored += 1;
        }
        self.write(durability, Change::Insert(insert), tag, now, out);
        out.extend(start.map(Command::Start));
        self.dispatch(now, out);
        Ok(Admission::Wait)
    }

    pub(super) fn check_length(
        &self,
        name: &QueueName,
        durability: Durability,
    ) -> Result<(), Error> {
        if durability == Durability::Ephemeral && self.ephemeral.len() >= MAX_EPHEMERAL {
            let why = format!("{MAX_EPHEMERAL} ephemeral tasks have not ended, as many as may be");
            return Err(Error::new(Code::QueueFull, why).retry_after(QUEUE_FULL_WAIT));
        }
        if durability == Durability::Durable && self.unstored >= MAX_UNSTORED {
            let why = format!("{MAX_UNSTORED} tasks wait for the store, as many as may");
            return Err(Error::new(Code::QueueFull, why).retry_after(QUEUE_FULL_WAIT));
        }
        let Some(queue) = self.queues.get(name) else { return Ok(()) };
        let most = queue.settings.limits.max_length.unwrap_or(self.settings.queue_length);
        if queue.known_to_wait() < most {
            return Ok(());
        }
        let why = format!("queue {name} holds {most} tasks, as many as it may");
        Err(Error::new(Code::QueueFull, why).retry_after(QUEUE_FULL_WAIT))
    }

    /// Whether the body of a durable task may start beside its insert.
    fn may_start_early(&self) -> bool {
        self.settings.early_start && !self.store_pauses
    }
}

/// A request whose id nobody has.
struct Newcomer {
    digest: Digest,
    wait_for: WaitFor,
    admittable: Admittable,
    inserting: Vec<TaskId>,
}

/// What is known of an id.
enum Known {
    No,
    Answered(Admission),
    Joins(WaitFor),
}

fn same(ended: Arc<Ended>, digest: Digest) -> Admission {
    if ended.task.digest == digest {
        Admission::Ended(ended)
    } else {
        Admission::Refused(id_taken(&ended.task.id))
    }
}

/// The state is filled in by whoever can look it up.
fn joined(id: &TaskId) -> Admission {
    Admission::Accepted(Accepted::joined(id, State::Pending))
}

/// A task with other content has the id. Says nothing about that task: it may be somebody else's.
pub(crate) fn id_taken(id: &TaskId) -> Error {
    Error::new(Code::IdTaken, format!("task id {id} is taken by a task with other content"))
}
