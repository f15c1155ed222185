//! The simulation's own record of what callers were promised.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cache::ResultsCache;
use crate::engine::core::StartAttempt;
use crate::error::Code;
use crate::models::{
    ArgValue, CancelVerdict, Durability, Fence, HistoryEntry, Outcome, Sequence, Snapshot, State,
    Task, TaskId,
};
use crate::store::memory::Tables;
use crate::store::{Applied, Change, ChangeResult, Claimed, OpenReport};

pub(super) struct Ledger {
    epoch: u64,
    pub(super) rescued: u64,
    submitted: BTreeSet<TaskId>,
    accepted: BTreeMap<TaskId, Durability>,
    /// Ids of ephemeral tasks: another task may get them later.
    ephemeral_ids: BTreeSet<TaskId>,
    cancelled: BTreeSet<TaskId>,
    /// Tasks that ran when they were cancelled, and their fences. They must not start again.
    cancelled_running: BTreeMap<TaskId, Option<Fence>>,
    to_signal: BTreeSet<Fence>,
    signalled: BTreeSet<Fence>,
    fences: BTreeSet<Fence>,
    claimed: BTreeSet<Fence>,
    ever_claimed: BTreeSet<Sequence>,
    /// The task that ran under each id, and its latest start.
    started: BTreeMap<TaskId, (Sequence, Fence)>,
    returned: BTreeMap<TaskId, BTreeSet<u64>>,
    values: u64,
    /// Tasks that were retried or resolved after their end.
    pub(super) retried: BTreeSet<TaskId>,
    /// Purged tasks: another task may get their ids.
    purged: BTreeSet<TaskId>,
    /// Every outcome of each durable task.
    outcomes: BTreeMap<TaskId, Vec<Outcome>>,
    ended: BTreeSet<TaskId>,
    /// The checkpoint that is stored.
    saved: BTreeMap<TaskId, Arc<[u8]>>,
    /// How many lines the log has after the handler under a fence wrote to it.
    logged: BTreeMap<Fence, u32>,
    /// Tasks whose handlers have waited for children.
    pub(super) was_suspended: BTreeSet<TaskId>,
}

