//! Whose turn it is: weighted round robin between queues that have work, strict priority and then
//! first in, first out inside each.
//!
//! Smooth weighted round robin: every queue that could run earns its weight, the richest runs and
//! pays what all earned together. Between two turns of a queue with weight w among a total of t
//! there are at most ⌈t / w⌉ turns of others.

use std::sync::Arc;
use std::time::Duration;

use super::queue::{Candidate, Queue, WINDOW};
use super::{Command, Core, STORE_PAUSE, Tag, Timer, Waiter};
use crate::clock::Now;
use crate::models::{Durability, Fence, MethodWish, QueueName};
use crate::store::{Change, Claims, Place, Ready, Wanted};
use crate::tasks::{Kind, Method};

/// The most tasks that are asked for in one claim.
const CLAIM_BATCH: usize = 256;

/// How long after a denied claim its queue is looked at anew.
const LOOK_AGAIN_PAUSE: Duration = Duration::from_millis(100);

/// How many queues are remembered while they hold nothing.
const IDLE_QUEUES: usize = if cfg!(test) { 2 } else { 256 };

/// What a claim under way holds.
#[derive(Debug)]
pub(super) struct Reserved {
    pub(super) queue: QueueName,
    pub(super) kind: Kind,
    /// Somebody wished the task cancelled after the store had given it and before we knew.
    pub(super) cancel: Option<String>,
}

impl<W: Waiter> Core<W> {
    /// The queue, which comes into being when it is first named.
    pub(super) fn queue(&mut self, name: &QueueName) -> &mut Queue {
        if !self.queues.contains_key(name) {
            let settings = self.settings.queues.get(name).copied().unwrap_or_default();
            self.queues.insert(name.clone(), Queue::new(settings));
        }
        self.queues.get_mut(name).expect("just made")
    }

    /// Whether a task may be inserted already claimed: nothing claimable waits in its queue, no
    /// other queue is owed the slot, and slot and limit allow.
    pub(super) fn may_start_at_once(&self, name: &QueueName, kind: Kind) -> bool {
        let own = self.queues.get(name).is_none_or(|queue| queue.is_idle() && queue.has_room());
        own && self.slots.has_free(kind)
            && self
                .hungry
                .iter()
                .filter_map(|other| self.queues.get(other))
                .all(|other| !(other.has_room() && other.has_claimable(kind)))
    }

    /// A task became claimable.
    pub(super) fn arrive(&mut self, ready: Ready, class: Durability) {
        // What this node has no method for stays where it is.
        let Some(method) = self.resolve(&ready.method) else { return };
        let candidate = Candidate { place: ready.place, kind: method.body.kind(), class };
        self.queue(&ready.queue).arrive(candidate);
        self.hungry.insert(ready.queue);
    }

    pub(super) fn resolve(&self, method: &str) -> Option<Arc<Method>> {
        self.registry.resolve(&MethodWish::parse(method).ok()?)
    }

    /// Gives free slots to tasks that wait.
    pub(super) fn dispatch(&mut self, now: Now, out: &mut Vec<Command<W>>) {
        if self.draining || self.hungry.is_empty() || self.store_pauses {
            return;
        }
        let mut wanted = Vec::new();
        for _ in 0..CLAIM_BATCH {
            let Some((name, candidate)) = self.pick() else { break };
            let fence = self.next_fence();
            self.reserve(&name, candidate.kind);
            let wish = Wanted { sequence: candidate.place.sequence, fence };
            let reserved = Reserved { queue: name, kind: candidate.kind, cancel: None };
            self.claiming.insert(fence, reserved);
            match candidate.class {
                Durability::Durable => wanted.push(wish),
                Durability::Ephemeral => {
                    let claims = self.ephemeral.claim(&[wish], now.wall);
                    self.take_claims(&[wish], claims, Durability::Ephemeral, now, out);
                }
            }
        }
        if !wanted.is_empty() {
            out.push(Command::Claim(wanted));
        }
        self.refill(out);
    }

    /// Takes the best task of the queue whose turn it is.
    fn pick(&mut self) -> Option<(QueueName, Candidate)> {
        let mut total = 0;
        let mut chosen: Option<(&QueueName, i64, Candidate)> = None;
        let slots = &self.slots;
        for name in &self.hungry {
            let Some(queue) = self.queues.get_mut(name).filter(|queue| queue.has_room()) else {
                continue;
            };
            let Some(best) = queue.best(|kind| slots.has_free(kind)) else { continue };
            queue.credit += i64::from(queue.settings.weight);
            total += i64::from(queue.settings.weight);
            if chosen.as_ref().is_none_or(|(_, credit, _)| queue.credit > *credit) {
                chosen = Some((name, queue.credit, best));
            }
        }
        let (name, _, best) = chosen?;
        let name = name.clone();
        let queue = self.queue(&name);
        queue.credit -= total;
        queue.take(best);
        Some((name, best))
    }

    fn refill(&mut self, out: &mut Vec<Command<W>>) {
        let queues = &mut self.queues;
        self.hungry.retain(|name| {
            let Some(queue) = queues.get_mut(name) else { return false };
            if let Some(after) = queue.wants_refill() {
                out.push(Command::Refill { queue: name.clone(), after, limit: WINDOW });
            }
            !queue.is_idle()
        });
    }

