//! Whose turn it is: weighted round robin between queues that have work, strict priority and then
//! first in, first out inside each.
//!
//! Smooth weighted round robin: every queue that could run earns its weight, the richest runs and
//! pays what all earned together. Between two turns of a queue with weight w among a total of t
//! there are at most ⌈t / w⌉ turns of others; while others come and go, less than twice as many.

use std::sync::Arc;
use std::time::Duration;

use super::queue::{Candidate, Queue, WINDOW};
use super::{Command, Core, STORE_PAUSE, Tag, Timer, Waiter};
use crate::clock::Now;
use crate::models::{Durability, Event, Fact, Fence, MethodRef, QueueName, TaskFact};
use crate::store::{Change, ClaimRequest, ClaimableTask, Claims, Position};
use crate::tasks::{HandlerKind, Method};

/// The most tasks that are asked for in one claim.
const CLAIM_BATCH: usize = 256;

/// How long after a denied claim its queue is looked at anew.
const LOOK_AGAIN_PAUSE: Duration = Duration::from_millis(100);

/// How many queues are remembered while they hold nothing.
const IDLE_QUEUES: usize = if cfg!(test) { 2 } else { 256 };

/// What a claim under way holds.
#[derive(Debug)]
pub(super) struct PendingClaim {
    pub(super) queue: QueueName,
    pub(super) kind: HandlerKind,
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
    pub(super) fn may_start_at_once(
        &mut self,
        name: &QueueName,
        kind: HandlerKind,
        now: Now,
    ) -> bool {
        // It comes into being with what was decided about it.
        let queue = self.queue(name);
        let own = queue.is_idle() && queue.has_room(now);
        own && self.slots.has_free(kind)
            && self
                .ready_queues
                .iter()
                .filter_map(|other| self.queues.get(other))
                .all(|other| !(other.has_room(now) && other.has_claimable(kind)))
    }

    /// A task became claimable.
    pub(super) fn arrive(&mut self, ready: ClaimableTask, durability: Durability) {
        // What this node has no method for stays where it is.
        let Some(method) = self.resolve(&ready.method) else { return };
        let candidate =
            Candidate { position: ready.position, kind: method.handler.kind(), durability };
        self.queue(&ready.queue).arrive(candidate);
        self.ready_queues.insert(ready.queue);
    }

    pub(super) fn resolve(&self, method: &str) -> Option<Arc<Method>> {
        self.registry.resolve(&MethodRef::parse(method).ok()?)
    }

    /// Gives free slots to tasks that wait.
    pub(super) fn dispatch(&mut self, now: Now, out: &mut Vec<Command<W>>) {
        if self.draining || self.ready_queues.is_empty() || self.store_pauses {
            return;
        }
        let mut wanted = Vec::new();
        for left in (0..CLAIM_BATCH).rev() {
            let Some((name, candidate)) = self.pick(now) else { break };
            if left == 0 {
                // There may be more, and of ephemeral ones no answer comes that goes on with them.
                self.timers.insert((now.steady, Timer::Dispatch));
            }
            let fence = self.next_fence();
            self.reserve(&name, candidate.kind, now);
            let claim = ClaimRequest { sequence: candidate.position.sequence, fence };
            let pending = PendingClaim { queue: name, kind: candidate.kind, cancel: None };
            self.pending_claims.insert(fence, pending);
            match candidate.durability {
                Durability::Durable => wanted.push(claim),
                Durability::Ephemeral => {
                    let claims = self.ephemeral.claim(&[claim], now.wall);
                    self.take_claims(&[claim], claims, Durability::Ephemeral, now, out);
                }
            }
        }
        if !wanted.is_empty() {
            out.push(Command::Claim(wanted));
        }
        self.refill(out);
    }

