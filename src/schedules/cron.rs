//! Cron expressions in a time zone: when they run.
//!
//! croner reads the expression and says which days it names; the times of those days, and what
//! becomes of them where a zone changes its offset, are decided here:
//!
//! - An expression *names times of day* unless its second, minute or hour begins with `*`: `30 2 * * *`
//!   does, `*/10 2 * * *` and `0 * * * *` do not. (That is what cron does since Vixie's.)
//! - Where local time is put forward, a rule that names times of day runs once at the moment of the
//!   change if it names any time that is left out; another one goes on with what comes after.
//! - Where local time is put back, a rule that names times of day does not run again in what is
//!   repeated; another one does, for it follows the time that passes.
//!
//! Between two changes the offset is constant, so a search goes from one such [`Stretch`] to the next.

mod civil;
mod expression;
mod stretch;

use std::fmt;

use jiff::tz::TimeZone;

use self::civil::Civil;
use self::stretch::Stretch;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::schedules::check::together;

/// How far ahead an occurrence is looked for, in years: no rule that runs at all is silent for longer.
/// (29 February on a given weekday, across a century that is no leap year.)
const FARTHEST_YEARS: i64 = 41;
/// How far back occurrences are counted, in years.
const COUNTED_YEARS: i64 = 100;
const YEAR_SECONDS: i64 = 366 * 24 * 3_600;

/// A cron expression that was understood, in its time zone.
#[derive(Clone)]
pub struct Cron {
    civil: Civil,
    zone: TimeZone,
    /// Whether it names times of day.
    names_times: bool,
}

impl Cron {
    /// Understands an expression, five or six fields or a macro, in a zone of the IANA database.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for `cron.expression` or `cron.time_zone`. That it never runs is not
    /// noticed here.
    pub fn parse(expression: &str, time_zone: &str) -> Result<Self, Error> {
        match (expression::parse(expression), expression::zone(time_zone)) {
            (Ok((civil, names_times)), Ok(zone)) => Ok(Self { civil, zone, names_times }),
            (Err(one), Err(other)) => Err(together(one, other)),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    /// The name of its zone as the database writes it.
    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// The first occurrence after a time, if there is any.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let mut at = seconds(after) + 1;
        let horizon = at + FARTHEST_YEARS * YEAR_SECONDS;
        while at <= horizon {
            let stretch = Stretch::at(&self.zone, at)?;
            if stretch.begin == Some(at) && self.runs_at_change(&stretch) {
                return timestamp(at);
            }
            if let Some(found) = self.first_in(&stretch, at, horizon) {
                return timestamp(found);
            }
            at = stretch.end?;
        }
        None
    }

    /// The last occurrence that is after `after` and not after `until`.
    pub fn latest(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let (after, mut at) = (seconds(after), seconds(until));
        while at > after {
            let stretch = Stretch::at(&self.zone, at)?;
            if let Some(found) = self.last_in(&stretch, after + 1, at) {
                return timestamp(found);
            }
            let begin = stretch.begin.filter(|begin| *begin > after)?;
            if self.runs_at_change(&stretch) {
                return timestamp(begin);
            }
            at = begin - 1;
        }
        None
    }

    /// How many occurrences are after `after` and not after `until`; those of the last hundred years.
    pub fn count(&self, after: Timestamp, until: Timestamp) -> u64 {
        let last = seconds(until);
        let mut at = (seconds(after) + 1).max(last - COUNTED_YEARS * YEAR_SECONDS);
        let mut count = 0;
        while at <= last {
            let Some(stretch) = Stretch::at(&self.zone, at) else { return count };
            let (from, to) = self.civil_part(&stretch, at, last);
            count += self.civil.count(from, to);
            // Not twice, if it names the very time to which the change leads as well.
            let begins = stretch.begin == Some(at) && !self.civil.names(stretch.civil(at));
            count += u64::from(begins && self.runs_at_change(&stretch));
            match stretch.end {
                Some(end) => at = end,
                None => return count,
            }
        }
        count
    }

    /// Whether it runs at the moment at which the stretch begins, in the place of what is left out.
    fn runs_at_change(&self, stretch: &Stretch) -> bool {
        let left_out = stretch.left_out();
        self.names_times && left_out.is_some_and(|(from, to)| self.civil.first(from, to).is_some())
    }

    fn first_in(&self, stretch: &Stretch, from: i64, to: i64) -> Option<i64> {
        let (from, to) = self.civil_part(stretch, from, to);
        self.civil.first(from, to).map(|found| stretch.instant(found))
    }

    fn last_in(&self, stretch: &Stretch, from: i64, to: i64) -> Option<i64> {
        let (from, to) = self.civil_part(stretch, from, to);
        self.civil.last(from, to).map(|found| stretch.instant(found))
    }

    /// The local seconds of the part of a stretch from one instant to another, the first included and
    /// the second one too, without what it repeats if that does not count.
    fn civil_part(&self, stretch: &Stretch, from: i64, to: i64) -> (i64, i64) {
        let from = from.max(stretch.begin.unwrap_or(i64::MIN));
        let to = to.min(stretch.last());
        let mut first = stretch.civil(from);
        if self.names_times
            && let Some(fresh) = stretch.repeats_until()
        {
            first = first.max(fresh);
        }
        (first, stretch.civil(to))
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in {}", self.civil.expression(), self.zone_name())
    }
}

/// The second that a time is in.
fn seconds(time: Timestamp) -> i64 {
    (time.as_micros() / 1_000_000).cast_signed()
}

fn timestamp(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_micros(u64::try_from(seconds).ok()?.checked_mul(1_000_000)?)
}

#[cfg(test)]
mod tests;
