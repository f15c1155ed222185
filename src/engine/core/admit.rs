//! Admission: idempotency by id, bounds on new tasks, and early starts.

use std::sync::Arc;
use std::time::Duration;

use super::active::{ActiveTasks, Phase, WaitFor};
use super::attempts::Attempt;
use super::dependencies::KnownTasks;
use super::queue::Queue;
use super::step::Step;
use super::{Command, Core, Settings, StartAttempt, Tag, Waiter, draining};
use crate::clock::Now;
use crate::error::{Code, Error};
use crate::models::{
    Accepted, Digest, Durability, Ended, Fence, QueueName, Sequence, Snapshot, State, Task, TaskId,
};
use crate::store::memory::Tables;
use crate::store::{Change, Claimed, Insert};
use crate::tasks::{HandlerKind, Method};

/// When a caller whose task was refused with `QUEUE_FULL` should try again.
const QUEUE_FULL_WAIT: Duration = Duration::from_secs(1);

/// A request, and what the gate decided about it.
pub(crate) struct Submission {
    pub(crate) id: TaskId,
    /// The server generated the id: no other request can have it.
    pub(crate) fresh: bool,
    pub(crate) digest: Digest,
    pub(crate) wait_for: WaitFor,
    /// The store has to be read first: for the id, or for dependencies.
    pub(crate) must_read: bool,
    /// The store was read under a reservation, and has this task with the id.
    pub(crate) looked_up: Option<Option<Snapshot>>,
    /// The number of that reservation.
    pub(crate) reservation: u64,
    /// Dependencies whose inserts were on their way to the store when it was read.
    pub(crate) inserting: Vec<TaskId>,
    pub(crate) gate: Result<Admittable, Error>,
}

/// A task that the gate admits.
#[derive(Clone)]
pub(crate) struct Admittable {
    pub(crate) task: Arc<Task>,
    pub(crate) method: Arc<Method>,
    /// Dependencies that the results cache does not know as succeeded, and their state in the store.
    pub(crate) deps: Vec<(TaskId, Option<State>)>,
}

/// The core's answer to a submission.
pub(crate) enum Admission {
    /// The task had ended before.
    Ended(Arc<Ended>),
    /// The task was refused.
    Refused(Error),
    /// Run this inline handler now, on this thread; then call [`Core::ended_inline`].
    Run(Box<StartAttempt>),
    /// The task had been accepted before.
    Accepted(Accepted),
    /// The waiter will be answered.
    Wait,
    /// Something changed while the store was read: read it and submit again.
    Resubmit,
}

/// The core's answer to a request to reserve an id.
pub(crate) enum IdReservation {
    /// The id is reserved: read the store, then submit. The inserts of these dependencies are on
    /// their way to the store.
    Reserved { inserting: Vec<TaskId>, number: u64 },
    /// Another request has reserved the id, or its task is known: submit without reading.
    Taken,
}

/// Bounds on the number of tasks that the core admits.
#[derive(Debug)]
pub(super) struct Admissions {
    max_ephemeral: usize,
    max_unstored: usize,
    queue_length: u64,
    /// Durable tasks on their way to the store.
    unstored: usize,
}

impl Admissions {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            max_ephemeral: settings.limits.ephemeral_tasks,
            max_unstored: settings.limits.unstored_tasks,
            queue_length: settings.queue_length,
            unstored: 0,
        }
    }

    /// Checks whether one more task may enter. `ephemeral` is the number of unfinished ephemeral
    /// tasks.
    ///
    /// # Errors
    /// `QUEUE_FULL`.
    pub(super) fn check(
        &self,
        durability: Durability,
        ephemeral: usize,
        name: &QueueName,
        queue: Option<&Queue>,
    ) -> Result<(), Error> {
        let why = match durability {
            Durability::Ephemeral if ephemeral >= self.max_ephemeral => {
                format!("{} ephemeral tasks are unfinished, the most allowed", self.max_ephemeral)
            }
            Durability::Durable if self.unstored >= self.max_unstored => {
                format!("{} tasks wait for the store, the most allowed", self.max_unstored)
            }
            _ => {
                let Some(queue) = queue else { return Ok(()) };
                let most = queue.settings.limits.max_length.unwrap_or(self.queue_length);
                if queue.known_to_wait() < most {
                    return Ok(());
                }
                format!("queue {name} holds {most} tasks, as many as it may")
            }
        };
        Err(Error::new(Code::QueueFull, why).retry_after(QUEUE_FULL_WAIT))
    }

    /// The insert of a durable task is on its way to the store.
    pub(super) fn insert_sent(&mut self) {
        self.unstored += 1;
    }

    /// The insert of a durable task is stored, or was rejected.
    pub(super) fn insert_done(&mut self) {
        self.unstored -= 1;
    }
}

