//! What was promised to whom, kept outside of everything that is tested.

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
    asked: BTreeSet<TaskId>,
    accepted: BTreeMap<TaskId, Durability>,
    /// Ids under which ephemeral tasks were asked for: they may come to mean others.
    forgettable: BTreeSet<TaskId>,
    cancelled: BTreeSet<TaskId>,
    /// Those that were running when somebody wished them cancelled, and under which fence. They
    /// must not start again.
    wished_away: BTreeMap<TaskId, Option<Fence>>,
    to_signal: BTreeSet<Fence>,
    signalled: BTreeSet<Fence>,
    fences: BTreeSet<Fence>,
    claimed: BTreeSet<Fence>,
    ever_claimed: BTreeSet<Sequence>,
    /// Which task ran under each id, and its latest start.
    started: BTreeMap<TaskId, (Sequence, Fence)>,
    returned: BTreeMap<TaskId, BTreeSet<u64>>,
    values: u64,
    /// Had ended, and were made to run again.
    pub(super) came_back: BTreeSet<TaskId>,
    /// Somebody had them forgotten: their names may come to mean others.
    forgotten: BTreeSet<TaskId>,
    /// What each task of the durable store has come to, of which it is unfinished now.
    outcomes: BTreeMap<TaskId, Vec<Outcome>>,
    ended: BTreeSet<TaskId>,
    /// The last checkpoint that is stored.
    saved: BTreeMap<TaskId, Arc<[u8]>>,
    /// How many lines the log has by what the body under that fence said.
    said: BTreeMap<Fence, u32>,
    /// Tasks whose bodies have waited for children.
    pub(super) was_suspended: BTreeSet<TaskId>,
}

