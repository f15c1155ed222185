//! Submits requests: checks them at the gate, looks up ids and dependencies, hands them to the core and
//! waits for the answer.

use std::sync::Arc;

use ahash::{HashSet, HashSetExt};
use tokio::sync::oneshot;

use super::core::{self, Admission, Answer, Core, IdReservation, Submission, WaitFor};
use super::gate::{self, Checked};
use super::{Caller, Command, Engine, Shared, attempt};
use crate::clock::{Now, now};
use crate::error::{Code, Error};
use crate::models::{Accepted, Ended, Request, Snapshot, State, TaskId};

/// How many requests of one call are handed to the core at once. Other callers wait that long for the
/// core.
pub(super) const SUBMIT_BATCH: usize = 256;

/// The core's immediate answer to a request.
pub(super) enum Submitted {
    Ended(Arc<Ended>),
    Accepted(Accepted),
    /// The answer comes later.
    Waits(oneshot::Receiver<Answer>),
    /// Look the id up in the store and submit again.
    Resubmit,
}

/// What the store knows of a request before it is handed to the core.
#[derive(Default)]
struct StoreLookup {
    must_read: bool,
    /// The task with the request's id.
    looked_up: Option<Option<Snapshot>>,
    /// The number of the reservation of the id.
    reservation: u64,
    inserting: Vec<TaskId>,
    /// The states of the dependencies, in the gate's order.
    deps: Vec<Option<State>>,
}

impl Engine {
    /// Runs a task and returns its outcome. Idempotent: a second request with the same id and the same
    /// content joins the first one. Dropping the future does not cancel the task.
    ///
    /// # Errors
    /// The refusals, see [`Code`]; `OUTCOME_UNKNOWN` when the handler may have run and its outcome could
    /// not be stored.
    pub async fn submit(&self, request: Request) -> Result<Arc<Ended>, Error> {
        let now = now();
        let checked = self.check(request, 0, now);
        let ids = self.ids_to_look_up(&checked, &HashSet::new());
        if ids.is_empty() {
            // The usual case does not wait: boxing the rest keeps this future small.
            match self.admit(&checked, WaitFor::Outcome, StoreLookup::default(), now) {
                Ok(Submitted::Ended(ended)) => Ok(ended),
                submitted => Box::pin(self.ended(checked, submitted)).await,
            }
        } else {
            Box::pin(self.ended(checked, Ok(Submitted::Resubmit))).await
        }
    }

    async fn ended(
        &self,
        checked: Checked,
        mut submitted: Result<Submitted, Error>,
    ) -> Result<Arc<Ended>, Error> {
        loop {
            match submitted? {
                Submitted::Ended(ended) => return Ok(ended),
                Submitted::Waits(receiver) => match receiver.await {
                    Ok(Answer::Ended(ended)) => return Ok(ended),
                    Ok(Answer::Refused(error)) => return Err(error),
                    Ok(Answer::Resubmit) => {}
                    Ok(answer) => unreachable!("{answer:?} does not answer a submission"),
                    Err(_) => return Err(core::draining()),
                },
                Submitted::Accepted(_) => unreachable!("only enqueue wants acceptance"),
                Submitted::Resubmit => {}
            }
            submitted = self.look_up_and_admit(&checked, WaitFor::Outcome).await;
        }
    }

    /// Enqueues a task and returns when it is stored. Idempotent by id, as [`submit`](Self::submit).
    ///
    /// # Errors
    /// The refusals, see [`Code`].
    pub async fn enqueue(&self, request: Request) -> Result<Accepted, Error> {
        let checked = self.check(request, self.0.defaults.retries, now());
        let submitted = self.look_up_and_admit(&checked, WaitFor::Acceptance).await;
        self.accepted(&checked, submitted).await
    }

    /// Enqueues many tasks, each with its own answer, in the order of the requests. A task may depend on an
    /// earlier one of the same call.
    pub async fn enqueue_many(
        &self,
        requests: Vec<Result<Request, Error>>,
    ) -> Vec<Result<Accepted, Error>> {
        let mut answers = Vec::with_capacity(requests.len());
        let mut requests = requests.into_iter();
        let mut submitted = Vec::with_capacity(requests.len());
        loop {
            let batch: Vec<_> = requests.by_ref().take(SUBMIT_BATCH).collect();
            if batch.is_empty() {
                break;
            }
            submitted.extend(self.submit_batch(batch).await);
        }
        for entry in submitted {
            answers.push(match entry {
                Ok((checked, first)) => self.accepted(&checked, first).await,
                Err(error) => Err(error),
            });
        }
        answers
    }