impl<W: Waiter> Core<W> {
    /// Reserves an id while the store is read for it and for the dependencies of its task.
    pub(crate) fn reserve_id(
        &mut self,
        id: &TaskId,
        digest: Digest,
        deps: &[TaskId],
    ) -> IdReservation {
        if self.active.contains(id) || self.ephemeral.knows(id) || self.cache.get(id).is_some() {
            return IdReservation::Taken;
        }
        let number = self.active.reserve(id, digest);
        let inserting = deps.iter().filter(|dep| self.active.is_inserting(dep)).cloned().collect();
        IdReservation::Reserved { inserting, number }
    }

    /// The caller went away before it submitted: its reservation ends, unless another request has
    /// the id by now.
    pub(crate) fn release_reservation(
        &mut self,
        id: &TaskId,
        reservation: u64,
        out: &mut Vec<Command<W>>,
    ) {
        if self.active.is_reserved(id, reservation) {
            release_id(&mut self.active, &self.ephemeral, id, out);
        }
    }

    /// Decides about a request. A known id is answered even while the engine drains, while the queue
    /// is full, or when the method is gone.
    pub(crate) fn submit(
        &mut self,
        submission: Submission,
        now: Now,
        waiter: impl FnOnce() -> W,
        out: &mut Vec<Command<W>>,
    ) -> Admission {
        let mut step = self.step(now, out);
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
        let id = &id;
        // What was read under a reservation that is over may be stale.
        let stale = step.core.active.is_reserved_by_other(id, reservation);
        let looked_up = looked_up.filter(|_| !stale);
        let unread = must_read && looked_up.is_none();
        if !fresh {
            match step.look_up(id, digest, wait_for, looked_up) {
                Lookup::Unknown => {}
                Lookup::Answered(admission) => return admission,
                Lookup::Joins(wait_for) => {
                    step.core.active.wait(id, digest, wait_for, waiter());
                    return Admission::Wait;
                }
            }
        }
        if unread {
            return Admission::Resubmit;
        }
        let gate = if step.core.shutdown.is_draining() { Err(draining()) } else { gate };
        let admitted = gate
            .and_then(|admittable| step.admit(admittable, digest, wait_for, &inserting, waiter));
        // Requests that joined may have come later, or may have other options: they submit again.
        match admitted {
            Ok(Admission::Resubmit) => {
                release_id(&mut step.core.active, &step.core.ephemeral, id, step.out);
                Admission::Resubmit
            }
            Ok(admission) => admission,
            Err(error) => {
                release_id(&mut step.core.active, &step.core.ephemeral, id, step.out);
                Admission::Refused(error)
            }
        }
    }
}

/// Frees an id that was reserved; its waiters submit again.
pub(super) fn release_id<W: Waiter>(
    active: &mut ActiveTasks<W>,
    ephemeral: &Tables,
    id: &TaskId,
    out: &mut Vec<Command<W>>,
) {
    active.release(id, out);
    // Ephemeral tasks may wait for it because its id was reserved.
    recheck_if_awaited(ephemeral, id, out);
}

/// A durable task that ephemeral tasks wait for may not have been inserted.
pub(super) fn recheck_if_awaited<W>(ephemeral: &Tables, id: &TaskId, out: &mut Vec<Command<W>>) {
    if ephemeral.waits_for(id) {
        out.push(Command::Recheck(vec![id.clone()]));
    }
}

/// What the core knows of an id.
enum Lookup {
    Unknown,
    Answered(Admission),
    /// The request joins another one, and waits for this.
    Joins(WaitFor),
}

