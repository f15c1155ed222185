//! Schedules by name, and by their next time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::models::{Name, Schedule, ScheduleStatus};
use crate::store::DueSchedules;
use crate::store::rules::ScheduleState;

#[derive(Debug, Default)]
pub(super) struct Schedules {
    all: BTreeMap<Name, (Arc<Schedule>, ScheduleState)>,
    due: BTreeSet<(Timestamp, Name)>,
}

impl Schedules {
    pub(super) fn schedule_state(&self, name: &Name) -> Option<ScheduleState> {
        self.all.get(name).map(|(_, state)| state.clone())
    }

    /// Panics if there is no such schedule.
    pub(super) fn set_schedule_state(&mut self, state: ScheduleState) {
        let (schedule, before) = self.all.get_mut(&state.name).expect("the schedule exists");
        let (was, is) = (before.next, state.next);
        let name = schedule.name.clone();
        *before = state;
        self.move_on(&name, was, is);
    }

    pub(super) fn define(&mut self, schedule: &Arc<Schedule>, state: ScheduleState) {
        let (name, is) = (schedule.name.clone(), state.next);
        let before = self.all.insert(name.clone(), (schedule.clone(), state));
        self.move_on(&name, before.and_then(|(_, state)| state.next), is);
    }

    pub(super) fn remove(&mut self, name: &Name) -> bool {
        let Some((_, state)) = self.all.remove(name) else { return false };
        self.move_on(name, state.next, None);
        true
    }

    fn move_on(&mut self, name: &Name, was: Option<Timestamp>, is: Option<Timestamp>) {
        if let Some(at) = was {
            self.due.remove(&(at, name.clone()));
        }
        self.due.extend(is.map(|at| (at, name.clone())));
    }

    pub(super) fn status(&self, name: &Name) -> Option<ScheduleStatus> {
        let (schedule, state) = self.all.get(name)?;
        Some(state.clone().status(schedule.clone()))
    }

    pub(super) fn page(&self, after: Option<&Name>, limit: usize) -> Vec<ScheduleStatus> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.all.range::<Name, _>((from, Bound::Unbounded)).take(limit);
        behind.map(|(_, (schedule, state))| state.clone().status(schedule.clone())).collect()
    }

    pub(super) fn due(&self, now: Timestamp, limit: usize) -> DueSchedules {
        let mut found = DueSchedules::default();
        for (at, name) in &self.due {
            if *at > now || found.due.len() == limit {
                found.next = Some(*at);
                break;
            }
            found.due.extend(self.status(name));
        }
        found
    }

    /// Panics if the index of next times disagrees with the schedules.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let mut due = BTreeSet::new();
        for (name, (schedule, state)) in &self.all {
            assert_eq!((name, name), (&schedule.name, &state.name));
            assert_eq!(schedule.overlap, state.overlap);
            assert!(state.enabled || state.next.is_none(), "{state:?}");
            assert!(state.runs.len() <= crate::models::MAX_REMEMBERED_RUNS);
            due.extend(state.next.map(|at| (at, name.clone())));
        }
        assert_eq!(self.due, due);
    }
}
