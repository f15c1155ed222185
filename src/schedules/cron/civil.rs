//! Matches an expression against local time without DST: seconds since 1970.

use croner::Weekday;
use croner::time::days_in_month;

const DAY: i64 = 24 * 3_600;

/// The local times that match an expression.
#[derive(Clone)]
pub(super) struct Civil {
    days: croner::Cron,
    /// Ascending; like `minutes` and `seconds` never empty.
    hours: Vec<u16>,
    minutes: Vec<u16>,
    seconds: Vec<u16>,
}

impl Civil {
    pub(super) fn of(cron: croner::Cron) -> Self {
        let pattern = &cron.pattern;
        let [hours, minutes, seconds] =
            [&pattern.hours, &pattern.minutes, &pattern.seconds].map(|field| field.values());
        Self { days: cron, hours, minutes, seconds }
    }

    /// The text of the expression.
    pub(super) fn expression(&self) -> &str {
        self.days.as_str()
    }

    /// Whether this second matches.
    pub(super) fn matches(&self, second: i64) -> bool {
        self.first(second, second).is_some()
    }

    /// The first matching second between two, both included.
    pub(super) fn first(&self, from: i64, to: i64) -> Option<i64> {
        let mut day = from.div_euclid(DAY);
        let last = to.div_euclid(DAY);
        let mut earliest = from.rem_euclid(DAY);
        while day <= last {
            let date = Date::of(day);
            if !self.month_matches(date) {
                (day, earliest) = (day + date.to_next_month(), 0);
                continue;
            }
            if self.day_matches(date)
                && let Some(time) = self.first_time(earliest)
            {
                let found = day * DAY + time;
                return (found <= to).then_some(found);
            }
            (day, earliest) = (day + 1, 0);
        }
        None
    }

    /// The last matching second between two, both included.
    pub(super) fn last(&self, from: i64, to: i64) -> Option<i64> {
        let mut day = to.div_euclid(DAY);
        let first = from.div_euclid(DAY);
        let mut latest = to.rem_euclid(DAY);
        while day >= first {
            let date = Date::of(day);
            if !self.month_matches(date) {
                (day, latest) = (day - i64::from(date.day), DAY - 1);
                continue;
            }
            if self.day_matches(date)
                && let Some(time) = self.last_time(latest)
            {
                let found = day * DAY + time;
                return (found >= from).then_some(found);
            }
            (day, latest) = (day - 1, DAY - 1);
        }
        None
    }

    /// The number of matching seconds between two, both included.
    pub(super) fn count(&self, from: i64, to: i64) -> u64 {
        if from > to {
            return 0;
        }
        let (first, last) = (from.div_euclid(DAY), to.div_euclid(DAY));
        let mut count = 0;
        let mut day = first;
        while day <= last {
            let date = Date::of(day);
            if !self.month_matches(date) {
                day += date.to_next_month();
                continue;
            }
            if self.day_matches(date) {
                count += match (day == first, day == last) {
                    (false, false) => self.times_before(DAY),
                    (begins, ends) => {
                        let until = if ends { to.rem_euclid(DAY) + 1 } else { DAY };
                        let from = if begins { from.rem_euclid(DAY) } else { 0 };
                        self.times_before(until) - self.times_before(from)
                    }
                };
            }
            day += 1;
        }
        count
    }

    /// croner returns an error only for dates that do not exist.
    fn day_matches(&self, date: Date) -> bool {
        let Date { year, month, day, weekday } = date;
        self.days.pattern.day_match(year, month, day, weekday).unwrap_or(false)
    }

    fn month_matches(&self, date: Date) -> bool {
        self.days.pattern.month_match(date.month).unwrap_or(false)
    }