impl<W: Waiter> Step<'_, W> {
    fn look_up(
        &mut self,
        id: &TaskId,
        digest: Digest,
        wait_for: WaitFor,
        looked_up: Option<Option<Snapshot>>,
    ) -> Lookup {
        if let Some(ended) = self.core.cache.get(id) {
            return Lookup::Answered(same(ended, digest));
        }
        if let Some(active) = self.core.active.get(id) {
            return match (active.phase, looked_up) {
                (Phase::Reserved, Some(None)) => Lookup::Unknown,
                (Phase::Reserved, Some(Some(stored))) => self.stored(digest, wait_for, stored),
                (Phase::Reserved, None) if active.digest != digest => {
                    Lookup::Joins(WaitFor::IdDecision)
                }
                _ if active.digest != digest => Lookup::Answered(Admission::Refused(id_taken(id))),
                (Phase::Accepted, _) if wait_for == WaitFor::Acceptance => {
                    Lookup::Answered(joined(id))
                }
                _ => Lookup::Joins(wait_for),
            };
        }
        if let Some(snapshot) = self.core.ephemeral.find(id) {
            return self.stored(digest, wait_for, snapshot);
        }
        match looked_up {
            // While the store was read, the task with this id was inserted and ended.
            Some(_) => Lookup::Answered(Admission::Resubmit),
            None => Lookup::Unknown,
        }
    }

    /// A store has a task with the id.
    fn stored(&mut self, digest: Digest, wait_for: WaitFor, stored: Snapshot) -> Lookup {
        if let Some(outcome) = stored.outcome {
            let ended = Arc::new(Ended { task: stored.task, outcome });
            self.core.active.ended(&ended, self.out);
            return Lookup::Answered(same(ended, digest));
        }
        let id = &stored.task.id;
        self.core.active.found_stored(&stored, digest, self.out);
        if stored.task.digest == digest && wait_for != WaitFor::Acceptance {
            return Lookup::Joins(wait_for);
        }
        self.core.active.remove_if_idle(id);
        Lookup::Answered(if stored.task.digest == digest {
            joined(id)
        } else {
            Admission::Refused(id_taken(id))
        })
    }

    fn admit(
        &mut self,
        admittable: Admittable,
        digest: Digest,
        wait_for: WaitFor,
        inserting: &[TaskId],
        waiter: impl FnOnce() -> W,
    ) -> Result<Admission, Error> {
        let core = &mut *self.core;
        let Admittable { task, method, deps } = admittable;
        let (id, durability, queue) = (&task.id, task.options.durability, &task.options.queue);
        let known =
            KnownTasks { cache: &core.cache, ephemeral: &core.ephemeral, active: &core.active };
        let Some(deps) = known.check(&task, deps, inserting)? else {
            return Ok(Admission::Resubmit);
        };
        let unfinished = core.ephemeral.len();
        core.admissions.check(durability, unfinished, queue, core.dispatch.get(queue))?;
        let kind = method.handler.kind();
        let starts = deps.none_unfinished
            && task.options.run_at.is_none_or(|at| at <= self.now.wall)
            && task.options.expires_at.is_none_or(|at| at > self.now.wall)
            // The store decides whether keys allow a start.
            && task.options.keys.is_none()
            // Whether the handler of a durable task may start before its insert is stored.
            && (durability == Durability::Ephemeral
                || (core.settings.early_start && !core.store.is_paused()))
            && core.dispatch.may_start_at_once(queue, kind, self.now, &core.slots);
        let sequence = core.numbers.sequence();
        let fence = starts.then(|| {
            core.slots.take(kind);
            core.dispatch.queue(queue).start(self.now);
            core.numbers.fence()
        });
        let start = fence.map(|fence| {
            let claimed = first_claim(sequence, fence, task.clone());
            Box::new(StartAttempt { claimed, durability, method })
        });
        let active = core.active.insert(&task, digest, fence);
        let start = match start {
            // It needs no row: it ends before a read could find it.
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
            // Ephemeral tasks may wait for a durable task with this id, which is not inserted now.
            recheck_if_awaited(&self.core.ephemeral, id, self.out);
        }
        let core = &mut *self.core;
        if start.is_none() {
            core.dispatch.add_waiting(queue);
        }
        // A dependency whose insert is on its way is reported when that is stored.
        let recheck: Vec<TaskId> =
            deps.foreign.iter().filter(|dep| !core.active.is_inserting(dep)).cloned().collect();
        if !recheck.is_empty() {
            self.out.push(Command::Recheck(recheck));
        }
        let insert = Insert {
            sequence,
            task: task.clone(),
            deps: deps.here,
            foreign: deps.foreign,
            claim: fence,
        };
        if let Some(start) = &start {
            let attempt = Attempt::new(start, kind, self.now);
            core.attempts.insert(start.claimed.fence, attempt, &mut core.timers);
        }
        let tag = Tag::Insert { id: id.clone(), queue: queue.clone(), fence };
        if durability == Durability::Durable {
            core.admissions.insert_sent();
        }
        self.write(durability, Change::Insert(insert), tag);
        self.out.extend(start.map(Command::Start));
        self.dispatch();
        Ok(Admission::Wait)
    }
}

