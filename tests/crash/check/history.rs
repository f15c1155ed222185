//! A ledger grouped by task. Every event carries its position in the ledger.

use std::collections::BTreeMap;

use task_scheduler::models::{Fence, State};

use crate::ledger::{Condition, Entry, Expected, HandlerResult, Outcome, ProcessExit};

/// The number of a line in the ledger.
pub(super) type Position = usize;

/// The ledger, grouped by task.
#[derive(Default)]
pub(super) struct History<'a> {
    pub(super) tasks: BTreeMap<&'a str, TaskHistory<'a>>,
    pub(super) exits: Vec<(Position, ProcessExit)>,
}

/// The events of one task.
#[derive(Default)]
pub(super) struct TaskHistory<'a> {
    pub(super) requested: Option<Requested>,
    pub(super) needs: Vec<(&'a str, Condition)>,
    pub(super) starts: Vec<Start>,
    pub(super) ends: Vec<End>,
    pub(super) saves: Vec<Save>,
    pub(super) spawns: Vec<Spawn<'a>>,
    /// The task whose handler spawned this one.
    pub(super) parent: Option<&'a str>,
    /// The first answer from which a client knows that the task exists.
    pub(super) acknowledged: Option<Position>,
    pub(super) refused: Option<(Position, &'a str)>,
    pub(super) missing: Vec<Position>,
    pub(super) outcomes: Vec<(Position, &'a Outcome)>,
    pub(super) cancelling: bool,
    pub(super) verdicts: Vec<(Position, &'a str, Option<State>)>,
}

#[derive(Clone, Copy)]
pub(super) struct Requested {
    /// The first request's position.
    pub(super) position: Position,
    pub(super) expected: Expected,
    pub(super) retries: u32,
    pub(super) due: u64,
}

#[derive(Clone, Copy)]
pub(super) struct Start {
    pub(super) position: Position,
    pub(super) attempt: u32,
    pub(super) fence: Fence,
    pub(super) at: u64,
    pub(super) found: u64,
}

#[derive(Clone, Copy)]
pub(super) struct End {
    pub(super) position: Position,
    pub(super) fence: Fence,
    pub(super) how: HandlerResult,
    pub(super) at: u64,
    pub(super) wait: u64,
}

/// A write of a checkpoint: before it, or after its acknowledgement.
#[derive(Clone, Copy)]
pub(super) struct Save {
    pub(super) position: Position,
    pub(super) fence: Fence,
    pub(super) value: u64,
    pub(super) acknowledged: bool,
}

/// A spawn of a child: before it, or after its acknowledgement.
#[derive(Clone, Copy)]
pub(super) struct Spawn<'a> {
    pub(super) position: Position,
    pub(super) fence: Fence,
    pub(super) child: &'a str,
    pub(super) acknowledged: bool,
}

impl<'a> History<'a> {
    pub(super) fn of(entries: &'a [Entry]) -> Self {
        let mut history = Self::default();
        for (position, entry) in entries.iter().enumerate() {
            history.add(position, entry);
        }
        history
    }

    fn task(&mut self, id: &'a str) -> &mut TaskHistory<'a> {
        self.tasks.entry(id).or_default()
    }

    fn add(&mut self, position: Position, entry: &'a Entry) {
        match entry {
            Entry::Start { id, attempt, fence, at, found } => {
                let (attempt, fence, at, found) = (*attempt, *fence, *at, *found);
                self.task(id).starts.push(Start { position, attempt, fence, at, found });
            }
            Entry::End { id, fence, how, at, wait } => {
                let (fence, how, at, wait) = (*fence, *how, *at, *wait);
                self.task(id).ends.push(End { position, fence, how, at, wait });
            }
            Entry::Saving { id, fence, value } | Entry::Saved { id, fence, value } => {
                let acknowledged = matches!(entry, Entry::Saved { .. });
                let (fence, value) = (*fence, *value);
                self.task(id).saves.push(Save { position, fence, value, acknowledged });
            }
            Entry::Spawning { id, fence, child } | Entry::Spawned { id, fence, child } => {
                let acknowledged = matches!(entry, Entry::Spawned { .. });
                self.task(id).spawns.push(Spawn { position, fence: *fence, child, acknowledged });
                self.task(child).parent = Some(id);
                if acknowledged {
                    self.task(child).acknowledge(position);
                }
            }
            Entry::Requested { id, expected, retries, due } => {
                let requested =
                    Requested { position, expected: *expected, retries: *retries, due: *due };
                self.task(id).requested.get_or_insert(requested);
            }
            Entry::Needs { id, parent, how } => {
                let needs = &mut self.task(id).needs;
                if !needs.contains(&(parent, *how)) {
                    needs.push((parent, *how));
                }
            }
            Entry::Accepted { id } => self.task(id).acknowledge(position),
            Entry::Refused { id, reason } => self.task(id).refused = Some((position, reason)),
            Entry::Outcome { id, outcome } => {
                self.task(id).outcomes.push((position, outcome));
                self.task(id).acknowledge(position);
            }
            Entry::Missing { id } => self.task(id).missing.push(position),
            Entry::Cancelling { id } => self.task(id).cancelling = true,
            Entry::Verdict { id, verdict, state } => {
                self.task(id).verdicts.push((position, verdict, *state));
                if verdict != "NOT_FOUND" {
                    self.task(id).acknowledge(position);
                }
            }
            Entry::Booted { .. } => {}
            Entry::Exited { how, .. } => self.exits.push((position, *how)),
        }
    }

    /// The exits of the process between two positions.
    pub(super) fn exits_between(
        &self,
        from: Position,
        to: Position,
    ) -> impl Iterator<Item = ProcessExit> + '_ {
        let within =
            move |(position, _): &&(Position, ProcessExit)| from < *position && *position < to;
        self.exits.iter().filter(within).map(|(_, how)| *how)
    }

    /// The number of exits after this position that were not a graceful shutdown.
    pub(super) fn kills_after(&self, from: Position) -> usize {
        self.exits_between(from, Position::MAX).filter(|how| *how != ProcessExit::Drained).count()
    }
}

impl TaskHistory<'_> {
    fn acknowledge(&mut self, position: Position) {
        self.acknowledged.get_or_insert(position);
    }

    /// The result that the handler returned under this claim.
    pub(super) fn end_of(&self, fence: Fence) -> Option<&End> {
        self.ends.iter().find(|end| end.fence == fence)
    }

    /// The outcome that the task must have. Children succeed.
    pub(super) fn expected(&self) -> Expected {
        self.requested.map_or(Expected::Succeeded, |requested| requested.expected)
    }
}
