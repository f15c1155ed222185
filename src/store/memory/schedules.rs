//! Schedules, by name and by when they run next.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::models::{Name, Schedule, ScheduleStatus};
use crate::store::DueSchedules;
use crate::store::rules::Standing;

#[derive(Debug, Default)]
pub(super) struct Schedules {
    all: BTreeMap<Name, (Arc<Schedule>, Standing)>,
    due: BTreeSet<(Timestamp, Name)>,
}

impl Schedules {
    pub(super) fn standing(&self, name: &Name) -> Option<Standing> {
        self.all.get(name).map(|(_, standing)| standing.clone())
    }

    /// The schedule is there.
    pub(super) fn set_standing(&mut self, standing: Standing) {
        let (schedule, before) = self.all.get_mut(&standing.name).expect("it is there");
        let (was, is) = (before.next, standing.next);
        let name = schedule.name.clone();
        *before = standing;
        self.move_on(&name, was, is);
    }

    pub(super) fn define(&mut self, schedule: &Arc<Schedule>, standing: Standing) {
        let (name, is) = (schedule.name.clone(), standing.next);
        let before = self.all.insert(name.clone(), (schedule.clone(), standing));
        self.move_on(&name, before.and_then(|(_, standing)| standing.next), is);
    }

    pub(super) fn remove(&mut self, name: &Name) -> bool {
        let Some((_, standing)) = self.all.remove(name) else { return false };
        self.move_on(name, standing.next, None);
        true
    }

    fn move_on(&mut self, name: &Name, was: Option<Timestamp>, is: Option<Timestamp>) {
        if let Some(at) = was {
            self.due.remove(&(at, name.clone()));
        }
        self.due.extend(is.map(|at| (at, name.clone())));
    }

    pub(super) fn status(&self, name: &Name) -> Option<ScheduleStatus> {
        let (schedule, standing) = self.all.get(name)?;
        Some(standing.clone().status(schedule.clone()))
    }

    pub(super) fn page(&self, after: Option<&Name>, limit: usize) -> Vec<ScheduleStatus> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.all.range::<Name, _>((from, Bound::Unbounded)).take(limit);
        behind.map(|(_, (schedule, standing))| standing.clone().status(schedule.clone())).collect()
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

    /// Panics where the index does not agree with what it is made of.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let mut due = BTreeSet::new();
        for (name, (schedule, standing)) in &self.all {
            assert_eq!((name, name), (&schedule.name, &standing.name));
            assert_eq!(schedule.overlap, standing.overlap);
            assert!(standing.enabled || standing.next.is_none(), "{standing:?}");
            assert!(standing.runs.len() <= crate::models::MAX_REMEMBERED_RUNS);
            due.extend(standing.next.map(|at| (at, name.clone())));
        }
        assert_eq!(self.due, due);
    }
}
