//! Rows and the indexes over them: every verb of the store, as a plain function of what is there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ahash::{HashMap, HashMapExt};

use super::row::Row;
use crate::clock::Timestamp;
use crate::error::Code;
use crate::models::{
    CancelVerdict, Ended, Ending, Failure, Fence, Outcome, QueueName, Sequence, State, TaskId,
};
use crate::store::{
    Applied, Change, Claimed, Claims, Insert, Opened, Place, QueueDepth, RELEASE_SLICE, Verdict,
    Wanted,
};

/// Everything that a store in memory knows.
#[derive(Debug)]
pub struct Tables {
    pub(super) rows: BTreeMap<Sequence, Row>,
    pub(super) ids: HashMap<TaskId, Sequence>,
    /// Claimable tasks by queue, best first.
    pub(super) queued: BTreeMap<QueueName, BTreeSet<Place>>,
    /// When something becomes due or is over.
    pub(super) timers: BTreeSet<(Timestamp, Sequence)>,
    /// Who waits for whom, in this store.
    pub(super) dependants: HashMap<Sequence, BTreeSet<Sequence>>,
    /// Who waits for whom, where the parent lives elsewhere.
    pub(super) foreign: HashMap<TaskId, BTreeSet<Sequence>>,
    /// Tasks that ended and whose dependants have not all been told.
    pub(super) releases: VecDeque<Sequence>,
    /// In the order of their ends.
    pub(super) succeeded: VecDeque<(Timestamp, Sequence)>,
    pub(super) others: VecDeque<(Timestamp, Sequence)>,
    limits: BTreeMap<QueueName, u32>,
    running: BTreeMap<QueueName, u32>,
    epoch: u64,
    /// The last place in the order of acceptance that was given.
    last_sequence: Sequence,
    /// Whether tasks stay after their end.
    pub(super) keeps_ended: bool,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            ids: HashMap::new(),
            queued: BTreeMap::new(),
            timers: BTreeSet::new(),
            dependants: HashMap::new(),
            foreign: HashMap::new(),
            releases: VecDeque::new(),
            succeeded: VecDeque::new(),
            others: VecDeque::new(),
            limits: BTreeMap::new(),
            running: BTreeMap::new(),
            epoch: 0,
            last_sequence: Sequence(0),
            keeps_ended: true,
        }
    }
}

impl Tables {
    /// Tables that forget a task as soon as it has ended: its outcome lives elsewhere.
    pub fn for_unfinished_tasks() -> Self {
        Self { keeps_ended: false, ..Self::default() }
    }

    /// See [`Store::open`](crate::store::Store::open).
    pub fn open(&mut self, now: Timestamp) -> Opened {
        self.epoch += 1;
        let left: Vec<Sequence> = self.in_state(State::Running);
        for &sequence in &left {
            let row = self.rows.get_mut(&sequence).expect("just listed");
            row.rescues += 1;
            row.attempts -= 1;
            row.fence = None;
            match row.cancel_requested.take() {
                // What it was about to be told holds after all.
                Some(reason) => {
                    self.end(sequence, Ending::Cancelled(reason), now, &mut Applied::default());
                }
                None => self.requeue(sequence, now),
            }
        }
        let mut waiting: BTreeMap<QueueName, u64> = BTreeMap::new();
        for row in self.rows.values().filter(|row| !row.state.has_ended()) {
            *waiting.entry(row.task.options.queue.clone()).or_default() += 1;
        }
        Opened {
            epoch: self.epoch,
            next_sequence: Sequence(self.last_sequence.0 + 1),
            queues: waiting
                .into_iter()
                .map(|(queue, waiting)| QueueDepth { queue, waiting })
                .collect(),
            rescued: left.len() as u64,
            due: self.due(),
        }
    }