    /// Hands requests to the core at once: none of them starts before the core has all.
    pub(super) async fn submit_batch(
        &self,
        requests: Vec<Result<Request, Error>>,
    ) -> Vec<Result<(Checked, Result<Submitted, Error>), Error>> {
        let now = now();
        let retries = self.0.defaults.retries;
        let check = |request| self.check(request, retries, now);
        let checked: Vec<_> = requests.into_iter().map(|request| request.map(check)).collect();
        let mut together = HashSet::with_capacity(checked.len());
        let mut submissions = Vec::with_capacity(checked.len());
        // Dropped when the caller disconnects during the reads, which releases the ids.
        let mut reservations = Vec::new();
        for checked in &checked {
            let Ok(checked) = checked else {
                submissions.push(None);
                continue;
            };
            submissions.push(Some(self.look_up(checked, &together).await.map(
                |(lookup, reservation)| {
                    reservations.extend(reservation);
                    submission(checked, WaitFor::Acceptance, lookup)
                },
            )));
            together.insert(checked.id.clone());
        }
        reservations.into_iter().for_each(ReservationGuard::hand_over);
        let mut admissions = Vec::with_capacity(checked.len());
        // The core does not know a task that must be submitted again, so its dependants must be, too.
        let mut again = HashSet::new();
        self.0.act_at(now, |core, now, out| {
            for (checked, submission) in checked.iter().zip(submissions) {
                let (Ok(checked), Some(submission)) = (checked, submission) else {
                    admissions.push(None);
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
                    submit_to_core(&self.0, core, checked, submission, now, &mut receiver, out)
                });
                if matches!(admission, Ok(Admission::Resubmit)) {
                    again.insert(checked.id.clone());
                }
                admissions.push(Some((admission, receiver)));
            }
        });
        let submitted = |(checked, admission): (Result<Checked, Error>, Option<_>)| {
            let checked = checked?;
            let Some((admission, receiver)) = admission else {
                unreachable!("every request that passed the checks was submitted")
            };
            let submitted = match admission {
                Ok(admission) => {
                    self.perform_admission(WaitFor::Acceptance, admission, receiver, now)
                }
                Err(error) => Err(error),
            };
            Ok((checked, submitted))
        };
        checked.into_iter().zip(admissions).map(submitted).collect()
    }

    pub(super) async fn accepted(
        &self,
        checked: &Checked,
        mut submitted: Result<Submitted, Error>,
    ) -> Result<Accepted, Error> {
        let of = |ended: &Ended| {
            let joined = Accepted::joined(&ended.task.id, ended.outcome.state());
            Accepted { joined: !checked.is(ended), ..joined }
        };
        loop {
            match submitted? {
                Submitted::Ended(ended) => return Ok(of(&ended)),
                Submitted::Accepted(mut accepted) => match self.find(&accepted.id).await {
                    Ok(snapshot) => {
                        accepted.state = snapshot.state;
                        return Ok(accepted);
                    }
                    // Its inline handler runs right now, and it has no row.
                    Err(error) if error.code == Code::TaskNotFound => {
                        tokio::task::yield_now().await;
                    }
                    Err(error) => return Err(error),
                },
                Submitted::Waits(receiver) => match receiver.await {
                    Ok(Answer::Accepted(accepted)) => return Ok(accepted),
                    Ok(Answer::Ended(ended)) => return Ok(of(&ended)),
                    Ok(Answer::Refused(error)) => return Err(error),
                    Ok(Answer::Resubmit) => {}
                    Ok(answer) => unreachable!("{answer:?} does not answer a submission"),
                    Err(_) => return Err(core::draining()),
                },
                Submitted::Resubmit => {}
            }
            submitted = self.look_up_and_admit(checked, WaitFor::Acceptance).await;
        }
    }

    /// Checks a request at the gate without submitting it.
    ///
    /// # Errors
    /// The gate's refusals.
    pub(super) fn check_only(&self, request: &Request) -> Result<(), Error> {
        self.check(request.clone(), self.0.defaults.retries, now()).gate.map(drop)
    }

    fn check(&self, request: Request, retries: u32, now: Now) -> Checked {
        let mut checked = gate::check(request, &self.0.registry, &self.0.defaults, retries, now);
        if let Ok(admittable) = &mut checked.gate {
            // A dependency that the cache has as succeeded stays succeeded.
            admittable.deps.retain(|(dep, _)| {
                let ended = self.0.cache.get(dep);
                ended.is_none_or(|ended| ended.outcome.state() != State::Succeeded)
            });
        }
        checked
    }

    /// The ids to look up in the store: the dependencies, then the task itself. A dependency of the same
    /// batch is looked up only if the store may have it already.
    fn ids_to_look_up(&self, checked: &Checked, together: &HashSet<TaskId>) -> Vec<TaskId> {
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

    /// Looks up the id and the dependencies of a request in the store. Reserves the id until the request
    /// is handed to the core.
    async fn look_up<'a>(
        &'a self,
        checked: &'a Checked,
        together: &HashSet<TaskId>,
    ) -> Result<(StoreLookup, Option<ReservationGuard<'a>>), Error> {
        let shared = &self.0;
        let mut reservation = None;
        let ids = self.ids_to_look_up(checked, together);
        let mut lookup = StoreLookup { must_read: !ids.is_empty(), ..StoreLookup::default() };
        if lookup.must_read {
            let entry = shared.act(|core, _, _| core.reserve_id(&checked.id, checked.digest, &ids));
            if let IdReservation::Reserved { inserting, number } = entry {
                (lookup.inserting, lookup.reservation) = (inserting, number);
                reservation = Some(ReservationGuard {
                    shared,
                    id: &checked.id,
                    reservation: number,
                    armed: true,
                });
                let mut found = shared.store.find(&ids).await?;
                lookup.looked_up = Some(found.pop().flatten());
                lookup.deps =
                    found.into_iter().map(|task| task.map(|snapshot| snapshot.state)).collect();
            }
        }
        Ok((lookup, reservation))
    }

    /// Looks the request up in the store and hands it to the core.
    async fn look_up_and_admit(
        &self,
        checked: &Checked,
        wait_for: WaitFor,
    ) -> Result<Submitted, Error> {
        let (lookup, reservation) = self.look_up(checked, &HashSet::new()).await?;
        if let Some(reservation) = reservation {
            reservation.hand_over();
        }
        let submitted = self.admit(checked, wait_for, lookup, now());
        if let Ok(Submitted::Resubmit) = submitted {
            // Another request has reserved the id for the time of its look-up.
            tokio::task::yield_now().await;
        }
        submitted
    }

    /// Hands the request to the core.
    fn admit(
        &self,
        checked: &Checked,
        wait_for: WaitFor,
        lookup: StoreLookup,
        now: Now,
    ) -> Result<Submitted, Error> {
        let submission = submission(checked, wait_for, lookup);
        let mut receiver = None;
        let admission = self.0.act(|core, now, out| {
            submit_to_core(&self.0, core, checked, submission, now, &mut receiver, out)
        });
        self.perform_admission(wait_for, admission, receiver, now)
    }

    /// Performs the core's decision about a request.
    fn perform_admission(
        &self,
        wait_for: WaitFor,
        admission: Admission,
        receiver: Option<oneshot::Receiver<Answer>>,
        now: Now,
    ) -> Result<Submitted, Error> {
        let shared = &self.0;
        let mut admission = admission;
        let mut receiver = receiver;
        if let Admission::Run(start) = admission {
            shared.announcements.inline_started(&start.claimed.task, start.claimed.fence, now);
            // The task has no row, so its output is dropped.
            let (end, _) = attempt::run_inline(&start, shared.host.clone(), now);
            let mut waiter = || waiter(&mut receiver);
            admission = shared.act(|core, now, out| {
                core.ended_inline(&start, wait_for, end, now, &mut waiter, out)
            });
            if let Admission::Ended(ended) = &admission {
                shared.announcements.inline_ended(ended);
            }
        }
        match admission {
            Admission::Ended(ended) => Ok(Submitted::Ended(ended)),
            Admission::Accepted(accepted) => Ok(Submitted::Accepted(accepted)),
            Admission::Refused(error) => Err(error),
            Admission::Resubmit => Ok(Submitted::Resubmit),
            Admission::Wait => Ok(Submitted::Waits(
                receiver.expect("the core keeps a waiter when it answers later"),
            )),
            Admission::Run(_) => unreachable!("inline handlers run above"),
        }
    }
}

