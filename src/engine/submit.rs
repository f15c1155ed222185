//! From a request to an answer: what can be said at once, and what has to be waited for.

use std::sync::Arc;

use ahash::{HashSet, HashSetExt};
use tokio::sync::oneshot;

use super::core::{self, Admission, Answer, Core, IdReservation, Submission, WaitFor};
use super::gate::{self, Checked};
use super::{Caller, Command, Engine, Shared, attempt};
use crate::clock::{Now, now};
use crate::error::{Code, Error};
use crate::models::{Accepted, Ended, Request, Snapshot, State, TaskId};

/// How many requests of one call are handed to the core at once: others wait that long.
pub(super) const HAND_IN: usize = 256;

/// What was said at once to a submission.
pub(super) enum Begun {
    Ended(Arc<Ended>),
    Accepted(Accepted),
    Waits(oneshot::Receiver<Answer>),
    Resubmit,
}

/// What the store was asked before a submission, and what it said.
#[derive(Default)]
struct Read {
    must_read: bool,
    looked_up: Option<Option<Snapshot>>,
    /// The number under which the id is held meanwhile.
    reservation: u64,
    inserting: Vec<TaskId>,
    /// In the order in which the gate left the dependencies.
    deps: Vec<Option<State>>,
}

impl Engine {
    /// Runs a task and answers when it has ended; the same id with the same content joins the first
    /// request or gets its outcome. A caller that goes away does not stop it.
    ///
    /// # Errors
    /// The refusals, see [`Code`]; `OUTCOME_UNKNOWN` when the body may have run and its end could
    /// not be stored.
    pub async fn submit(&self, request: Request) -> Result<Arc<Ended>, Error> {
        let now = now();
        let checked = self.check(request, 0, now);
        let unread = self.unread(&checked, &HashSet::new());
        if unread.is_empty() {
            // The usual case never waits, so its future carries nothing about.
            match self.begin(&checked, WaitFor::Outcome, Read::default(), now) {
                Ok(Begun::Ended(ended)) => Ok(ended),
                begun => Box::pin(self.ended(checked, begun)).await,
            }
        } else {
            Box::pin(self.ended(checked, Ok(Begun::Resubmit))).await
        }
    }

    async fn ended(
        &self,
        checked: Checked,
        mut begun: Result<Begun, Error>,
    ) -> Result<Arc<Ended>, Error> {
        loop {
            match begun? {
                Begun::Ended(ended) => return Ok(ended),
                Begun::Waits(receiver) => match receiver.await {
                    Ok(Answer::Ended(ended)) => return Ok(ended),
                    Ok(Answer::Refused(error)) => return Err(error),
                    Ok(Answer::Resubmit) => {}
                    Ok(answer) => unreachable!("{answer:?} is no answer to a submission"),
                    Err(_) => return Err(core::draining()),
                },
                Begun::Accepted(_) => unreachable!("only asked for by enqueue"),
                Begun::Resubmit => {}
            }
            begun = self.read_and_begin(&checked, WaitFor::Outcome).await;
        }
    }

    /// Takes a task in and answers when it is stored.
    ///
    /// # Errors
    /// The refusals, see [`Code`].
    pub async fn enqueue(&self, request: Request) -> Result<Accepted, Error> {
        let checked = self.check(request, self.0.defaults.retries, now());
        let begun = self.read_and_begin(&checked, WaitFor::Acceptance).await;
        self.accepted(&checked, begun).await
    }

    /// Takes many tasks in; each has its own answer, in the order asked. A task may wait for one
    /// that stands before it.
    pub async fn enqueue_many(
        &self,
        requests: Vec<Result<Request, Error>>,
    ) -> Vec<Result<Accepted, Error>> {
        let mut answers = Vec::with_capacity(requests.len());
        let mut requests = requests.into_iter();
        let mut begun = Vec::with_capacity(requests.len());
        loop {
            let some: Vec<_> = requests.by_ref().take(HAND_IN).collect();
            if some.is_empty() {
                break;
            }
            begun.extend(self.begin_together(some).await);
        }
        for entry in begun {
            answers.push(match entry {
                Ok((checked, first)) => self.accepted(&checked, first).await,
                Err(error) => Err(error),
            });
        }
        answers
    }

