//! Cron expressions in a time zone, correct across daylight saving time (DST).
//!
//! croner parses the expression and matches days; this module computes the times of those days and
//! handles changes of the zone's offset:
//!
//! - An expression is a *time of day* unless its second, minute or hour field begins with `*`:
//!   `30 2 * * *` is one, `*/10 2 * * *` and `0 * * * *` are not. (Cron has done so since Vixie's.)
//! - Gap (local time skips forward): a time of day that falls into the gap runs once, at the change.
//!   Other rules continue after the gap.
//! - Fold (local time repeats): a time of day runs once, in the first pass. Other rules run in both
//!   passes, because they follow elapsed time.
//!
//! Between two changes the offset is constant: a search walks from one [`OffsetSpan`] to the next.

mod civil;
mod expression;
mod offset_span;

use std::fmt;

use jiff::tz::TimeZone;

use self::civil::Civil;
use self::offset_span::OffsetSpan;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::schedules::check::merge;

/// How far ahead [`Cron::next_after`] searches, in years. No rule that runs at all pauses longer: the
/// rarest is 29 February on a given weekday, across a century that is no leap year.
const SEARCHED_YEARS: i64 = 41;
/// How far back [`Cron::count`] counts, in years.
const COUNTED_YEARS: i64 = 100;
const YEAR_SECONDS: i64 = 366 * 24 * 3_600;

/// A parsed cron expression and its time zone.
#[derive(Clone)]
pub struct Cron {
    civil: Civil,
    zone: TimeZone,
    is_time_of_day: bool,
}

impl Cron {
    /// Parses an expression (five or six fields, or a macro) in a time zone of the IANA database. An
    /// expression that never runs is accepted.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for `cron.expression` or `cron.time_zone`.
    pub fn parse(expression: &str, time_zone: &str) -> Result<Self, Error> {
        match (expression::parse(expression), expression::zone(time_zone)) {
            (Ok((civil, is_time_of_day)), Ok(zone)) => Ok(Self { civil, zone, is_time_of_day }),
            (Err(one), Err(other)) => Err(merge(one, other)),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    /// The zone's name as the IANA database spells it.
    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// The first occurrence after a time.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let mut at = seconds(after) + 1;
        let horizon = at + SEARCHED_YEARS * YEAR_SECONDS;
        while at <= horizon {
            let span = OffsetSpan::at(&self.zone, at)?;
            if span.begin == Some(at) && self.runs_at_change(&span) {
                return timestamp(at);
            }
            if let Some(found) = self.first_in(&span, at, horizon) {
                return timestamp(found);
            }
            at = span.end?;
        }
        None
    }

    /// The last occurrence after `after` up to `until`.
    pub fn latest(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let (after, mut at) = (seconds(after), seconds(until));
        while at > after {
            let span = OffsetSpan::at(&self.zone, at)?;
            if let Some(found) = self.last_in(&span, after + 1, at) {
                return timestamp(found);
            }
            let begin = span.begin.filter(|begin| *begin > after)?;
            if self.runs_at_change(&span) {
                return timestamp(begin);
            }
            at = begin - 1;
        }
        None
    }

    /// The number of occurrences after `after` up to `until`, at most those of the last hundred years.
    pub fn count(&self, after: Timestamp, until: Timestamp) -> u64 {
        let last = seconds(until);
        let mut at = (seconds(after) + 1).max(last - COUNTED_YEARS * YEAR_SECONDS);
        let mut count = 0;
        while at <= last {
            let Some(span) = OffsetSpan::at(&self.zone, at) else { return count };
            let (from, to) = self.civil_part(&span, at, last);
            count += self.civil.count(from, to);
            // Counted above already if the expression names the first local time after the gap.
            let begins = span.begin == Some(at) && !self.civil.matches(span.civil(at));
            count += u64::from(begins && self.runs_at_change(&span));
            match span.end {
                Some(end) => at = end,
                None => return count,
            }
        }
        count
    }

    /// Whether it runs at the first instant of the span, for a time of day in the gap before it.
    fn runs_at_change(&self, span: &OffsetSpan) -> bool {
        let gap = span.gap();
        self.is_time_of_day && gap.is_some_and(|(from, to)| self.civil.first(from, to).is_some())
    }

    fn first_in(&self, span: &OffsetSpan, from: i64, to: i64) -> Option<i64> {
        let (from, to) = self.civil_part(span, from, to);
        self.civil.first(from, to).map(|found| span.instant(found))
    }

    fn last_in(&self, span: &OffsetSpan, from: i64, to: i64) -> Option<i64> {
        let (from, to) = self.civil_part(span, from, to);
        self.civil.last(from, to).map(|found| span.instant(found))
    }

    /// The local seconds of the part of a span between two instants, both included. Without the second
    /// pass of a fold for a time of day.
    fn civil_part(&self, span: &OffsetSpan, from: i64, to: i64) -> (i64, i64) {
        let from = from.max(span.begin.unwrap_or(i64::MIN));
        let to = to.min(span.last());
        let mut first = span.civil(from);
        if self.is_time_of_day
            && let Some(after_fold) = span.fold_end()
        {
            first = first.max(after_fold);
        }
        (first, span.civil(to))
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in {}", self.civil.expression(), self.zone_name())
    }
}

/// Truncates to whole seconds.
fn seconds(time: Timestamp) -> i64 {
    (time.as_micros() / 1_000_000).cast_signed()
}

fn timestamp(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_micros(u64::try_from(seconds).ok()?.checked_mul(1_000_000)?)
}

#[cfg(test)]
mod tests;