/// The request as the core receives it.
fn submission(checked: &Checked, wait_for: WaitFor, lookup: StoreLookup) -> Submission {
    let mut gate = checked.gate.clone();
    if let Ok(admittable) = &mut gate {
        for ((_, known), state) in admittable.deps.iter_mut().zip(lookup.deps) {
            *known = state;
        }
    }
    Submission {
        id: checked.id.clone(),
        fresh: checked.fresh,
        digest: checked.digest,
        wait_for,
        must_read: lookup.must_read,
        looked_up: lookup.looked_up,
        reservation: lookup.reservation,
        inserting: lookup.inserting,
        gate,
    }
}

fn submit_to_core(
    shared: &Shared,
    core: &mut Core<Caller>,
    checked: &Checked,
    submission: Submission,
    now: Now,
    receiver: &mut Option<oneshot::Receiver<Answer>>,
    out: &mut Vec<Command>,
) -> Admission {
    // A task with this id may have entered the store and left the core since the look-up.
    let unsure = !submission.must_read && !submission.fresh;
    if unsure && !core.active.contains(&checked.id) && shared.store.may_know(&checked.id) {
        return Admission::Resubmit;
    }
    core.submit(submission, now, || waiter(receiver), out)
}

fn waiter(receiver: &mut Option<oneshot::Receiver<Answer>>) -> Caller {
    let (sender, answer) = Caller::new();
    *receiver = Some(answer);
    sender
}

/// A reserved id, released when the look-up fails or the caller disconnects during it.
struct ReservationGuard<'a> {
    shared: &'a Arc<Shared>,
    id: &'a TaskId,
    reservation: u64,
    armed: bool,
}

impl ReservationGuard<'_> {
    /// Keeps the id reserved: the request is handed to the core next, which releases it.
    fn hand_over(mut self) {
        self.armed = false;
    }
}

impl Drop for ReservationGuard<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.shared
                .act(|core, _, out| core.release_reservation(self.id, self.reservation, out));
        }
    }
}