/// The claim of a task that is inserted already claimed.
fn first_claim(sequence: Sequence, fence: Fence, task: Arc<Task>) -> Claimed {
    Claimed {
        sequence,
        fence,
        task,
        attempt: 1,
        resolved_args: None,
        children: Vec::new(),
        checkpoint: None,
        log_lines: 0,
        attempts_before_retry: 0,
    }
}

fn same(ended: Arc<Ended>, digest: Digest) -> Admission {
    if ended.task.digest == digest {
        Admission::Ended(ended)
    } else {
        Admission::Refused(id_taken(&ended.task.id))
    }
}

/// The caller of [`Core::submit`] fills in the state.
fn joined(id: &TaskId) -> Admission {
    Admission::Accepted(Accepted::joined(id, State::Pending))
}

/// A task with other content has the id. The error tells nothing of that task, which may belong to
/// another caller.
pub(crate) fn id_taken(id: &TaskId) -> Error {
    Error::new(Code::IdTaken, format!("task id {id} is taken by a task with other content"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::core::tests::settings;
    use crate::models::QueueSettings;

    fn queue() -> QueueName {
        QueueName::parse("q", "").expect("a name")
    }

    fn refusal(result: Result<(), Error>) -> (Code, String, Option<Duration>) {
        let error = result.expect_err("there is no room");
        (error.code, error.message, error.retry_after)
    }

    #[test]
    fn ephemeral_tasks_are_refused_at_their_bound() {
        let admissions = Admissions::new(&settings());
        let most = settings().limits.ephemeral_tasks;
        let check = |ephemeral| admissions.check(Durability::Ephemeral, ephemeral, &queue(), None);
        check(most - 1).expect("there is room");
        let why = format!("{most} ephemeral tasks are unfinished, the most allowed");
        assert_eq!(refusal(check(most)), (Code::QueueFull, why, Some(QUEUE_FULL_WAIT)));
        admissions.check(Durability::Durable, most, &queue(), None).expect("it is durable");
    }

    #[test]
    fn durable_tasks_are_refused_while_too_many_are_on_their_way_to_the_store() {
        let mut admissions = Admissions::new(&settings());
        let most = settings().limits.unstored_tasks;
        (0..most).for_each(|_| admissions.insert_sent());
        let check =
            |admissions: &Admissions, durability| admissions.check(durability, 0, &queue(), None);
        let why = format!("{most} tasks wait for the store, the most allowed");
        let refused = refusal(check(&admissions, Durability::Durable));
        assert_eq!(refused, (Code::QueueFull, why, Some(QUEUE_FULL_WAIT)));
        check(&admissions, Durability::Ephemeral).expect("it is ephemeral");
        admissions.insert_done();
        check(&admissions, Durability::Durable).expect("there is room again");
    }

    #[test]
    fn a_full_queue_refuses_tasks() {
        let admissions = Admissions::new(&Settings { queue_length: 2, ..settings() });
        let mut full = Queue::new(QueueSettings::default(), 8);
        let check = |full: &Queue| admissions.check(Durability::Durable, 0, &queue(), Some(full));
        full.waiting = 1;
        check(&full).expect("there is room");
        full.waiting = 2;
        let why = "queue q holds 2 tasks, as many as it may".to_owned();
        assert_eq!(refusal(check(&full)), (Code::QueueFull, why, Some(QUEUE_FULL_WAIT)));
        full.settings.limits.max_length = Some(3);
        check(&full).expect("its own limit is higher");
    }
}
