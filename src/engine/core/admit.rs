//! Admission: is this id known, may this task enter, and may it start at once?

use std::sync::Arc;
use std::time::Duration;

use super::{Answer, Attempt, Command, Core, Start, Tag, Waiter, draining};
use crate::clock::Now;
use crate::error::{Code, Error};
use crate::models::{
    Accepted, Digest, Durability, Ended, Fence, OnDependencyFailure, Snapshot, State, Task, TaskId,
};
use crate::store::{Change, DependencyProblem, Insert};
use crate::tasks::{Kind, Method};

/// When a full queue is worth another try.
const QUEUE_FULL_WAIT: Duration = Duration::from_secs(1);

/// What somebody who waits for a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// That it is stored.
    Acceptance,
    /// That it has ended.
    Outcome,
}

/// A request that passed the gate, or what the gate said.
pub(crate) struct Submission {
    pub(crate) id: TaskId,
    /// The server gave the id just now: nobody else can know it.
    pub(crate) fresh: bool,
    pub(crate) digest: Digest,
    pub(crate) want: Want,
    /// The store has to be read first: for the id, or for dependencies.
    pub(crate) must_read: bool,
    /// It was read, under an [`Entry::Yours`], and this has the id.
    pub(crate) looked_up: Option<Option<Snapshot>>,
    /// Dependencies that were on their way into the store when that was read.
    pub(crate) entering: Vec<TaskId>,
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
    Run(Box<Start>),
    /// It had been accepted before.
    Accepted(Accepted),
    /// The waiter will be answered.
    Wait,
    /// Something changed while the store was read: ask again.
    AskAgain,
}

/// What the core says to somebody who has to read the store before it can submit.
pub(crate) enum Entry {
    /// The id is held: read the store, then submit. These dependencies are on their way into it.
    Yours { entering: Vec<TaskId> },
    /// Another request with this id is ahead, or the task is known: submit without reading.
    Taken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    Acceptance,
    Outcome,
    /// Has the same id and other content; is to ask again.
    Decision,
}

impl From<Want> for Interest {
    fn from(want: Want) -> Self {
        match want {
            Want::Acceptance => Self::Acceptance,
            Want::Outcome => Self::Outcome,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its id is being looked up.
    Entering,
    /// Its insert is under way.
    Inserting,
    /// It is stored, or it runs inline and nobody needs it stored.
    Known,
}

/// A task that enters, runs or is waited for.
#[derive(Debug)]
pub(super) struct Live<W> {
    pub(super) digest: Digest,
    pub(super) class: Durability,
    pub(super) phase: Phase,
    pub(super) fence: Option<Fence>,
    pub(super) waiters: Vec<(Interest, W)>,
    /// Why somebody wished it cancelled, while its inline body was at work.
    pub(super) cancel: Option<Box<str>>,
}

impl<W: Waiter> Live<W> {
    pub(super) fn new(digest: Digest, class: Durability, phase: Phase) -> Self {
        Self { digest, class, phase, fence: None, waiters: Vec::new(), cancel: None }
    }

    pub(super) fn wait(&mut self, interest: Interest, waiter: W) {
        // Callers that went away are swept out whenever the list would have to grow.
        if self.waiters.len() == self.waiters.capacity() {
            self.waiters.retain(|(_, waiter)| !waiter.is_gone());
        }
        self.waiters.push((interest, waiter));
    }

    /// Whether it can be forgotten until it is claimed.
    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Known && self.fence.is_none() && self.waiters.is_empty()
    }
}

impl<W: Waiter> Core<W> {
    /// Holds an id while the store is read for it and for those that it depends on.
    pub(crate) fn enter(&mut self, id: &TaskId, digest: Digest, deps: &[TaskId]) -> Entry {
        if self.live.contains_key(id) || self.ephemeral.knows(id) || self.cache.get(id).is_some() {
            return Entry::Taken;
        }
        // Nothing is known of its class yet, and nobody asks before it has entered.
        self.live.insert(id.clone(), Live::new(digest, Durability::Durable, Phase::Entering));
        let entering = deps.iter().filter(|dep| self.is_entering(dep)).cloned().collect();
        Entry::Yours { entering }
    }

