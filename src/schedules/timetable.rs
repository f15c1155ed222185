//! When a rule runs.

use crate::clock::Timestamp;
use crate::error::Error;
use crate::models::Rule;
use crate::schedules::{Cron, Periodic};

/// A rule that was understood: the set of its occurrences.
#[derive(Clone, Debug)]
pub enum Timetable {
    /// At the times that a cron expression names.
    Cron(Box<Cron>),
    /// Every so often.
    Periodic(Periodic),
}

impl Timetable {
    /// Understands a rule.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, naming the field at fault.
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

    /// The first occurrence after a time, if there is any.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(cron) => cron.next_after(after),
            Self::Periodic(periodic) => periodic.next_after(after),
        }
    }

    /// The last occurrence that is after `after` and not after `until`.
    pub fn latest(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(cron) => cron.latest(after, until),
            Self::Periodic(periodic) => periodic.latest(until).filter(|latest| *latest > after),
        }
    }

    /// How many occurrences are after `after` and not after `until`. Exact, unless more than a hundred
    /// years lie between: then those of the last hundred.
    pub fn count(&self, after: Timestamp, until: Timestamp) -> u64 {
        match self {
            Self::Cron(cron) => cron.count(after, until),
            Self::Periodic(periodic) => periodic.count(after, until),
        }
    }

    /// The next so many occurrences after a time.
    pub fn next_times(&self, after: Timestamp, count: usize) -> Vec<Timestamp> {
        let first = self.next_after(after);
        std::iter::successors(first, |last| self.next_after(*last)).take(count).collect()
    }
}