    /// What the store had behind a queue's horizon.
    pub(crate) fn refilled(
        &mut self,
        name: &QueueName,
        after: Option<Place>,
        stored: Vec<Ready>,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        let ephemeral = self.ephemeral.window(name, after, WINDOW);
        let complete = stored.len() < WINDOW && ephemeral.len() < WINDOW;
        // Where one of the two broke off, the other is only known up to there.
        let reach = |ready: &[Ready]| {
            ready.last().filter(|_| ready.len() == WINDOW).map(|ready| ready.place)
        };
        let stop = [reach(&stored), reach(&ephemeral)].into_iter().flatten().min();
        let mut last = after;
        let mut candidates = Vec::new();
        let all = stored
            .into_iter()
            .map(|ready| (ready, Durability::Durable))
            .chain(ephemeral.into_iter().map(|ready| (ready, Durability::Ephemeral)));
        for (ready, class) in all {
            if stop.is_some_and(|stop| ready.place > stop) {
                continue;
            }
            last = last.max(Some(ready.place));
            if let Some(method) = self.resolve(&ready.method) {
                let kind = method.body.kind();
                candidates.push(Candidate { place: ready.place, kind, class });
            }
        }
        self.queue(name).refilled(candidates, last, complete);
        self.hungry.insert(name.clone());
        self.dispatch(now, out);
    }

    /// A queue could not be read.
    pub(crate) fn refill_failed(&mut self, name: &QueueName, now: Now) {
        self.queue(name).refill_failed();
        self.pause_store(now);
    }

    /// What became of claims that were asked for.
    pub(crate) fn claimed(
        &mut self,
        wanted: &[Wanted],
        claims: Claims,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        self.take_claims(wanted, claims, Durability::Durable, now, out);
        self.dispatch(now, out);
    }

    fn take_claims(
        &mut self,
        wanted: &[Wanted],
        claims: Claims,
        class: Durability,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        for (wish, claimed) in wanted.iter().zip(claims.claimed) {
            let Some(reserved) = self.claiming.remove(&wish.fence) else { continue };
            let Some(claimed) = claimed else {
                // It was cancelled, or its time to live is over: then that is the end of it. Or the
                // store knows a limit that we do not: then it is to be found again, but not at once.
                self.unreserve(&reserved.queue, reserved.kind);
                if self.denied.is_empty() {
                    self.timers.insert((now.steady + LOOK_AGAIN_PAUSE, Timer::LookAgain));
                }
                self.denied.insert(reserved.queue);
                continue;
            };
            let method = if self.draining { None } else { self.resolve(&claimed.task.method) };
            let Some(method) = method else {
                // Nothing starts any more; or a stale window offered what nobody here can run.
                self.unreserve(&reserved.queue, reserved.kind);
                let change = Change::Release { sequence: claimed.sequence, fence: wish.fence };
                self.write(class, change, Tag::Release, now, out);
                continue;
            };
            self.queue(&reserved.queue).waiting -= 1;
            self.begin(claimed, method, class, reserved.kind, now, out);
            if let Some(reason) = reserved.cancel {
                self.cancel_attempt(wish.fence, &reason, now, out);
            }
        }
    }

    /// A claim was not made.
    pub(crate) fn claim_failed(&mut self, wanted: &[Wanted], now: Now) {
        for wish in wanted {
            if let Some(reserved) = self.claiming.remove(&wish.fence) {
                self.unreserve(&reserved.queue, reserved.kind);
                self.rescan(&reserved.queue);
            }
        }
        self.pause_store(now);
    }

    /// Queues in which a claim was denied are looked at anew.
    pub(super) fn look_again(&mut self) {
        for name in std::mem::take(&mut self.denied) {
            self.rescan(&name);
        }
    }

    /// A store that failed is left alone for a moment.
    pub(super) fn pause_store(&mut self, now: Now) {
        self.store_pauses = true;
        self.timers.insert((now.steady + STORE_PAUSE, Timer::StoreBack));
    }

    pub(super) fn rescan(&mut self, name: &QueueName) {
        self.queue(name).rescan();
        self.hungry.insert(name.clone());
    }

    pub(super) fn reserve(&mut self, name: &QueueName, kind: Kind) {
        self.slots.take(kind);
        self.queue(name).running += 1;
    }

    fn unreserve(&mut self, name: &QueueName, kind: Kind) {
        self.slots.free(kind);
        self.left(name);
    }

    /// A task of the queue does not run any more, and that is stored.
    pub(super) fn left(&mut self, name: &QueueName) {
        let queue = self.queue(name);
        queue.running -= 1;
        self.forget_if_empty(name);
    }

    /// Queues that hold nothing are forgotten once there are many.
    pub(super) fn forget_if_empty(&mut self, name: &QueueName) {
        if self.queues.len() > IDLE_QUEUES && self.queues.get(name).is_some_and(Queue::is_empty) {
            self.queues.remove(name);
            self.hungry.remove(name);
        }
    }

    /// The fence under which an attempt is to run at once.
    pub(super) fn claim_at_once(&mut self, name: &QueueName, kind: Kind) -> Fence {
        self.reserve(name, kind);
        self.next_fence()
    }
}