    /// Lets go of an id that was held; whoever waited for that asks again.
    pub(crate) fn let_in_others(&mut self, id: &TaskId, out: &mut Vec<Command<W>>) {
        for (_, waiter) in self.live.remove(id).into_iter().flat_map(|live| live.waiters) {
            out.push(Command::Answer(waiter, Answer::AskAgain));
        }
    }

    /// A task is not in after all; whoever waited for it is told why.
    pub(super) fn leave(&mut self, id: &TaskId, error: &Error, out: &mut Vec<Command<W>>) {
        if let Some(live) = self.live.remove(id) {
            for (interest, waiter) in live.waiters {
                let answer = match interest {
                    Interest::Decision => Answer::AskAgain,
                    _ => Answer::Refused(error.clone()),
                };
                out.push(Command::Answer(waiter, answer));
            }
        }
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
        let Submission { id, fresh, digest, want, must_read, looked_up, entering, gate } =
            submission;
        let unread = must_read && looked_up.is_none();
        if !fresh {
            match self.known(&id, digest, want, looked_up, out) {
                Known::No => {}
                Known::Answered(admission) => return admission,
                Known::Joins(interest) => {
                    self.wait(&id, digest, interest, waiter());
                    return Admission::Wait;
                }
            }
        }
        if unread {
            return Admission::AskAgain;
        }
        match self.admit(&id, digest, want, gate, &entering, now, waiter, out) {
            Ok(Admission::AskAgain) => {
                self.let_in_others(&id, out);
                Admission::AskAgain
            }
            Ok(admission) => admission,
            Err(error) => {
                self.leave(&id, &error, out);
                Admission::Refused(error)
            }
        }
    }

    fn known(
        &mut self,
        id: &TaskId,
        digest: Digest,
        want: Want,
        looked_up: Option<Option<Snapshot>>,
        out: &mut Vec<Command<W>>,
    ) -> Known {
        if let Some(ended) = self.cache.get(id) {
            return Known::Answered(same(ended, digest));
        }
        if let Some(live) = self.live.get(id) {
            return match (live.phase, looked_up) {
                (Phase::Entering, Some(None)) => Known::No,
                (Phase::Entering, Some(Some(stored))) => self.stored(digest, want, stored, out),
                (Phase::Entering, None) if live.digest != digest => {
                    Known::Joins(Interest::Decision)
                }
                _ if live.digest != digest => Known::Answered(Admission::Refused(id_taken(id))),
                (Phase::Known, _) if want == Want::Acceptance => Known::Answered(joined(id)),
                _ => Known::Joins(want.into()),
            };
        }
        if let Some(snapshot) = self.ephemeral.find(id) {
            return self.stored(digest, want, snapshot, out);
        }
        match looked_up {
            // While the store was read, the task that came in under this id ended.
            Some(_) => Known::Answered(Admission::AskAgain),
            None => Known::No,
        }
    }

    /// The id is taken by a task that a store holds.
    fn stored(
        &mut self,
        digest: Digest,
        want: Want,
        stored: Snapshot,
        out: &mut Vec<Command<W>>,
    ) -> Known {
        let id = stored.task.id.clone();
        let class = stored.task.options.durability;
        if let Some(outcome) = stored.outcome {
            let ended = Arc::new(Ended { task: stored.task, outcome });
            if ended.task.digest == digest {
                self.answer_ended(&id, &ended, out);
            } else {
                // Those who joined asked for the same as this one.
                self.let_in_others(&id, out);
            }
            return Known::Answered(same(ended, digest));
        }
        if let Some(live) = self.live.get_mut(&id) {
            live.phase = Phase::Known;
            live.class = class;
            live.digest = stored.task.digest;
            for (interest, waiter) in std::mem::take(&mut live.waiters) {
                match interest {
                    Interest::Outcome if live.digest == digest => live.wait(interest, waiter),
                    Interest::Acceptance if live.digest == digest => {
                        let accepted =
                            Accepted { id: id.clone(), state: stored.state, joined: true };
                        out.push(Command::Answer(waiter, Answer::Accepted(accepted)));
                    }
                    _ => out.push(Command::Answer(waiter, Answer::AskAgain)),
                }
            }
        }
        if stored.task.digest != digest {
            self.forget_if_idle(&id);
            return Known::Answered(Admission::Refused(id_taken(&id)));
        }
        match want {
            Want::Outcome => Known::Joins(Interest::Outcome),
            Want::Acceptance => {
                self.forget_if_idle(&id);
                Known::Answered(joined(&id))
            }
        }
    }