    /// Makes one change and says what followed.
    pub fn apply(&mut self, change: &Change, now: Timestamp) -> Applied {
        let mut applied = Applied::default();
        match change {
            Change::Insert(insert) => applied.verdict = self.insert(insert, now, &mut applied),
            Change::Complete { sequence, fence, result } => {
                let ending = Ending::Succeeded(result.clone());
                self.end_attempt(*sequence, *fence, ending, now, &mut applied);
            }
            Change::Skip { sequence, fence } => {
                self.end_attempt(*sequence, *fence, Ending::Skipped, now, &mut applied);
            }
            Change::Fail { sequence, fence, failure } => {
                let ending = Ending::Failed(failure.clone());
                self.end_attempt(*sequence, *fence, ending, now, &mut applied);
            }
            Change::GiveIn { sequence, fence, reason } => {
                let ending = Ending::Cancelled(reason.clone());
                self.end_attempt(*sequence, *fence, ending, now, &mut applied);
            }
            Change::Retry { sequence, fence, failure, due } => {
                if let Some(row) = self.running_once_more(*sequence, *fence, now, &mut applied) {
                    row.due = Some(*due);
                    row.enter(State::Retrying, now, Some(failure.message.clone()));
                    self.stopped(*sequence);
                    self.timers.insert((*due, *sequence));
                }
            }
            Change::Snooze { sequence, fence, due } => {
                if let Some(row) = self.running_once_more(*sequence, *fence, now, &mut applied) {
                    row.attempts -= 1;
                    row.due = Some(*due);
                    row.enter(State::Pending, now, None);
                    self.stopped(*sequence);
                    self.timers.insert((*due, *sequence));
                }
            }
            Change::Release { sequence, fence } => {
                if let Some(row) = self.running_once_more(*sequence, *fence, now, &mut applied) {
                    row.attempts -= 1;
                    self.requeue(*sequence, now);
                    applied.ready.push(self.rows[sequence].ready());
                }
            }
            Change::Decide { sequence, fence, args } => {
                if let Some(row) = self.running_under(*sequence, *fence, &mut applied) {
                    row.decided = Some(args.clone());
                } else {
                    applied.verdict = Verdict::Stale;
                }
            }
            Change::Expand { sequence, fence, children } => {
                self.expand(*sequence, *fence, children, now, &mut applied);
            }
            Change::Cancel { id, reason } => {
                applied.verdict = self.cancel(id, reason, now, &mut applied);
            }
            Change::ForeignEnded { id, well } => {
                self.foreign_ended(id, *well, now, &mut applied);
            }
            Change::Promote { limit } => self.promote(*limit, now, &mut applied),
            Change::ReleaseDependants { limit } => self.release(*limit, now, &mut applied),
            Change::Prune { retention, limit } => self.prune(*retention, *limit, now, &mut applied),
            Change::SetQueue { queue, concurrency } => {
                match concurrency {
                    Some(limit) => self.limits.insert(queue.clone(), *limit),
                    None => self.limits.remove(queue),
                };
            }
        }
        applied
    }

    /// See [`Store::claim`](crate::store::Store::claim).
    pub fn claim(&mut self, wanted: &[Wanted], now: Timestamp) -> Claims {
        let mut claims = Claims::default();
        for wish in wanted {
            claims.claimed.push(self.claim_one(wish, now));
        }
        claims
    }

    fn claim_one(&mut self, wish: &Wanted, now: Timestamp) -> Option<Claimed> {
        let row = self.rows.get_mut(&wish.sequence)?;
        if row.state == State::Running && row.fence == Some(wish.fence) {
            // The same claim again: its answer was lost.
            return Some(Self::claimed(row, wish.fence));
        }
        if row.state != State::Queued {
            return None;
        }
        // The next promotion ends it, and tells its dependants.
        if row.expiry().is_some_and(|expiry| expiry <= now) {
            return None;
        }
        let queue = row.task.options.queue.clone();
        let running = self.running.get(&queue).copied().unwrap_or(0);
        if self.limits.get(&queue).is_some_and(|limit| running >= *limit) {
            return None;
        }
        self.running.insert(queue.clone(), running + 1);
        let place = row.place();
        if let Some(expiry) = row.expiry() {
            self.timers.remove(&(expiry, wish.sequence));
        }
        row.fence = Some(wish.fence);
        row.attempts += 1;
        row.started_at = Some(now);
        row.enter(State::Running, now, None);
        let claimed = Self::claimed(row, wish.fence);
        self.unqueue(&queue, place);
        Some(claimed)
    }

    fn claimed(row: &Row, fence: Fence) -> Claimed {
        Claimed {
            sequence: row.sequence,
            fence,
            task: row.task.clone(),
            attempt: row.attempts,
            decided: row.decided.clone(),
            children: row.children.clone(),
        }
    }

    fn in_state(&self, state: State) -> Vec<Sequence> {
        self.rows.values().filter(|row| row.state == state).map(|row| row.sequence).collect()
    }