    /// The first matching second of a day from `earliest` on.
    fn first_time(&self, earliest: i64) -> Option<i64> {
        let (hour, minute, second) = parts(earliest);
        let of = |hour: u16, minute: u16, second: u16| Some(time(hour, minute, second));
        let [first_minute, first_second] = [self.minutes.first()?, self.seconds.first()?];
        if self.hours.contains(&hour) {
            if self.minutes.contains(&minute)
                && let Some(second) = self.seconds.iter().find(|s| **s >= second)
            {
                return of(hour, minute, *second);
            }
            if let Some(minute) = self.minutes.iter().find(|m| **m > minute) {
                return of(hour, *minute, *first_second);
            }
        }
        let hour = self.hours.iter().find(|h| **h > hour)?;
        of(*hour, *first_minute, *first_second)
    }

    /// The last matching second of a day up to `latest`.
    fn last_time(&self, latest: i64) -> Option<i64> {
        let (hour, minute, second) = parts(latest);
        let of = |hour: u16, minute: u16, second: u16| Some(time(hour, minute, second));
        let [last_minute, last_second] = [self.minutes.last()?, self.seconds.last()?];
        if self.hours.contains(&hour) {
            if self.minutes.contains(&minute)
                && let Some(second) = self.seconds.iter().rev().find(|s| **s <= second)
            {
                return of(hour, minute, *second);
            }
            if let Some(minute) = self.minutes.iter().rev().find(|m| **m < minute) {
                return of(hour, *minute, *last_second);
            }
        }
        let hour = self.hours.iter().rev().find(|h| **h < hour)?;
        of(*hour, *last_minute, *last_second)
    }

    /// The number of matching seconds of a day before this one.
    fn times_before(&self, second_of_day: i64) -> u64 {
        let (hour, minute, second) = parts(second_of_day);
        let before = |values: &[u16], bound: u16| values.partition_point(|v| *v < bound) as u64;
        let [minutes, seconds] = [&self.minutes, &self.seconds].map(|values| values.len() as u64);
        let mut count = before(&self.hours, hour) * minutes * seconds;
        if self.hours.contains(&hour) {
            count += before(&self.minutes, minute) * seconds;
            if self.minutes.contains(&minute) {
                count += before(&self.seconds, second);
            }
        }
        count
    }
}

/// A day of the calendar.
#[derive(Clone, Copy)]
struct Date {
    year: i32,
    month: u32,
    day: u32,
    weekday: Weekday,
}

impl Date {
    /// The date of a number of days since 1970-01-01.
    fn of(days: i64) -> Self {
        let (year, month, day) = calendar(days);
        // 1970-01-01 was a Thursday.
        let from_sunday = u32::try_from((days + 4).rem_euclid(7)).unwrap_or(0);
        Self { year, month, day, weekday: Weekday::from_days_from_sunday(from_sunday) }
    }

    fn to_next_month(self) -> i64 {
        i64::from(days_in_month(self.year, self.month) - self.day) + 1
    }
}

/// Year, month and day of a number of days since 1970-01-01 in the Gregorian calendar.
///
/// Years begin in March here, so that a leap day is the last day of its year. 400 years are an era and
/// always have the same number of days.
fn calendar(days: i64) -> (i32, u32, u32) {
    const ERA: i64 = 146_097;
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (day - day / 1_460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let small = |number: i64| u32::try_from(number).unwrap_or(1);
    (i32::try_from(year).unwrap_or(i32::MAX), small(month), small(day_of_month))
}

/// Hour, minute and second of a second of the day, up to 24:00:00.
fn parts(second_of_day: i64) -> (u16, u16, u16) {
    let part = |number: i64| u16::try_from(number).unwrap_or(u16::MAX);
    (part(second_of_day / 3_600), part(second_of_day / 60 % 60), part(second_of_day % 60))
}

fn time(hour: u16, minute: u16, second: u16) -> i64 {
    i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_since_1970_convert_to_calendar_dates() {
        let mut date = jiff::civil::date(1970, 1, 1);
        for days in 0..366 * 140 {
            let Date { year, month, day, weekday } = Date::of(days);
            let expected = (i32::from(date.year()), date.month() as u32, date.day() as u32);
            assert_eq!((year, month, day), expected, "{days}");
            let sunday_based = date.weekday().to_sunday_zero_offset() as u32;
            assert_eq!(weekday.num_days_from_sunday(), sunday_based, "{date}");
            date = date.tomorrow().unwrap();
        }
    }
}