    fn admit(
        &mut self,
        id: &TaskId,
        digest: Digest,
        want: Want,
        gate: Result<Admittable, Error>,
        entering: &[TaskId],
        now: Now,
        waiter: impl FnOnce() -> W,
        out: &mut Vec<Command<W>>,
    ) -> Result<Admission, Error> {
        if self.draining {
            return Err(draining());
        }
        let Admittable { task, method, deps } = gate?;
        let class = task.options.durability;
        let queue_name = &task.options.queue;
        let Some(deps) = self.judge(&task, deps, entering)? else {
            return Ok(Admission::AskAgain);
        };
        if self
            .queues
            .get(queue_name)
            .is_some_and(|queue| queue.waiting >= self.settings.queue_length)
        {
            return Err(Error::new(
                Code::QueueFull,
                format!(
                    "queue {queue_name} holds {} tasks, as many as it may",
                    self.settings.queue_length
                ),
            )
            .retry_after(QUEUE_FULL_WAIT));
        }
        let kind = method.body.kind();
        let starts = deps.none_unfinished
            && task.options.run_at.is_none_or(|at| at <= now.wall)
            && task.options.expires_at.is_none_or(|at| at > now.wall)
            && (class == Durability::Ephemeral || self.may_start_early())
            && self.may_start_at_once(queue_name, kind);
        let sequence = self.take_sequence();
        let fence = starts.then(|| self.claim_at_once(queue_name, kind));
        let start = fence.map(|fence| {
            Box::new(Start {
                fence,
                sequence,
                task: task.clone(),
                class,
                number: 1,
                method,
                decided: None,
                children: Vec::new(),
            })
        });
        let live = self
            .live
            .entry(id.clone())
            .and_modify(|live| (live.phase, live.class) = (Phase::Inserting, class))
            .or_insert_with(|| Live::new(digest, class, Phase::Inserting));
        live.fence = fence;
        let start = match start {
            // Nobody needs it stored: it will have ended before anybody could look.
            Some(start)
                if class == Durability::Ephemeral
                    && kind == Kind::Inline
                    && task.deps.is_empty() =>
            {
                live.phase = Phase::Known;
                return Ok(Admission::Run(start));
            }
            start => start,
        };
        live.wait(want.into(), waiter());
        if start.is_none() {
            self.queue(queue_name).waiting += 1;
        }
        // Those that are on their way in tell of themselves.
        let recheck: Vec<TaskId> =
            deps.foreign.iter().filter(|dep| !self.is_entering(dep)).cloned().collect();
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
            self.watch(start.fence, attempt);
        }
        let tag = Tag::Insert { id: id.clone(), queue: queue_name.clone(), fence };
        self.write(class, Change::Insert(insert), tag, now, out);
        out.extend(start.map(Command::Start));
        self.dispatch(now, out);
        Ok(Admission::Wait)
    }

    /// Whether the body of a durable task may start beside its insert.
    fn may_start_early(&self) -> bool {
        self.settings.early_start && !self.store_pauses
    }

    /// Whether its insert is on its way to the store.
    fn is_entering(&self, id: &TaskId) -> bool {
        self.live.get(id).is_some_and(|live| live.phase == Phase::Inserting)
    }