    fn insert(&mut self, insert: &Insert, now: Timestamp, applied: &mut Applied) -> Verdict {
        if let Some(known) = self.ids.get(&insert.task.id) {
            let row = &self.rows[known];
            if *known == insert.sequence {
                return Verdict::Inserted(row.state);
            }
            return Verdict::Exists(Box::new(row.snapshot()));
        }
        let parents = match self.unfinished_parents(insert) {
            Ok(parents) => parents,
            Err(verdict) => return verdict,
        };
        let mut row = Row::new(insert.sequence, insert.task.clone());
        let foreign: BTreeSet<&TaskId> = insert.foreign.iter().collect();
        row.unmet = u32::try_from(parents.len() + foreign.len()).unwrap_or(u32::MAX);
        for parent in &parents {
            self.dependants.entry(*parent).or_default().insert(insert.sequence);
        }
        for parent in foreign {
            self.foreign.entry(parent.clone()).or_default().insert(insert.sequence);
            row.foreign.push(parent.clone());
        }
        row.parents = self.hold(&insert.task.deps);
        if row.due.is_some_and(|due| due <= now) {
            row.due = None;
        }
        let state = if let (Some(fence), 0) = (insert.claim, row.unmet) {
            row.fence = Some(fence);
            row.attempts = 1;
            row.due = None;
            row.enter(State::Running, now, None);
            row.started_at = Some(now);
            *self.running.entry(insert.task.options.queue.clone()).or_default() += 1;
            State::Running
        } else if row.unmet == 0 && row.due.is_none() {
            row.enter(State::Queued, now, None);
            applied.ready.push(row.ready());
            self.queued.entry(insert.task.options.queue.clone()).or_default().insert(row.place());
            State::Queued
        } else {
            row.enter(State::Pending, now, None);
            if let Some(due) = row.due {
                self.timers.insert((due, insert.sequence));
            }
            State::Pending
        };
        if let Some(expiry) = row.expiry() {
            self.timers.insert((expiry, insert.sequence));
        }
        self.last_sequence = self.last_sequence.max(insert.sequence);
        self.ids.insert(insert.task.id.clone(), insert.sequence);
        self.rows.insert(insert.sequence, row);
        Verdict::Inserted(state)
    }

    /// The row, if it runs under that fence. Otherwise says so in the verdict: the write is stale,
    /// unless it is the very one that ended the task, told again.
    fn running_under(
        &mut self,
        sequence: Sequence,
        fence: Fence,
        applied: &mut Applied,
    ) -> Option<&mut Row> {
        let row = self.rows.get_mut(&sequence).filter(|row| row.fence == Some(fence));
        match row {
            Some(row) if row.state == State::Running => Some(row),
            Some(_) => None,
            None => {
                applied.verdict = Verdict::Stale;
                None
            }
        }
    }

    /// The row, if it runs under that fence and is to run again; the claim is over then. If somebody
    /// wished it cancelled meanwhile, it is cancelled instead.
    fn running_once_more(
        &mut self,
        sequence: Sequence,
        fence: Fence,
        now: Timestamp,
        applied: &mut Applied,
    ) -> Option<&mut Row> {
        let row = self.running_under(sequence, fence, applied)?;
        if let Some(reason) = row.cancel_requested.take() {
            self.end(sequence, Ending::Cancelled(reason), now, applied);
            self.release(RELEASE_SLICE, now, applied);
            return None;
        }
        let row = self.rows.get_mut(&sequence)?;
        row.fence = None;
        Some(row)
    }

    fn end_attempt(
        &mut self,
        sequence: Sequence,
        fence: Fence,
        ending: Ending,
        now: Timestamp,
        applied: &mut Applied,
    ) {
        if self.running_under(sequence, fence, applied).is_some() {
            self.end(sequence, ending, now, applied);
            self.release(RELEASE_SLICE, now, applied);
        } else if let Some(row) = self.rows.get(&sequence).filter(|row| row.fence == Some(fence)) {
            applied.ended.extend(row.ended.clone());
        }
    }

    /// Gives a task its outcome. Its dependants are told by the next [`release`](Self::release).
    pub(super) fn end(
        &mut self,
        sequence: Sequence,
        ending: Ending,
        now: Timestamp,
        applied: &mut Applied,
    ) {
        let row = self.rows.get_mut(&sequence).expect("only rows that are there end");
        let was = row.state;
        let outcome =
            Outcome { ending, attempts: row.attempts, started_at: row.started_at, ended_at: now };
        let error = outcome.failure().map(|failure| failure.message);
        row.enter(outcome.state(), now, error);
        row.unmet = 0;
        row.cancel_requested = None;
        let queue = row.task.options.queue.clone();
        let place = row.place();
        let (due, expiry) = (row.due.take(), row.task.options.expires_at);
        let ended = Arc::new(Ended { task: row.task.clone(), outcome });
        row.ended = Some(ended.clone());
        row.decided = None;
        let parents = std::mem::take(&mut row.parents);
        let foreign = std::mem::take(&mut row.foreign);
        for at in [due, expiry].into_iter().flatten() {
            self.timers.remove(&(at, sequence));
        }
        match was {
            State::Running => self.stopped(sequence),
            State::Queued => self.unqueue(&queue, place),
            _ => {}
        }
        self.stop_waiting(sequence, &parents, &foreign);
        self.let_go(parents);
        if self.dependants.contains_key(&sequence) {
            self.releases.push_back(sequence);
        } else {
            self.keep(sequence);
        }
        applied.ended.push(ended);
    }