impl Ledger {
    pub(super) fn new(epoch: u64) -> Self {
        Self {
            epoch,
            rescued: 0,
            asked: BTreeSet::new(),
            accepted: BTreeMap::new(),
            forgettable: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            wished_away: BTreeMap::new(),
            to_signal: BTreeSet::new(),
            signalled: BTreeSet::new(),
            fences: BTreeSet::new(),
            claimed: BTreeSet::new(),
            ever_claimed: BTreeSet::new(),
            started: BTreeMap::new(),
            returned: BTreeMap::new(),
            values: 0,
            came_back: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            outcomes: BTreeMap::new(),
            ended: BTreeSet::new(),
            saved: BTreeMap::new(),
            said: BTreeMap::new(),
            was_suspended: BTreeSet::new(),
        }
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &TaskId> {
        self.asked.iter()
    }

    pub(super) fn asked(&mut self, id: &TaskId) {
        self.asked.insert(id.clone());
    }

    pub(super) fn may_be_forgotten(&mut self, id: &TaskId) {
        self.forgettable.insert(id.clone());
    }

    pub(super) fn is_forgettable(&self, id: &TaskId) -> bool {
        self.forgettable.contains(id)
    }

    pub(super) fn accepted(&mut self, task: &Task) {
        if self.forgotten.contains(&task.id) {
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

    /// An ephemeral task was running when somebody wished it cancelled.
    pub(super) fn wished_away(&mut self, id: &TaskId) {
        let fence = self.started.get(id).map(|(_, fence)| *fence);
        self.wished_away.insert(id.clone(), fence);
    }

    /// A body of the task returns well, with this value.
    pub(super) fn returned(&mut self, id: &TaskId) -> u64 {
        self.values += 1;
        self.returned.entry(id.clone()).or_default().insert(self.values);
        self.values
    }

    /// The durable store gave a task away; whether for the first time.
    pub(super) fn claimed(&mut self, claimed: &Claimed) -> bool {
        self.claimed.insert(claimed.fence) && self.ever_claimed.insert(claimed.sequence)
    }

    /// Whether that body starts under a claim that the durable store has made.
    pub(super) fn is_claimed(&self, fence: Fence) -> bool {
        self.claimed.contains(&fence)
    }

    pub(super) fn starts(&mut self, start: &StartAttempt) {
        let id = &start.claimed.task.id;
        assert!(self.fences.insert(start.claimed.fence), "{} starts twice", start.claimed.fence);
        assert_eq!(start.claimed.fence.epoch, self.epoch);
        if let Some((sequence, _)) = self.started.get(id) {
            assert_eq!(*sequence, start.claimed.sequence, "{id} runs once more as another task");
        }
        if let Some(fence) = self.wished_away.get(id) {
            assert_eq!(*fence, Some(start.claimed.fence), "{id} was cancelled and starts again");
        }
        assert!(!self.cancelled.contains(id), "{id} is cancelled and starts");
        if start.durability == Durability::Ephemeral
            && start.claimed.attempt == start.claimed.attempts_before_retry + 1
        {
            // Its parent may have had it run again after its end: that begins anew.
            if start.claimed.checkpoint.is_none() {
                self.saved.remove(id);
            }
        }
        let saved = self.saved.get(id);
        assert_eq!(start.claimed.checkpoint.as_ref(), saved, "the checkpoint of {id}");
        self.started.insert(id.clone(), (start.claimed.sequence, start.claimed.fence));
    }

    /// Somebody was told that a running task is asked to stop.
    pub(super) fn promised_to_signal(&mut self, id: &TaskId) {
        self.to_signal.extend(self.wished_away.get(id).copied().flatten());
    }

    pub(super) fn signalled(&mut self, fence: Fence) {
        self.signalled.insert(fence);
    }

    /// A body that is there returns.
    pub(super) fn ends(&self, fence: Fence) {
        let kept = !self.to_signal.contains(&fence) || self.signalled.contains(&fence);
        assert!(kept, "the body under {fence} was not told to stop");
    }

    /// A checkpoint that nobody had before.
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

    pub(super) fn said(&mut self, fence: Fence, lines: u32) {
        self.said.insert(fence, lines);
    }

    /// Whether that task was stored as having come to that.
    pub(super) fn has_come_to(&self, id: &TaskId, outcome: &Outcome) -> bool {
        self.outcomes.get(id).is_some_and(|it| it.contains(outcome))
    }

    pub(super) fn was_forgotten(&self, id: &TaskId) -> bool {
        self.forgotten.contains(id)
    }

    fn forget(&mut self, id: &TaskId) {
        self.forgotten.insert(id.clone());
        self.accepted.remove(id);
        self.cancelled.remove(id);
        self.wished_away.remove(id);
        self.started.remove(id);
        self.saved.remove(id);
        self.ended.remove(id);
        self.was_suspended.remove(id);
    }

    /// An ephemeral child that had ended may run again for its parent.
    pub(super) fn may_have_come_back(&mut self, id: &TaskId) {
        self.cancelled.remove(id);
        self.wished_away.remove(id);
    }

    /// A boot ended what ran when the process before it died.
    pub(super) fn ended_at_boot(&mut self, id: &TaskId, outcome: Outcome) {
        self.ended.insert(id.clone());
        self.saved.remove(id);
        self.outcomes.entry(id.clone()).or_default().push(outcome);
    }

    /// What a change made tasks come to, and which it made run again.
    fn followed(&mut self, applied: &Applied) {
        for task in &applied.retried {
            let id = &task.id;
            assert!(self.ended.remove(id), "{id} comes back and had not ended");
            self.came_back.insert(id.clone());
            self.cancelled.remove(id);
            self.wished_away.remove(id);
        }
        for ended in &applied.ended {
            let id = &ended.task.id;
            assert!(self.ended.insert(id.clone()), "{id} ends twice");
            self.saved.remove(id);
            self.outcomes.entry(id.clone()).or_default().push(ended.outcome.clone());
        }
    }

    /// The durable store has made a change, about a task that stands so now.
    pub(super) fn applied(&mut self, change: &Change, applied: &Applied, now: Option<&Snapshot>) {
        self.followed(applied);
        let stale = applied.result == ChangeResult::Stale;
        match change {
            Change::Checkpoint { data, .. } if !stale => {
                let id = now.expect("its task is there").task.id.clone();
                self.saved(&id, data.clone());
            }
            Change::Purge { id } if applied.result == ChangeResult::Done => self.forget(id),
            Change::Resolve { id, .. } => {
                if let ChangeResult::Changed { ended: Some(ended), .. } = &applied.result {
                    self.cancelled.remove(id);
                    self.came_back.insert(id.clone());
                    self.outcomes.entry(id.clone()).or_default().push(ended.outcome.clone());
                }
            }
            Change::Complete { fence, .. } | Change::Retry { fence, .. } if !stale => {
                if let (Some(said), Some(now)) = (self.said.get(fence), now) {
                    assert_eq!(*said, now.log_lines, "lines of the log under {fence}");
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
            self.wished_away.insert(id.clone(), *running);
        }
    }

    /// Another process opened the store: what was in memory alone is gone.
    pub(super) fn reopened(&mut self, opened: &OpenReport, store: &Tables) {
        assert!(opened.epoch > self.epoch);
        self.epoch = opened.epoch;
        self.said.clear();
        self.rescued = opened.rescued;
        for (id, durability) in &self.accepted {
            let kept = store.knows(id) || self.forgotten.contains(id);
            assert!(*durability == Durability::Ephemeral || kept, "{id} was accepted");
        }
        self.accepted.retain(|id, _| store.knows(id));
        self.cancelled.retain(|id| store.knows(id));
        self.wished_away.retain(|id, _| store.knows(id));
        self.started.retain(|id, _| store.knows(id));
        self.returned.retain(|id, _| store.knows(id));
        self.saved.retain(|id, _| store.knows(id));
        for snapshot in self.asked.iter().filter_map(|id| store.find(id)) {
            let sequence = opened.next_sequence;
            assert_ne!(snapshot.state, State::Running, "{snapshot:?} before {sequence:?}");
        }
    }

    pub(super) fn check_the_end(&self, store: &Tables, cache: &ResultsCache) {
        for id in self.accepted.keys() {
            let outcome = store.find(id).and_then(|it| it.outcome);
            let outcome = outcome.or_else(|| cache.get(id).map(|it| it.outcome.clone()));
            let outcome = outcome.unwrap_or_else(|| panic!("{id} was accepted and is lost"));
            if self.cancelled.contains(id) {
                assert_eq!(outcome.state(), State::Cancelled, "{id}");
            }
            if self.forgotten.contains(id) {
                continue;
            }
            if let Some(ArgValue::UInt64(value)) = outcome.result() {
                let values = self.returned.get(id);
                assert!(values.is_some_and(|it| it.contains(value)), "{id} never returned {value}");
            }
        }
        for snapshot in self.asked.iter().filter_map(|id| store.find(id)) {
            check_life(&snapshot);
            let log = store.log(&snapshot.task.id, 0, usize::MAX);
            let numbers: Vec<u32> = log.iter().map(|line| line.number).collect();
            let expected: Vec<u32> = (1..=snapshot.log_lines).collect();
            assert_eq!(numbers, expected, "the log of {}", snapshot.task.id);
            let failure = snapshot.outcome.as_ref().and_then(Outcome::failure);
            if failure.is_some_and(|failure| failure.code == Code::TimedOut) {
                let retries = snapshot.task.options.retry.retries;
                if self.came_back.contains(&snapshot.task.id) {
                    continue;
                }
                assert_eq!(snapshot.attempts, retries + 1, "given up too early: {snapshot:#?}");
            }
        }
    }
}

/// Only legal steps. What has ended is left only by hand, or with what it had ended for.
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