    /// Hands many requests to the core at once: nothing can happen to one before all are in.
    pub(super) async fn begin_together(
        &self,
        requests: Vec<Result<Request, Error>>,
    ) -> Vec<Result<(Checked, Result<Begun, Error>), Error>> {
        let now = now();
        let retries = self.0.defaults.retries;
        let check = |request| self.check(request, retries, now);
        let checked: Vec<_> = requests.into_iter().map(|request| request.map(check)).collect();
        let mut together = HashSet::with_capacity(checked.len());
        let mut submissions = Vec::with_capacity(checked.len());
        // Let go of, should the caller go away while the rest is read.
        let mut holds = Vec::new();
        for checked in &checked {
            let Ok(checked) = checked else {
                submissions.push(None);
                continue;
            };
            submissions.push(Some(self.read(checked, &together).await.map(|(read, held)| {
                holds.extend(held);
                submission(checked, WaitFor::Acceptance, read)
            })));
            together.insert(checked.id.clone());
        }
        holds.into_iter().for_each(Held::hand_over);
        let mut handed_in = Vec::with_capacity(checked.len());
        // What has to be asked for again is not known yet to those that wait for it: they, too.
        let mut again = HashSet::new();
        self.0.act_at(now, |core, now, out| {
            for (checked, submission) in checked.iter().zip(submissions) {
                let (Ok(checked), Some(submission)) = (checked, submission) else {
                    handed_in.push(None);
                    continue;
                };
                let mut receiver = None;
                let deps = checked.gate.as_ref().map_or(&[][..], |admittable| &admittable.deps);
                let waits = deps.iter().any(|(dep, _)| again.contains(dep));
                let admission = submission.map(|submission| {
                    if waits {
                        core.release_reservation(&checked.id, submission.reservation, out);
                        return Admission::Resubmit;
                    }
                    hand_in(&self.0, core, checked, submission, now, &mut receiver, out)
                });
                if matches!(admission, Ok(Admission::Resubmit)) {
                    again.insert(checked.id.clone());
                }
                handed_in.push(Some((admission, receiver)));
            }
        });
        let begun = |(checked, handed_in): (Result<Checked, Error>, Option<_>)| {
            let checked = checked?;
            let Some((admission, receiver)) = handed_in else {
                unreachable!("what was sound was handed in")
            };
            let begun = match admission {
                Ok(admission) => self.begun(WaitFor::Acceptance, admission, receiver, now),
                Err(error) => Err(error),
            };
            Ok((checked, begun))
        };
        checked.into_iter().zip(handed_in).map(begun).collect()
    }

    pub(super) async fn accepted(
        &self,
        checked: &Checked,
        mut begun: Result<Begun, Error>,
    ) -> Result<Accepted, Error> {
        let of = |ended: &Ended| {
            let joined = Accepted::joined(&ended.task.id, ended.outcome.state());
            Accepted { joined: !checked.is(ended), ..joined }
        };
        loop {
            match begun? {
                Begun::Ended(ended) => return Ok(of(&ended)),
                Begun::Accepted(mut accepted) => match self.find(&accepted.id).await {
                    Ok(snapshot) => {
                        accepted.state = snapshot.state;
                        return Ok(accepted);
                    }
                    // Its inline body is at work, and nobody needs it stored.
                    Err(error) if error.code == Code::TaskNotFound => {
                        tokio::task::yield_now().await;
                    }
                    Err(error) => return Err(error),
                },
                Begun::Waits(receiver) => match receiver.await {
                    Ok(Answer::Accepted(accepted)) => return Ok(accepted),
                    Ok(Answer::Ended(ended)) => return Ok(of(&ended)),
                    Ok(Answer::Refused(error)) => return Err(error),
                    Ok(Answer::Resubmit) => {}
                    Ok(answer) => unreachable!("{answer:?} is no answer to a submission"),
                    Err(_) => return Err(core::draining()),
                },
                Begun::Resubmit => {}
            }
            begun = self.read_and_begin(checked, WaitFor::Acceptance).await;
        }
    }

    /// What the gate says to a request, without taking it in.
    ///
    /// # Errors
    /// The gate's refusals.
    pub(super) fn look_at(&self, request: &Request) -> Result<(), Error> {
        self.check(request.clone(), self.0.defaults.retries, now()).gate.map(drop)
    }

    fn check(&self, request: Request, retries: u32, now: Now) -> Checked {
        let mut checked = gate::check(request, &self.0.registry, &self.0.defaults, retries, now);
        if let Ok(admittable) = &mut checked.gate {
            // What the cache knows as succeeded stays so.
            admittable.deps.retain(|(dep, _)| {
                let ended = self.0.cache.get(dep);
                ended.is_none_or(|ended| ended.outcome.state() != State::Succeeded)
            });
        }
        checked
    }

    /// The ids that the store has to be asked about: dependencies, then perhaps the task itself.
    /// Dependencies that come in together with the task are there already if the store says so.
    fn unread(&self, checked: &Checked, together: &HashSet<TaskId>) -> Vec<TaskId> {
        let deps = checked.gate.as_ref().map_or(&[][..], |admittable| &admittable.deps);
        let must_read = |dep: &TaskId| !together.contains(dep) || self.0.store.may_know(dep);
        let mut ids = Vec::new();
        if deps.iter().any(|(dep, _)| must_read(dep)) {
            ids.extend(deps.iter().map(|(dep, _)| dep.clone()));
        }
        if !ids.is_empty() || (!checked.fresh && self.0.store.may_know(&checked.id)) {
            ids.push(checked.id.clone());
        }
        ids
    }

