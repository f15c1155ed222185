//! Claims: how waiting tasks get free slots, and how the windows of queues are refilled.

use std::time::Duration;

use super::dispatch::PendingClaim;
use super::queue::Candidate;
use super::step::Step;
use super::timers::Timer;
use super::{Command, Core, Tag, Waiter, resolve};
use crate::clock::Now;
use crate::models::{Durability, Event, Fact, QueueName, TaskFact};
use crate::store::{Change, ClaimRequest, ClaimableTask, Claims, Position};

/// How long after a denied claim its queue is read again.
pub(super) const RETRY_BLOCKED_AFTER: Duration = Duration::from_millis(100);

impl<W: Waiter> Core<W> {
    /// The store answered claims.
    pub(crate) fn claimed(
        &mut self,
        requests: &[ClaimRequest],
        claims: Claims,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        let mut step = self.step(now, out);
        step.take_claims(requests, claims, Durability::Durable);
        step.dispatch();
    }

    /// Handles claims that succeeded only on retry. The first reply, with newly claimable tasks and
    /// events, was lost: the queues are read again.
    pub(crate) fn claimed_after_retry(
        &mut self,
        requests: &[ClaimRequest],
        claims: Claims,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        for request in requests {
            self.dispatch.rescan_claimed(request.fence);
        }
        // The first reply may have reported an outbox entry, and that attempts started.
        let mut claims = Claims { outbox_written: true, ..claims };
        for claimed in claims.claimed.iter().flatten() {
            let started = TaskFact::Started { attempt: claimed.attempt, fence: claimed.fence };
            let fact = Fact::Task(claimed.task.clone(), started);
            if !claims.events.iter().any(|event| event.fact == fact) {
                claims.events.push(Event { at: now.wall, fact });
            }
        }
        self.claimed(requests, claims, now, out);
    }

    /// The store made none of these claims.
    pub(crate) fn claim_failed(&mut self, requests: &[ClaimRequest], now: Now) {
        for request in requests {
            if let Some(claim) = self.dispatch.claim_answered(request.fence) {
                self.slots.free(claim.kind);
                self.dispatch.task_left(&claim.queue);
                self.dispatch.rescan(&claim.queue);
            }
        }
        self.store.pause(now, &mut self.timers);
    }

    /// The claimable tasks of the store behind a queue's horizon.
    pub(crate) fn refilled(
        &mut self,
        name: &QueueName,
        after: Option<Position>,
        stored: Vec<ClaimableTask>,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        let window = self.settings.limits.window;
        let ephemeral = self.ephemeral.window(name, after, window);
        let complete = stored.len() < window && ephemeral.len() < window;
        // A full page ends somewhere; the other page is used only up to there.
        let end = |page: &[ClaimableTask]| {
            page.last().filter(|_| page.len() == window).map(|ready| ready.position)
        };
        let stop = [end(&stored), end(&ephemeral)].into_iter().flatten().min();
        let mut last = after;
        let mut candidates = Vec::new();
        let all = stored
            .into_iter()
            .map(|ready| (ready, Durability::Durable))
            .chain(ephemeral.into_iter().map(|ready| (ready, Durability::Ephemeral)));
        for (ready, durability) in all {
            if stop.is_some_and(|stop| ready.position > stop) {
                continue;
            }
            last = last.max(Some(ready.position));
            if let Some(method) = resolve(&self.registry, &ready.method) {
                let kind = method.handler.kind();
                candidates.push(Candidate { position: ready.position, kind, durability });
            }
        }
        self.dispatch.refilled(name, candidates, last, complete);
        self.step(now, out).dispatch();
        self.dispatch.forget_if_empty(name);
    }

    /// The store could not read a queue.
    pub(crate) fn refill_failed(&mut self, name: &QueueName, now: Now) {
        self.dispatch.queue(name).refill_failed();
        self.store.pause(now, &mut self.timers);
    }
}

impl<W: Waiter> Step<'_, W> {
    /// A task has become claimable. Without its method on this node it stays in its store.
    pub(super) fn push(&mut self, ready: ClaimableTask, durability: Durability) {
        if let Some(method) = resolve(&self.core.registry, &ready.method) {
            self.core.dispatch.push(ready, method.handler.kind(), durability);
        }
    }

    /// Gives free slots to waiting tasks.
    pub(super) fn dispatch(&mut self) {
        let core = &mut *self.core;
        if core.shutdown.is_draining() || core.dispatch.is_idle() || core.store.is_paused() {
            return;
        }
        let mut requests = Vec::new();
        for left in (0..core.settings.limits.claim_batch).rev() {
            let core = &mut *self.core;
            let Some((queue, candidate)) =
                core.dispatch.pick(self.now, &core.slots, &mut core.timers)
            else {
                break;
            };
            if left == 0 {
                // There may be more, and claims of ephemeral tasks lead to no later input.
                core.timers.set(self.now.steady, Timer::Dispatch);
            }
            let kind = candidate.kind;
            let fence = core.numbers.fence();
            core.slots.take(kind);
            core.dispatch.queue(&queue).start(self.now);
            let request = ClaimRequest { sequence: candidate.position.sequence, fence };
            core.dispatch.claim_sent(fence, PendingClaim { queue, kind, cancel: None });
            match candidate.durability {
                Durability::Durable => requests.push(request),
                Durability::Ephemeral => {
                    let claims = core.ephemeral.claim(&[request], self.now.wall);
                    self.take_claims(&[request], claims, Durability::Ephemeral);
                }
            }
        }
        if !requests.is_empty() {
            self.out.push(Command::Claim(requests));
        }
        let (out, limit) = (&mut *self.out, self.core.settings.limits.window);
        self.core.dispatch.refill(|queue, after| {
            out.push(Command::Refill { queue: queue.clone(), after, limit });
        });
    }

    fn take_claims(&mut self, requests: &[ClaimRequest], claims: Claims, durability: Durability) {
        self.core.notifications.publish(claims.events, claims.outbox_written, self.out);
        for ready in claims.ready {
            self.push(ready, durability);
        }
        if durability == Durability::Durable {
            self.core.store.set_due(claims.due);
        }
        for (request, claimed) in requests.iter().zip(claims.claimed) {
            let fence = request.fence;
            let Some(pending) = self.core.dispatch.claim_answered(fence) else { continue };
            let Some(claimed) = claimed else {
                // The task was cancelled or has expired; or the store knows a limit that the core
                // does not know: then the queue has to be read again, but not at once.
                self.free(&pending);
                if self.core.dispatch.block(pending.queue) {
                    self.retry_blocked_later();
                }
                continue;
            };
            let draining = self.core.shutdown.is_draining();
            let method =
                if draining { None } else { resolve(&self.core.registry, &claimed.task.method) };
            let method = method.filter(|method| method.handler.kind() == pending.kind);
            let Some(method) = method else {
                // The engine drains; or the method was replaced by one of another kind, which needs
                // another slot; or the window is stale and the method is gone.
                self.free(&pending);
                let change = Change::Requeue { sequence: claimed.sequence, fence };
                self.write(durability, change, Tag::Background);
                continue;
            };
            self.core.dispatch.remove_waiting(&pending.queue);
            self.start_attempt(claimed, method, durability, pending.kind);
            if let Some(reason) = pending.cancel {
                self.cancel_attempt(fence, &reason);
            }
        }
    }

    /// Frees what a claim held that starts no attempt.
    fn free(&mut self, claim: &PendingClaim) {
        self.core.slots.free(claim.kind);
        self.core.dispatch.task_left(&claim.queue);
    }
}
