//! A ledger sorted by task. Every event carries its place in the ledger.

use std::collections::BTreeMap;

use task_scheduler::models::{Fence, State};

use crate::ledger::{Death, Ending, Ends, Entry, Need, Told};

/// A place in the ledger.
pub(super) type Place = usize;

/// The ledger, sorted.
#[derive(Default)]
pub(super) struct History<'a> {
    pub(super) tasks: BTreeMap<&'a str, Life<'a>>,
    pub(super) deaths: Vec<(Place, Death)>,
}

/// What happened to one task.
#[derive(Default)]
pub(super) struct Life<'a> {
    pub(super) asked: Option<Asked>,
    pub(super) needs: Vec<(&'a str, Need)>,
    pub(super) starts: Vec<Start>,
    pub(super) ends: Vec<End>,
    pub(super) saves: Vec<Save>,
    pub(super) spawns: Vec<Spawn<'a>>,
    /// Who asked for it from within its body.
    pub(super) parent: Option<&'a str>,
    /// When somebody was first told that it is there.
    pub(super) acknowledged: Option<Place>,
    pub(super) refused: Option<(Place, &'a str)>,
    pub(super) missing: Vec<Place>,
    pub(super) told: Vec<(Place, &'a Told)>,
    pub(super) cancelling: bool,
    pub(super) verdicts: Vec<(Place, &'a str, Option<State>)>,
}

#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// When first.
    pub(super) place: Place,
    pub(super) ends: Ends,
    pub(super) retries: u32,
    pub(super) due: u64,
}

#[derive(Clone, Copy)]
pub(super) struct Start {
    pub(super) place: Place,
    pub(super) attempt: u32,
    pub(super) fence: Fence,
    pub(super) at: u64,
    pub(super) found: u64,
}

#[derive(Clone, Copy)]
pub(super) struct End {
    pub(super) place: Place,
    pub(super) fence: Fence,
    pub(super) how: Ending,
    pub(super) at: u64,
    pub(super) wait: u64,
}

/// A write of a checkpoint, begun or acknowledged.
#[derive(Clone, Copy)]
pub(super) struct Save {
    pub(super) place: Place,
    pub(super) fence: Fence,
    pub(super) value: u64,
    pub(super) acknowledged: bool,
}

/// The same of a child.
#[derive(Clone, Copy)]
pub(super) struct Spawn<'a> {
    pub(super) place: Place,
    pub(super) fence: Fence,
    pub(super) child: &'a str,
    pub(super) acknowledged: bool,
}

impl<'a> History<'a> {
    pub(super) fn of(entries: &'a [Entry]) -> Self {
        let mut history = Self::default();
        for (place, entry) in entries.iter().enumerate() {
            history.add(place, entry);
        }
        history
    }

    fn life(&mut self, id: &'a str) -> &mut Life<'a> {
        self.tasks.entry(id).or_default()
    }

    fn add(&mut self, place: Place, entry: &'a Entry) {
        match entry {
            Entry::Start { id, attempt, fence, at, found } => {
                let (attempt, fence, at, found) = (*attempt, *fence, *at, *found);
                self.life(id).starts.push(Start { place, attempt, fence, at, found });
            }
            Entry::End { id, fence, how, at, wait } => {
                let (fence, how, at, wait) = (*fence, *how, *at, *wait);
                self.life(id).ends.push(End { place, fence, how, at, wait });
            }
            Entry::Saving { id, fence, value } | Entry::Saved { id, fence, value } => {
                let acknowledged = matches!(entry, Entry::Saved { .. });
                let (fence, value) = (*fence, *value);
                self.life(id).saves.push(Save { place, fence, value, acknowledged });
            }
            Entry::Spawning { id, fence, child } | Entry::Spawned { id, fence, child } => {
                let acknowledged = matches!(entry, Entry::Spawned { .. });
                self.life(id).spawns.push(Spawn { place, fence: *fence, child, acknowledged });
                self.life(child).parent = Some(id);
                if acknowledged {
                    self.life(child).acknowledge(place);
                }
            }
            Entry::Asked { id, ends, retries, due } => {
                let asked = Asked { place, ends: *ends, retries: *retries, due: *due };
                self.life(id).asked.get_or_insert(asked);
            }
            Entry::Needs { id, parent, how } => {
                let needs = &mut self.life(id).needs;
                if !needs.contains(&(parent, *how)) {
                    needs.push((parent, *how));
                }
            }
            Entry::Accepted { id } => self.life(id).acknowledge(place),
            Entry::Refused { id, reason } => self.life(id).refused = Some((place, reason)),
            Entry::Told { id, told } => {
                self.life(id).told.push((place, told));
                self.life(id).acknowledge(place);
            }
            Entry::Missing { id } => self.life(id).missing.push(place),
            Entry::Cancelling { id } => self.life(id).cancelling = true,
            Entry::Verdict { id, verdict, state } => {
                self.life(id).verdicts.push((place, verdict, *state));
                if verdict != "NOT_FOUND" {
                    self.life(id).acknowledge(place);
                }
            }
            Entry::Booted { .. } => {}
            Entry::Died { how, .. } => self.deaths.push((place, *how)),
        }
    }

    /// How processes went between these places.
    pub(super) fn deaths_between(
        &self,
        from: Place,
        to: Place,
    ) -> impl Iterator<Item = Death> + '_ {
        let within = move |(place, _): &&(Place, Death)| from < *place && *place < to;
        self.deaths.iter().filter(within).map(|(_, how)| *how)
    }

    /// How many processes did not stop as asked after this place.
    pub(super) fn kills_after(&self, from: Place) -> usize {
        self.deaths_between(from, Place::MAX).filter(|how| *how != Death::Drained).count()
    }
}

impl Life<'_> {
    fn acknowledge(&mut self, place: Place) {
        self.acknowledged.get_or_insert(place);
    }

    /// What the body said under this claim.
    pub(super) fn end_of(&self, fence: Fence) -> Option<&End> {
        self.ends.iter().find(|end| end.fence == fence)
    }

    /// How it ends if it is left alone. Children end well.
    pub(super) fn ends_as(&self) -> Ends {
        self.asked.map_or(Ends::Well, |asked| asked.ends)
    }
}