    /// Reads what has to be read before a request is handed to the core.
    /// The id is held until the request is handed in.
    async fn read<'a>(
        &'a self,
        checked: &'a Checked,
        together: &HashSet<TaskId>,
    ) -> Result<(Read, Option<Held<'a>>), Error> {
        let shared = &self.0;
        let mut reservation = None;
        let ids = self.unread(checked, together);
        let mut read = Read { must_read: !ids.is_empty(), ..Read::default() };
        if read.must_read {
            let entry = shared.act(|core, _, _| core.reserve_id(&checked.id, checked.digest, &ids));
            if let IdReservation::Reserved { inserting, number } = entry {
                (read.inserting, read.reservation) = (inserting, number);
                reservation =
                    Some(Held { shared, id: &checked.id, reservation: number, armed: true });
                let mut found = shared.store.find(&ids).await?;
                read.looked_up = Some(found.pop().flatten());
                read.deps =
                    found.into_iter().map(|task| task.map(|snapshot| snapshot.state)).collect();
            }
        }
        Ok((read, reservation))
    }

    /// Reads what has to be read and hands the request to the core.
    async fn read_and_begin(&self, checked: &Checked, wait_for: WaitFor) -> Result<Begun, Error> {
        let (read, held) = self.read(checked, &HashSet::new()).await?;
        if let Some(held) = held {
            held.hand_over();
        }
        let begun = self.begin(checked, wait_for, read, now());
        if let Ok(Begun::Resubmit) = begun {
            // Somebody else holds the id for the moment that a look-up takes.
            tokio::task::yield_now().await;
        }
        begun
    }

    /// Hands the request to the core.
    fn begin(
        &self,
        checked: &Checked,
        wait_for: WaitFor,
        read: Read,
        now: Now,
    ) -> Result<Begun, Error> {
        let submission = submission(checked, wait_for, read);
        let mut receiver = None;
        let admission = self.0.act(|core, now, out| {
            hand_in(&self.0, core, checked, submission, now, &mut receiver, out)
        });
        self.begun(wait_for, admission, receiver, now)
    }

    /// Does what the core said to a request.
    fn begun(
        &self,
        wait_for: WaitFor,
        admission: Admission,
        receiver: Option<oneshot::Receiver<Answer>>,
        now: Now,
    ) -> Result<Begun, Error> {
        let shared = &self.0;
        let mut admission = admission;
        let mut receiver = receiver;
        if let Admission::Run(start) = admission {
            shared.announcements.began_inline(&start.claimed.task, start.claimed.fence, now);
            // It has no row that what it says could be kept with.
            let (ran, _) = attempt::run_inline(&start, shared.host.clone(), now);
            let mut waiter = || waiter(&mut receiver);
            admission = shared.act(|core, now, out| {
                core.ended_inline(&start, wait_for, ran, now, &mut waiter, out)
            });
            if let Admission::Ended(ended) = &admission {
                shared.announcements.ended_inline(ended);
            }
        }
        match admission {
            Admission::Ended(ended) => Ok(Begun::Ended(ended)),
            Admission::Accepted(accepted) => Ok(Begun::Accepted(accepted)),
            Admission::Refused(error) => Err(error),
            Admission::Resubmit => Ok(Begun::Resubmit),
            Admission::Wait => {
                Ok(Begun::Waits(receiver.expect("the core took the waiter that it waits with")))
            }
            Admission::Run(_) => unreachable!("an inline body was run above"),
        }
    }
}

/// The request as the core is handed it.
fn submission(checked: &Checked, wait_for: WaitFor, read: Read) -> Submission {
    let mut gate = checked.gate.clone();
    if let Ok(admittable) = &mut gate {
        for ((_, known), state) in admittable.deps.iter_mut().zip(read.deps) {
            *known = state;
        }
    }
    Submission {
        id: checked.id.clone(),
        fresh: checked.fresh,
        digest: checked.digest,
        wait_for,
        must_read: read.must_read,
        looked_up: read.looked_up,
        reservation: read.reservation,
        inserting: read.inserting,
        gate,
    }
}

fn hand_in(
    shared: &Shared,
    core: &mut Core<Caller>,
    checked: &Checked,
    submission: Submission,
    now: Now,
    receiver: &mut Option<oneshot::Receiver<Answer>>,
    out: &mut Vec<Command>,
) -> Admission {
    // A task of this name may have come and gone since the store said that it knows none.
    let unsure = !submission.must_read && !submission.fresh;
    if unsure && !core.active.contains(&checked.id) && shared.store.may_know(&checked.id) {
        return Admission::Resubmit;
    }
    core.submit(submission, now, || waiter(receiver), out)
}

fn waiter(receiver: &mut Option<oneshot::Receiver<Answer>>) -> Caller {
    let (sender, waits) = Caller::new();
    *receiver = Some(waits);
    sender
}

/// Lets go of an id if the store cannot be read, or its caller goes away meanwhile.
struct Held<'a> {
    shared: &'a Arc<Shared>,
    id: &'a TaskId,
    reservation: u64,
    armed: bool,
}

impl Held<'_> {
    /// From here on the core has the request.
    fn hand_over(mut self) {
        self.armed = false;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.shared
                .act(|core, _, out| core.release_reservation(self.id, self.reservation, out));
        }
    }
}