impl Ledger {
    pub(super) fn new(epoch: u64) -> Self {
        Self {
            epoch,
            rescued: 0,
            submitted: BTreeSet::new(),
            accepted: BTreeMap::new(),
            ephemeral_ids: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            cancelled_running: BTreeMap::new(),
            to_signal: BTreeSet::new(),
            signalled: BTreeSet::new(),
            fences: BTreeSet::new(),
            claimed: BTreeSet::new(),
            ever_claimed: BTreeSet::new(),
            started: BTreeMap::new(),
            returned: BTreeMap::new(),
            values: 0,
            retried: BTreeSet::new(),
            purged: BTreeSet::new(),
            outcomes: BTreeMap::new(),
            ended: BTreeSet::new(),
            saved: BTreeMap::new(),
            logged: BTreeMap::new(),
            was_suspended: BTreeSet::new(),
        }
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &TaskId> {
        self.submitted.iter()
    }

    pub(super) fn submitted(&mut self, id: &TaskId) {
        self.submitted.insert(id.clone());
    }

    pub(super) fn add_ephemeral_id(&mut self, id: &TaskId) {
        self.ephemeral_ids.insert(id.clone());
    }

    pub(super) fn is_ephemeral_id(&self, id: &TaskId) -> bool {
        self.ephemeral_ids.contains(id)
    }

    pub(super) fn accepted(&mut self, task: &Task) {
        if self.purged.contains(&task.id) {
            return;
        }
        self.accepted.insert(task.id.clone(), task.options.durability);
    }

    pub(super) fn is_accepted(&self, id: &TaskId) -> bool {
        self.accepted.contains_key(id)
    }

    pub(super) fn cancelled(&mut self, id: &TaskId) {
        self.cancelled.insert(id.clone());
    }

    /// An ephemeral task ran when it was cancelled.
    pub(super) fn cancelled_running(&mut self, id: &TaskId) {
        let fence = self.started.get(id).map(|(_, fence)| *fence);
        self.cancelled_running.insert(id.clone(), fence);
    }

    /// A handler of the task succeeds; returns its result.
    pub(super) fn returned(&mut self, id: &TaskId) -> u64 {
        self.values += 1;
        self.returned.entry(id.clone()).or_default().insert(self.values);
        self.values
    }

    /// The durable store claimed a task; returns whether for the first time.
    pub(super) fn claimed(&mut self, claimed: &Claimed) -> bool {
        self.claimed.insert(claimed.fence) && self.ever_claimed.insert(claimed.sequence)
    }

    /// Whether the durable store made the claim with this fence.
    pub(super) fn is_claimed(&self, fence: Fence) -> bool {
        self.claimed.contains(&fence)
    }

    pub(super) fn starts(&mut self, start: &StartAttempt) {
        let id = &start.claimed.task.id;
        assert!(self.fences.insert(start.claimed.fence), "{} starts twice", start.claimed.fence);
        assert_eq!(start.claimed.fence.epoch, self.epoch);
        if let Some((sequence, _)) = self.started.get(id) {
            assert_eq!(*sequence, start.claimed.sequence, "{id} runs again as another task");
        }
        if let Some(fence) = self.cancelled_running.get(id) {
            assert_eq!(*fence, Some(start.claimed.fence), "{id} was cancelled and starts again");
        }
        assert!(!self.cancelled.contains(id), "{id} is cancelled and starts");
        if start.durability == Durability::Ephemeral
            && start.claimed.attempt == start.claimed.attempts_before_retry + 1
        {
            // Its parent may have retried it after its end: then it has no checkpoint.
            if start.claimed.checkpoint.is_none() {
                self.saved.remove(id);
            }
        }
        let saved = self.saved.get(id);
        assert_eq!(start.claimed.checkpoint.as_ref(), saved, "the checkpoint of {id}");
        self.started.insert(id.clone(), (start.claimed.sequence, start.claimed.fence));
    }

    /// A caller learned that a running task is signalled to stop.
    pub(super) fn must_signal(&mut self, id: &TaskId) {
        self.to_signal.extend(self.cancelled_running.get(id).copied().flatten());
    }

    pub(super) fn signalled(&mut self, fence: Fence) {
        self.signalled.insert(fence);
    }

    /// A handler returns.
    pub(super) fn ends(&self, fence: Fence) {
        let kept = !self.to_signal.contains(&fence) || self.signalled.contains(&fence);
        assert!(kept, "the handler under {fence} was not signalled to stop");
    }

    /// A checkpoint that is different from all others.
    pub(super) fn next_checkpoint(&mut self) -> Arc<[u8]> {
        self.values += 1;
        self.values.to_be_bytes().into()
    }

    /// A checkpoint is stored.
    pub(super) fn saved(&mut self, id: &TaskId, saved: Option<Arc<[u8]>>) {
        match saved {
            Some(saved) => drop(self.saved.insert(id.clone(), saved)),
            None => drop(self.saved.remove(id)),
        }
    }

    pub(super) fn logged(&mut self, fence: Fence, lines: u32) {
        self.logged.insert(fence, lines);
    }

    /// Whether the task had this outcome in the store.
    pub(super) fn had_outcome(&self, id: &TaskId, outcome: &Outcome) -> bool {
        self.outcomes.get(id).is_some_and(|it| it.contains(outcome))
    }

    pub(super) fn was_purged(&self, id: &TaskId) -> bool {
        self.purged.contains(id)
    }

    fn purge(&mut self, id: &TaskId) {
        self.purged.insert(id.clone());
        self.accepted.remove(id);
        self.cancelled.remove(id);
        self.cancelled_running.remove(id);
        self.started.remove(id);
        self.saved.remove(id);
        self.ended.remove(id);
        self.was_suspended.remove(id);
    }

    /// An ephemeral child that had ended may be retried for its parent.
    pub(super) fn may_be_retried(&mut self, id: &TaskId) {
        self.cancelled.remove(id);
        self.cancelled_running.remove(id);
    }

    /// A boot ended a task that ran when the process before it crashed.
    pub(super) fn ended_at_boot(&mut self, id: &TaskId, outcome: Outcome) {
        self.ended.insert(id.clone());
        self.saved.remove(id);
        self.outcomes.entry(id.clone()).or_default().push(outcome);
    }

    /// Records the tasks that a change ended or retried.
    fn apply_outcomes(&mut self, applied: &Applied) {
        for task in &applied.retried {
            let id = &task.id;
            assert!(self.ended.remove(id), "{id} is retried and had not ended");
            self.retried.insert(id.clone());
            self.cancelled.remove(id);
            self.cancelled_running.remove(id);
        }
        for ended in &applied.ended {
            let id = &ended.task.id;
            assert!(self.ended.insert(id.clone()), "{id} ends twice");
            self.saved.remove(id);
            self.outcomes.entry(id.clone()).or_default().push(ended.outcome.clone());
        }
    }

    /// The durable store applied a change; `now` is its task after that.
    pub(super) fn applied(&mut self, change: &Change, applied: &Applied, now: Option<&Snapshot>) {
        self.apply_outcomes(applied);
        let stale = applied.result == ChangeResult::Stale;
        match change {
            Change::Checkpoint { data, .. } if !stale => {
                let id = now.expect("its task is there").task.id.clone();
                self.saved(&id, data.clone());
            }
            Change::Purge { id } if applied.result == ChangeResult::Done => self.purge(id),
            Change::Resolve { id, .. } => {
                if let ChangeResult::Changed { ended: Some(ended), .. } = &applied.result {
                    self.cancelled.remove(id);
                    self.retried.insert(id.clone());
                    self.outcomes.entry(id.clone()).or_default().push(ended.outcome.clone());
                }
            }
            Change::Complete { fence, .. } | Change::Retry { fence, .. } if !stale => {
                if let (Some(logged), Some(now)) = (self.logged.get(fence), now) {
                    assert_eq!(*logged, now.log_lines, "lines of the log under {fence}");
                }
            }
            _ => {}
        }
        if let (Change::Insert(insert), ChangeResult::Inserted(State::Running)) =
            (change, &applied.result)
        {
            self.ever_claimed.insert(insert.sequence);
        }
        if let (
            Change::Cancel { id, .. },
            ChangeResult::Cancel { result: CancelVerdict::Requested, running },
        ) = (change, &applied.result)
        {
            assert!(running.is_some(), "{id} runs");
            self.cancelled_running.insert(id.clone(), *running);
        }
    }

    /// Another process opened the store: ephemeral tasks are lost.
    pub(super) fn reopened(&mut self, opened: &OpenReport, store: &Tables) {
        assert!(opened.epoch > self.epoch);
        self.epoch = opened.epoch;
        self.logged.clear();
        self.rescued = opened.rescued;
        for (id, durability) in &self.accepted {
            let kept = store.knows(id) || self.purged.contains(id);
            assert!(*durability == Durability::Ephemeral || kept, "{id} was accepted");
        }
        self.accepted.retain(|id, _| store.knows(id));
        self.cancelled.retain(|id| store.knows(id));
        self.cancelled_running.retain(|id, _| store.knows(id));
        self.started.retain(|id, _| store.knows(id));
        self.returned.retain(|id, _| store.knows(id));
        self.saved.retain(|id, _| store.knows(id));
        for snapshot in self.submitted.iter().filter_map(|id| store.find(id)) {
            let sequence = opened.next_sequence;
            assert_ne!(snapshot.state, State::Running, "{snapshot:?} before {sequence:?}");
        }
    }

    pub(super) fn check_end(&self, store: &Tables, cache: &ResultsCache) {
        for id in self.accepted.keys() {
            let outcome = store.find(id).and_then(|it| it.outcome);
            let outcome = outcome.or_else(|| cache.get(id).map(|it| it.outcome.clone()));
            let outcome = outcome.unwrap_or_else(|| panic!("{id} was accepted and is lost"));
            if self.cancelled.contains(id) {
                assert_eq!(outcome.state(), State::Cancelled, "{id}");
            }
            if self.purged.contains(id) {
                continue;
            }
            if let Some(ArgValue::UInt64(value)) = outcome.result() {
                let values = self.returned.get(id);
                assert!(values.is_some_and(|it| it.contains(value)), "{id} never returned {value}");
            }
        }
        for snapshot in self.submitted.iter().filter_map(|id| store.find(id)) {
            check_life(&snapshot);
            let log = store.log(&snapshot.task.id, 0, usize::MAX);
            let numbers: Vec<u32> = log.iter().map(|line| line.number).collect();
            let expected: Vec<u32> = (1..=snapshot.log_lines).collect();
            assert_eq!(numbers, expected, "the log of {}", snapshot.task.id);
            let failure = snapshot.outcome.as_ref().and_then(Outcome::failure);
            if failure.is_some_and(|failure| failure.code == Code::TimedOut) {
                let retries = snapshot.task.options.retry.retries;
                if self.retried.contains(&snapshot.task.id) {
                    continue;
                }
                assert_eq!(snapshot.attempts, retries + 1, "failed too early: {snapshot:#?}");
            }
        }
    }
}

/// Checks the state transitions in the history. Only an operator, or the retry of a dependency,
/// leads out of an ended state.
fn check_life(snapshot: &Snapshot) {
    use State::{Cancelled, Expired, Failed, Pending, Queued, Retrying, Running, Succeeded};
    let history: &[HistoryEntry] = &snapshot.history;
    if snapshot.history_dropped > 0 {
        return;
    }
    let mut started = false;
    for pair in history.windows(2) {
        let (was, is) = (&pair[0], &pair[1]);
        started |= was.state == Running;
        let legal = match is.state {
            Queued => matches!(was.state, Pending | Running | Retrying) || was.state.has_ended(),
            Running => was.state == Queued,
            Succeeded | Pending => was.state == Running || was.state.has_ended(),
            Retrying => was.state == Running,
            Failed => matches!(was.state, Pending | Queued | Running),
            Cancelled => !was.state.has_ended(),
            Expired => !started && matches!(was.state, Pending | Queued),
        };
        assert!(legal, "{snapshot:#?}");
        assert!(is.state == Running || is.attempt <= was.attempt, "{snapshot:#?}");
    }
}