    /// Takes the best task of the queue whose turn it is.
    fn pick(&mut self, now: Now) -> Option<(QueueName, Candidate)> {
        let mut total = 0;
        let mut chosen: Option<(&QueueName, i64, Candidate)> = None;
        let slots = &self.slots;
        for name in &self.ready_queues {
            let Some(queue) = self.queues.get_mut(name) else { continue };
            let Some(best) = queue.best(|kind| slots.has_free(kind)) else { continue };
            if !queue.has_room(now) {
                if let Some(at) = queue.wait_for_rate(now) {
                    self.timers.insert((at, Timer::Dispatch));
                }
                continue;
            }
            queue.credit += i64::from(queue.settings.limits.weight);
            total += i64::from(queue.settings.limits.weight);
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
        self.ready_queues.retain(|name| {
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
        after: Option<Position>,
        stored: Vec<ClaimableTask>,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        let ephemeral = self.ephemeral.window(name, after, WINDOW);
        let complete = stored.len() < WINDOW && ephemeral.len() < WINDOW;
        // Where one of the two broke off, the other is only known up to there.
        let reach = |ready: &[ClaimableTask]| {
            ready.last().filter(|_| ready.len() == WINDOW).map(|ready| ready.position)
        };
        let stop = [reach(&stored), reach(&ephemeral)].into_iter().flatten().min();
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
            if let Some(method) = self.resolve(&ready.method) {
                let kind = method.handler.kind();
                candidates.push(Candidate { position: ready.position, kind, durability });
            }
        }
        self.queue(name).refilled(candidates, last, complete);
        self.ready_queues.insert(name.clone());
        self.dispatch(now, out);
        self.forget_if_empty(name);
    }

    /// A queue could not be read.
    pub(crate) fn refill_failed(&mut self, name: &QueueName, now: Now) {
        self.queue(name).refill_failed();
        self.pause_store(now);
    }

    /// What became of claims that were asked for.
    pub(crate) fn claimed(
        &mut self,
        wanted: &[ClaimRequest],
        claims: Claims,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        self.take_claims(wanted, claims, Durability::Durable, now, out);
        self.dispatch(now, out);
    }

    /// What became of claims that had to be asked for again: who became claimable with them was told
    /// to nobody, and is found by reading.
    pub(crate) fn claimed_after_retry(
        &mut self,
        wanted: &[ClaimRequest],
        claims: Claims,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        for claim in wanted {
            if let Some(pending) = self.pending_claims.get(&claim.fence) {
                let queue = pending.queue.clone();
                self.rescan(&queue);
            }
        }
        // So may have been that something was put aside for a webhook.
        let mut claims = Claims { outbox_written: true, ..claims };
        for claimed in claims.claimed.iter().flatten() {
            // That it began was told to nobody, either, if the first answer was the lost one.
            let began = TaskFact::Started { attempt: claimed.attempt, fence: claimed.fence };
            let fact = Fact::Task(claimed.task.clone(), began);
            if !claims.events.iter().any(|event| event.fact == fact) {
                claims.events.push(Event { at: now.wall, fact });
            }
        }
        self.claimed(wanted, claims, now, out);
    }

    fn take_claims(
        &mut self,
        wanted: &[ClaimRequest],
        claims: Claims,
        durability: Durability,
        now: Now,
        out: &mut Vec<Command<W>>,
    ) {
        self.announce(claims.events, claims.outbox_written, out);
        for ready in claims.ready {
            self.arrive(ready, durability);
        }
        if durability == Durability::Durable {
            self.due = claims.due;
        }
        for (claim, claimed) in wanted.iter().zip(claims.claimed) {
            let Some(pending) = self.pending_claims.remove(&claim.fence) else { continue };
            let Some(claimed) = claimed else {
                // It was cancelled, or its time to live is over: then that is the end of it. Or the
                // store knows a limit that we do not: then it is to be found again, but not at once.
                self.unreserve(&pending.queue, pending.kind);
                if self.blocked_queues.is_empty() {
                    self.timers.insert((now.steady + LOOK_AGAIN_PAUSE, Timer::RetryBlockedQueues));
                }
                self.blocked_queues.insert(pending.queue);
                continue;
            };
            let method = if self.draining { None } else { self.resolve(&claimed.task.method) };
            let method = method.filter(|method| method.handler.kind() == pending.kind);
            let Some(method) = method else {
                // The method was replaced by one of another kind, which needs another slot. Or nothing starts any more; or a stale window offered what nobody here can run.
                self.unreserve(&pending.queue, pending.kind);
                let change = Change::Requeue { sequence: claimed.sequence, fence: claim.fence };
                self.write(durability, change, Tag::Background, now, out);
                continue;
            };
            self.queue(&pending.queue).waiting -= 1;
            self.begin(claimed, method, durability, pending.kind, now, out);
            if let Some(reason) = pending.cancel {
                self.cancel_attempt(claim.fence, &reason, now, out);
            }
        }
    }

    /// A claim was not made.
    pub(crate) fn claim_failed(&mut self, wanted: &[ClaimRequest], now: Now) {
        for claim in wanted {
            if let Some(pending) = self.pending_claims.remove(&claim.fence) {
                self.unreserve(&pending.queue, pending.kind);
                self.rescan(&pending.queue);
            }
        }
        self.pause_store(now);
    }

    /// Queues in which a claim was denied are looked at anew.
    pub(super) fn retry_blocked_queues(&mut self) {
        for name in std::mem::take(&mut self.blocked_queues) {
            self.rescan(&name);
        }
    }

    /// A store that failed is left alone for a moment.
    pub(super) fn pause_store(&mut self, now: Now) {
        self.store_pauses = true;
        self.timers.insert((now.steady + STORE_PAUSE, Timer::StoreRetry));
    }

    pub(super) fn rescan(&mut self, name: &QueueName) {
        self.queue(name).rescan();
        self.ready_queues.insert(name.clone());
    }

    pub(super) fn reserve(&mut self, name: &QueueName, kind: HandlerKind, now: Now) {
        self.slots.take(kind);
        self.queue(name).start(now);
    }

    fn unreserve(&mut self, name: &QueueName, kind: HandlerKind) {
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
            self.ready_queues.remove(name);
        }
    }

    /// The fence under which an attempt is to run at once.
    pub(super) fn claim_at_once(&mut self, name: &QueueName, kind: HandlerKind, now: Now) -> Fence {
        self.reserve(name, kind, now);
        self.next_fence()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::num::NonZeroUsize;

    use super::*;
    use crate::cache::ResultsCache;
    use crate::clock::Timestamp;
    use crate::engine::core::Settings;
    use crate::models::{QueueLimits, QueueSettings, Sequence};
    use crate::store::{OpenReport, Retention, RetentionLimit};
    use crate::tasks::TaskRegistry;

    const NOW: Now = Now { wall: Timestamp::EPOCH, steady: Duration::ZERO };

    struct NoWaiter;

    impl Waiter for NoWaiter {
        fn is_gone(&self) -> bool {
            true
        }
    }

    fn name(queue: usize) -> QueueName {
        QueueName::parse(&format!("q{queue}"), "").expect("a name")
    }

    /// Queues with these weights, numbered from 0.
    fn core(weights: &[u32]) -> Core<NoWaiter> {
        let limits = |weight: &u32| QueueLimits { weight: *weight, ..QueueLimits::default() };
        let queue = |weight: &u32| QueueSettings { limits: limits(weight), paused: false };
        let queues: BTreeMap<_, _> =
            weights.iter().enumerate().map(|(at, weight)| (name(at), queue(weight))).collect();
        let age = Duration::from_secs(60);
        let settings = Settings {
            async_slots: 1,
            sync_slots: 1,
            spare_threads: 0,
            queue_length: 1_000,
            cancel_grace: age,
            stuck_after: age,
            early_start: true,
            store_durable: true,
            retention: Retention {
                succeeded: RetentionLimit { max_age: age, max_count: 1 },
                others: RetentionLimit { max_age: age, max_count: 1 },
            },
            queues,
        };
        let opened = OpenReport {
            epoch: 1,
            next_sequence: Sequence(1),
            notify_slice: crate::store::NOTIFY_SLICE,
            queues: Vec::new(),
            rescued: 0,
            quarantined: 0,
            events: Vec::new(),
            due: None,
        };
        let cache = Arc::new(ResultsCache::new(NonZeroUsize::MIN, 1_000));
        let registry = Arc::new(TaskRegistry::default());
        Core::new(settings, registry, cache, &opened, 1, NOW)
    }

    fn push(
        core: &mut Core<NoWaiter>,
        queue: usize,
        priority: i32,
        sequence: u64,
        kind: HandlerKind,
    ) {
        let position = Position { priority, sequence: Sequence(sequence) };
        core.queue(&name(queue)).arrive(Candidate {
            position,
            kind,
            durability: Durability::Durable,
        });
        core.ready_queues.insert(name(queue));
    }

    /// Which queue's turn it is; whatever is taken is replaced.
    fn turn(core: &mut Core<NoWaiter>) -> Option<usize> {
        let (picked, candidate) = core.pick(NOW)?;
        let queue = picked.as_str()[1..].parse().expect("numbered");
        push(core, queue, 0, candidate.position.sequence.0, candidate.kind);
        Some(queue)
    }

    #[test]
    fn queues_that_have_work_take_turns_by_their_weights() {
        let weights = [1, 2, 5];
        let mut core = core(&weights);
        for queue in 0..weights.len() {
            push(&mut core, queue, 0, 1, HandlerKind::Inline);
        }
        let dispatch: Vec<usize> =
            (0..80).map(|_| turn(&mut core).expect("there is work")).collect();
        for (queue, weight) in weights.into_iter().enumerate() {
            let own: Vec<usize> = (0..80).filter(|at| dispatch[*at] == queue).collect();
            assert_eq!(own.len(), 10 * weight as usize);
            let longest = own.windows(2).map(|pair| pair[1] - pair[0] - 1).max();
            assert!(longest <= Some(8_usize.div_ceil(weight as usize)), "{queue}: {longest:?}");
        }
    }

    #[test]
    fn a_queue_that_always_has_work_is_not_starved_by_those_that_come_and_go() {
        for seed in 0..300 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let weights: Vec<u32> = (0..rng.usize(2..6)).map(|_| rng.u32(1..6)).collect();
            let total: u32 = weights.iter().sum();
            let mut core = core(&weights);
            push(&mut core, 0, 0, 1, HandlerKind::Inline);
            let mut others = 0;
            for sequence in 2..400 {
                let queue = rng.usize(0..weights.len());
                if rng.bool() {
                    push(&mut core, queue, 0, sequence, HandlerKind::Inline);
                }
                let (picked, candidate) = core.pick(NOW).expect("there is always work");
                if picked == name(0) {
                    others = 0;
                    push(&mut core, 0, 0, candidate.position.sequence.0, HandlerKind::Inline);
                } else {
                    others += 1;
                }
                let bound = 2 * total.div_ceil(weights[0]);
                assert!(others <= bound, "seed {seed}: {others} {weights:?}");
            }
        }
    }

    #[test]
    fn inside_a_queue_priority_decides_and_then_age() {
        let mut core = core(&[1]);
        for (priority, sequence) in [(0, 1), (5, 2), (0, 3), (5, 4), (-1, 5)] {
            push(&mut core, 0, priority, sequence, HandlerKind::Inline);
        }
        let taken: Vec<u64> = std::iter::from_fn(|| core.pick(NOW))
            .map(|(_, candidate)| candidate.position.sequence.0)
            .collect();
        assert_eq!(taken, [2, 4, 1, 3, 5]);
    }

    #[test]
    fn a_queue_at_its_limit_is_passed_over_and_saves_nothing_up() {
        let mut core = core(&[1, 1]);
        core.queue(&name(0)).settings.limits.concurrency = Some(1);
        core.queue(&name(0)).running = 1;
        push(&mut core, 0, 0, 1, HandlerKind::Inline);
        push(&mut core, 1, 0, 1, HandlerKind::Inline);
        for _ in 0..20 {
            assert_eq!(turn(&mut core), Some(1));
        }
        core.queue(&name(0)).running = 0;
        let dispatch: Vec<_> = (0..6).map(|_| turn(&mut core).expect("there is work")).collect();
        assert_eq!(dispatch.iter().filter(|queue| **queue == 0).count(), 3);
    }

    #[test]
    fn tasks_without_a_free_slot_do_not_hold_up_others() {
        let mut core = core(&[1]);
        push(&mut core, 0, 9, 1, HandlerKind::Sync);
        push(&mut core, 0, 0, 2, HandlerKind::Async);
        core.slots.take(HandlerKind::Sync);
        assert_eq!(core.pick(NOW).map(|(_, it)| it.position.sequence.0), Some(2));
        assert_eq!(core.pick(NOW), None);
        core.slots.free(HandlerKind::Sync);
        assert_eq!(core.pick(NOW).map(|(_, it)| it.position.sequence.0), Some(1));
    }
}
