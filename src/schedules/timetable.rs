//! The occurrences of a rule.

use crate::clock::Timestamp;
use crate::error::Error;
use crate::models::Rule;
use crate::schedules::{Cron, Periodic};

/// A parsed rule: the set of its occurrences.
#[derive(Clone, Debug)]
pub enum Timetable {
    /// Those of a cron expression.
    Cron(Box<Cron>),
    /// Those of an interval.
    Periodic(Periodic),
}

impl Timetable {
    /// Parses a rule.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` names the field at fault.
    pub fn of(rule: &Rule) -> Result<Self, Error> {
        match rule {
            Rule::Cron { expression, time_zone } => {
                Cron::parse(expression, time_zone).map(|cron| Self::Cron(Box::new(cron)))
            }
            Rule::Every { interval, anchor } => Periodic::new(*interval, *anchor)
                .map(Self::Periodic)
                .ok_or_else(|| Error::invalid("interval.every", format!("{interval:?}"))),
        }
    }

    /// The first occurrence after a time.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(cron) => cron.next_after(after),
            Self::Periodic(periodic) => periodic.next_after(after),
        }
    }

    /// The last occurrence after `after` up to `until`.
    pub fn latest(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(cron) => cron.latest(after, until),
            Self::Periodic(periodic) => periodic.latest(until).filter(|latest| *latest > after),
        }
    }

    /// The number of occurrences after `after` up to `until`, at most those of the last hundred years for
    /// a cron expression.
    pub fn count(&self, after: Timestamp, until: Timestamp) -> u64 {
        match self {
            Self::Cron(cron) => cron.count(after, until),
            Self::Periodic(periodic) => periodic.count(after, until),
        }
    }

    /// The first `count` occurrences after a time.
    pub fn next_times(&self, after: Timestamp, count: usize) -> Vec<Timestamp> {
        let first = self.next_after(after);
        std::iter::successors(first, |last| self.next_after(*last)).take(count).collect()
    }
}