    /// A task that ran does not run any more.
    fn stopped(&mut self, sequence: Sequence) {
        let queue = &self.rows[&sequence].task.options.queue;
        if let Some(running) = self.running.get_mut(queue) {
            *running -= 1;
            if *running == 0 {
                let queue = queue.clone();
                self.running.remove(&queue);
            }
        }
    }

    /// `RUNNING` → `QUEUED`.
    fn requeue(&mut self, sequence: Sequence, now: Timestamp) {
        self.stopped(sequence);
        self.queue(sequence, now);
    }

    /// Makes a task claimable.
    pub(super) fn queue(&mut self, sequence: Sequence, now: Timestamp) {
        let row = self.rows.get_mut(&sequence).expect("only rows that are there are queued");
        row.due = None;
        row.enter(State::Queued, now, None);
        self.queued.entry(row.task.options.queue.clone()).or_default().insert(row.place());
    }

    fn unqueue(&mut self, queue: &QueueName, place: Place) {
        if let Some(places) = self.queued.get_mut(queue) {
            places.remove(&place);
            if places.is_empty() {
                self.queued.remove(queue);
            }
        }
    }

    fn expand(
        &mut self,
        sequence: Sequence,
        fence: Fence,
        children: &[Insert],
        now: Timestamp,
        applied: &mut Applied,
    ) {
        // A task of somebody else is no child, whatever it is called.
        let strange = children.iter().find(|child| {
            let known = self.ids.get(&child.task.id).map(|known| &self.rows[known]);
            known.is_some_and(|row| row.task.digest != child.task.digest)
        });
        if let Some(child) = strange {
            let message = format!("a task that is no child of it is called {}", child.task.id);
            let failure = Failure { code: Code::IdTaken, message };
            self.end_attempt(sequence, fence, Ending::Failed(failure), now, applied);
            applied.verdict = Verdict::Expanded { joined: children.len() as u64 };
            return;
        }
        let Some(row) = self.running_once_more(sequence, fence, now, applied) else { return };
        row.attempts -= 1;
        row.children = children.iter().map(|child| child.task.id.clone()).collect();
        row.enter(State::Pending, now, None);
        self.stopped(sequence);
        let mut joined = 0;
        for child in children {
            // A child that is there already came from an earlier run of the parent: it is joined.
            if let Verdict::Exists(_) = self.insert(child, now, applied) {
                joined += 1;
            }
            let id = &child.task.id;
            let child = self.ids[id];
            if !self.rows[&child].state.has_ended() {
                self.dependants.entry(child).or_default().insert(sequence);
                self.rows.get_mut(&sequence).expect("it was running").unmet += 1;
            }
        }
        let ids: Vec<TaskId> = children.iter().map(|child| child.task.id.clone()).collect();
        let held = self.hold(&ids);
        self.rows.get_mut(&sequence).expect("it was running").parents.extend(held);
        if self.rows[&sequence].unmet == 0 {
            self.queue(sequence, now);
            applied.ready.push(self.rows[&sequence].ready());
        }
        applied.verdict = Verdict::Expanded { joined };
    }

    fn cancel(
        &mut self,
        id: &TaskId,
        reason: &str,
        now: Timestamp,
        applied: &mut Applied,
    ) -> Verdict {
        let said = |verdict, running| Verdict::Cancel { verdict, running };
        let Some(&sequence) = self.ids.get(id) else { return said(CancelVerdict::NotFound, None) };
        let row = self.rows.get_mut(&sequence).expect("ids point at rows");
        if row.state.has_ended() {
            return said(CancelVerdict::AlreadyEnded(row.state), None);
        }
        if row.state == State::Running {
            row.cancel_requested.get_or_insert_with(|| reason.to_owned());
            return said(CancelVerdict::Requested, row.fence);
        }
        self.end(sequence, Ending::Cancelled(reason.to_owned()), now, applied);
        self.release(RELEASE_SLICE, now, applied);
        said(CancelVerdict::Cancelled, None)
    }
}
