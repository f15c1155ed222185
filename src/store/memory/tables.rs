//! Rows and the indexes over them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;

use ahash::{HashMap, HashMapExt};

use super::outbox::Outbox;
use super::schedules::Schedules;
use crate::clock::Timestamp;
use crate::models::{LogLine, QueueName, QueueSettings, Sequence, State, TaskId};
use crate::store::rules::{self, IndexEntry, KeyState, Pace, QuarantineState, Row};
use crate::store::{
    Applied, Change, ClaimRequest, Claims, NOTIFY_SLICE, OpenOptions, OpenReport, Position,
};

/// The rows of one concurrency key: those that hold it, and those that it blocks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct KeyRows {
    pub(super) holders: BTreeSet<Sequence>,
    pub(super) claimable: BTreeSet<Sequence>,
    pub(super) blocked: BTreeSet<Position>,
}

impl KeyRows {
    fn is_empty(&self) -> bool {
        self.holders.is_empty() && self.claimable.is_empty() && self.blocked.is_empty()
    }
}

/// All that the store in memory holds.
#[derive(Debug)]
pub struct Tables {
    pub(super) rows: BTreeMap<Sequence, Row>,
    pub(super) ids: HashMap<TaskId, Sequence>,
    /// Waiting tasks by their parent in this store.
    pub(super) waiting: HashMap<Sequence, BTreeSet<Sequence>>,
    /// Waiting tasks by their parent in another store.
    pub(super) waiting_foreign: HashMap<TaskId, BTreeSet<Sequence>>,
    /// Ended or retried tasks with dependants that are not notified yet.
    pub(super) pending_dependants: VecDeque<Sequence>,
    pub(super) uniques: HashMap<String, Sequence>,
    pub(super) settings: BTreeMap<QueueName, QueueSettings>,
    pub(super) paces: BTreeMap<(QueueName, String), Pace>,
    pub(super) key_timers: BTreeSet<(Timestamp, QueueName, String)>,
    pub(super) logs: HashMap<Sequence, Vec<LogLine>>,
    pub(super) schedules: Schedules,
    pub(super) outbox: Outbox,

    // Indexes over the rows, maintained by `index`.
    /// Claimable tasks by queue, best first.
    pub(super) queued: BTreeMap<QueueName, BTreeSet<Position>>,
    /// When a task is due or expires.
    pub(super) timers: BTreeSet<(Timestamp, Sequence)>,
    pub(super) running: BTreeSet<Sequence>,
    pub(super) slots_taken: BTreeMap<QueueName, u32>,
    /// By state, in the order of [`State::ALL`].
    pub(super) states_in: BTreeMap<QueueName, [u64; State::ALL.len()]>,
    pub(super) children: HashMap<Sequence, BTreeSet<Sequence>>,
    pub(super) failed_for: HashMap<Sequence, BTreeSet<Sequence>>,
    pub(super) keyed: BTreeMap<(QueueName, String), KeyRows>,
    pub(super) quarantine_slots: BTreeSet<Sequence>,
    pub(super) quarantine_queue: BTreeSet<Sequence>,
    /// Ended tasks that no other task needs, by the time of their end.
    pub(super) succeeded: BTreeSet<(Timestamp, Sequence)>,
    pub(super) others: BTreeSet<(Timestamp, Sequence)>,

    pub(super) epoch: u64,
    /// The last boot that ended by a graceful shutdown.
    pub(super) stopped: u64,
    /// The highest sequence number used.
    pub(super) last_sequence: Sequence,
    pub(super) last_alive: Timestamp,
    /// Whether tasks are kept after their end.
    pub(super) keeps_ended: bool,
    pub(super) notify_slice: usize,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            ids: HashMap::new(),
            waiting: HashMap::new(),
            waiting_foreign: HashMap::new(),
            pending_dependants: VecDeque::new(),
            uniques: HashMap::new(),
            settings: BTreeMap::new(),
            paces: BTreeMap::new(),
            key_timers: BTreeSet::new(),
            logs: HashMap::new(),
            schedules: Schedules::default(),
            outbox: Outbox::default(),
            queued: BTreeMap::new(),
            timers: BTreeSet::new(),
            running: BTreeSet::new(),
            slots_taken: BTreeMap::new(),
            states_in: BTreeMap::new(),
            children: HashMap::new(),
            failed_for: HashMap::new(),
            keyed: BTreeMap::new(),
            quarantine_slots: BTreeSet::new(),
            quarantine_queue: BTreeSet::new(),
            succeeded: BTreeSet::new(),
            others: BTreeSet::new(),
            epoch: 0,
            stopped: 0,
            last_sequence: Sequence(0),
            last_alive: Timestamp::EPOCH,
            keeps_ended: true,
            notify_slice: NOTIFY_SLICE,
        }
    }
}

/// Unwraps a result that cannot be an error.
fn sure<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

impl Tables {
    /// Tables that drop a task when it ends, for a caller that keeps the outcomes.
    /// For `notify_slice`, see [`OpenOptions::notify_slice`].
    pub fn for_unfinished_tasks(notify_slice: usize) -> Self {
        Self { keeps_ended: false, notify_slice, ..Self::default() }
    }