    /// What the dependencies of a new task mean for it; `None` if they have to be looked at again.
    fn judge(
        &self,
        task: &Task,
        deps: Vec<(TaskId, Option<State>)>,
        were_entering: &[TaskId],
    ) -> Result<Option<Judged>, Error> {
        let mut judged = Judged { none_unfinished: true, ..Judged::default() };
        for (id, stored) in deps {
            if self.cache.get(&id).is_some_and(|ended| is_met(task, ended.outcome.state())) {
                continue;
            }
            let ephemeral = self.ephemeral.knows(&id)
                || self.live.get(&id).is_some_and(|live| {
                    live.class == Durability::Ephemeral && live.phase != Phase::Entering
                });
            // What comes in ahead of this task is stored ahead of it, too.
            let entering = self.is_entering(&id);
            let problem = match stored {
                _ if ephemeral || entering => Some(DependencyProblem::Unfinished),
                None => match self.cache.get(&id) {
                    Some(ended) => Some(DependencyProblem::EndedBadly(ended.outcome.state())),
                    // It came in while the store was read, or just after.
                    None if were_entering.contains(&id) => return Ok(None),
                    None => Some(DependencyProblem::Unknown),
                },
                Some(state) if !state.has_ended() => Some(DependencyProblem::Unfinished),
                Some(state) if !is_met(task, state) => Some(DependencyProblem::EndedBadly(state)),
                Some(_) => None,
            };
            match problem {
                Some(DependencyProblem::Unfinished) if task.options.wait_for_dependencies => {
                    judged.none_unfinished = false;
                    match (task.options.durability, ephemeral) {
                        (Durability::Durable, true) => {
                            return Err(Error::new(
                                Code::DependencyUnmet,
                                format!("a durable task cannot wait for {id}, which is ephemeral"),
                            ));
                        }
                        (Durability::Ephemeral, false) => judged.foreign.push(id),
                        // An inline body, at work on another thread: it will be over in a moment.
                        (Durability::Ephemeral, true) if !self.ephemeral.knows(&id) => {
                            return Ok(None);
                        }
                        _ => judged.here.push(id),
                    }
                }
                Some(problem) => return Err(unmet(&id, problem)),
                // The store looks again in its transaction; it holds the durable ones.
                None if task.options.durability == Durability::Durable => judged.here.push(id),
                None => {}
            }
        }
        Ok(Some(judged))
    }

    pub(super) fn wait(&mut self, id: &TaskId, digest: Digest, interest: Interest, waiter: W) {
        self.live
            .entry(id.clone())
            .or_insert_with(|| Live::new(digest, Durability::Durable, Phase::Known))
            .wait(interest, waiter);
    }

    pub(super) fn forget_if_idle(&mut self, id: &TaskId) {
        if self.live.get(id).is_some_and(Live::is_idle) {
            self.live.remove(id);
        }
    }
}

/// What is known of an id.
enum Known {
    No,
    Answered(Admission),
    Joins(Interest),
}

#[derive(Default)]
struct Judged {
    /// All have ended.
    none_unfinished: bool,
    /// Those that the task's own store is to look at.
    here: Vec<TaskId>,
    /// Unfinished ones in the other store.
    foreign: Vec<TaskId>,
}

fn is_met(task: &Task, state: State) -> bool {
    state == State::Succeeded
        || state.has_ended() && task.options.on_dependency_failure == OnDependencyFailure::Run
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
    Admission::Accepted(Accepted { id: id.clone(), state: State::Pending, joined: true })
}

/// A task with other content has the id. Says nothing about that task: it may be somebody else's.
pub(super) fn id_taken(id: &TaskId) -> Error {
    Error::new(Code::IdTaken, format!("task id {id} is taken by a task with other content"))
}

/// A dependency forbids the task.
pub(super) fn unmet(dependency: &TaskId, problem: DependencyProblem) -> Error {
    let why = match problem {
        DependencyProblem::Unknown => "is not known".to_owned(),
        DependencyProblem::Unfinished => {
            "has not ended; set options.wait_for_dependencies to wait for it".to_owned()
        }
        DependencyProblem::EndedBadly(state) => format!("ended {state}"),
    };
    Error::new(Code::DependencyUnmet, format!("dependency {dependency} {why}"))
}