    /// See [`Store::open`](crate::store::Store::open).
    pub fn open(&mut self, boot: OpenOptions) -> OpenReport {
        self.notify_slice = boot.notify_slice;
        let rescued = sure(rules::open(self, boot));
        self.last_alive = boot.now;
        OpenReport {
            epoch: rescued.epoch,
            next_sequence: Sequence(self.last_sequence.0 + 1),
            queues: self.queues(),
            notify_slice: boot.notify_slice,
            rescued: rescued.rescued,
            quarantined: rescued.quarantined,
            events: rescued.events,
            due: self.due(),
        }
    }

    /// Applies one change.
    pub fn apply(&mut self, change: &Change, now: Timestamp) -> Applied {
        self.last_alive = now;
        sure(rules::apply(self, change, now))
    }

    /// See [`Store::claim`](crate::store::Store::claim).
    pub fn claim(&mut self, requests: &[ClaimRequest], now: Timestamp) -> Claims {
        self.last_alive = now;
        let claims = sure(rules::claim(self, requests, now));
        Claims { due: self.due(), ..claims }
    }

    /// Updates the indexes for a row that was inserted, changed or deleted.
    pub(super) fn index(
        &mut self,
        queue: &QueueName,
        key: Option<&str>,
        position: Position,
        before: Option<IndexEntry>,
        after: Option<IndexEntry>,
    ) {
        if before == after {
            return;
        }
        let sequence = position.sequence;
        let was = before.unwrap_or_default();
        let is = after.unwrap_or_default();
        if was.claimable != is.claimable {
            let places = self.queued.entry(queue.clone()).or_default();
            put(places, position, is.claimable);
            if places.is_empty() {
                self.queued.remove(queue);
            }
        }
        if was.timer != is.timer {
            self.timers.extend(is.timer.map(|at| (at, sequence)));
            if let Some(at) = was.timer {
                self.timers.remove(&(at, sequence));
            }
        }
        if was.running != is.running {
            put(&mut self.running, sequence, is.running);
        }
        if was.holds_slot != is.holds_slot {
            count(&mut self.slots_taken, queue, is.holds_slot);
        }
        if was.child_of != is.child_of {
            set_relation(&mut self.children, was.child_of, sequence, false);
            set_relation(&mut self.children, is.child_of, sequence, true);
        }
        if was.failed_for != is.failed_for {
            set_relation(&mut self.failed_for, was.failed_for, sequence, false);
            set_relation(&mut self.failed_for, is.failed_for, sequence, true);
        }
        if let Some(key) = key
            && was.key_state != is.key_state
        {
            let entry = (queue.clone(), key.to_owned());
            let rows = self.keyed.entry(entry.clone()).or_default();
            put(&mut rows.holders, sequence, matches!(is.key_state, KeyState::Holds { .. }));
            put(&mut rows.claimable, sequence, is.key_state == KeyState::Holds { claimable: true });
            put(&mut rows.blocked, position, is.key_state == KeyState::Blocked);
            if rows.is_empty() {
                self.keyed.remove(&entry);
            }
        }
        if was.quarantine != is.quarantine {
            put(&mut self.quarantine_slots, sequence, is.quarantine == QuarantineState::Holds);
            put(&mut self.quarantine_queue, sequence, is.quarantine == QuarantineState::Blocked);
        }
        if was.prunable != is.prunable {
            for (prunable, there) in [(was.prunable, false), (is.prunable, true)] {
                if let Some((succeeded, at)) = prunable {
                    let ends = if succeeded { &mut self.succeeded } else { &mut self.others };
                    put(ends, (at, sequence), there);
                }
            }
        }
    }

    /// Updates the counts by state for a row that was inserted, changed or deleted.
    pub(super) fn count_state(
        &mut self,
        queue: &QueueName,
        before: Option<State>,
        after: Option<State>,
    ) {
        if before == after {
            return;
        }
        let counts = self.states_in.entry(queue.clone()).or_default();
        if let Some(before) = before {
            counts[before as usize] -= 1;
        }
        if let Some(after) = after {
            counts[after as usize] += 1;
        }
        if counts.iter().all(|count| *count == 0) {
            self.states_in.remove(queue);
        }
    }

    /// When the next task is due or expires, or the next key is due.
    pub fn due(&self) -> Option<Timestamp> {
        let row = self.timers.first().map(|(at, _)| *at);
        let key = self.key_timers.first().map(|(at, ..)| *at);
        [row, key].into_iter().flatten().min()
    }
}

fn put<T: Ord>(set: &mut BTreeSet<T>, entry: T, there: bool) {
    if there {
        set.insert(entry);
    } else {
        set.remove(&entry);
    }
}

fn count(counts: &mut BTreeMap<QueueName, u32>, queue: &QueueName, more: bool) {
    let counted = counts.entry(queue.clone()).or_default();
    *counted = if more { *counted + 1 } else { *counted - 1 };
    if *counted == 0 {
        counts.remove(queue);
    }
}

fn set_relation(
    relatives: &mut HashMap<Sequence, BTreeSet<Sequence>>,
    parent: Option<Sequence>,
    child: Sequence,
    there: bool,
) {
    let Some(parent) = parent else { return };
    let children = relatives.entry(parent).or_default();
    put(children, child, there);
    if children.is_empty() {
        relatives.remove(&parent);
    }
}
