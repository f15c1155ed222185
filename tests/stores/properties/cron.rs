//! Cron, against an oracle that knows only a calendar: it checks every minute of ten years against
//! local time.

use jiff::Timestamp as Instant;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use task_scheduler::clock::Timestamp;
use task_scheduler::schedules::Cron;

const QUARTER: i64 = 15 * 60;
const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"];
const RULES: [&str; 14] = [
    "30 2 * * *",
    "0,30 1,2,3 * * *",
    "15 2 * * SUN",
    "45 1 1-7 4,10 *",
    "0 0 * * *",
    "0 2 29 2 *",
    "*/20 * * * *",
    "*/15 2 * * *",
    "5 * * * *",
    "* 1-3 * 3,4,10,11 0",
    "0 12 13 * FRI",
    "59 23 31 * *",
    "0-10/5 2-3 * * 6,7",
    "@hourly",
];

/// A rule as the oracle reads it: for each field, whether it matches each number.
struct Naive {
    minutes: [bool; 60],
    hours: [bool; 24],
    days: [bool; 32],
    months: [bool; 13],
    weekdays: [bool; 8],
    any_day: bool,
    any_weekday: bool,
    names_times: bool,
}

impl Naive {
    fn of(rule: &str) -> Self {
        let rule = if rule == "@hourly" { "0 * * * *" } else { rule };
        let fields: Vec<&str> = rule.split(' ').collect();
        let mut weekdays: [bool; 8] = named(fields[4], 0);
        weekdays[0] |= weekdays[7];
        Self {
            minutes: named(fields[0], 0),
            hours: named(fields[1], 0),
            days: named(fields[2], 1),
            months: named(fields[3], 1),
            weekdays,
            any_day: fields[2] == "*",
            any_weekday: fields[4] == "*",
            names_times: !fields[0].starts_with('*') && !fields[1].starts_with('*'),
        }
    }

    /// The minutes of the quarter-hour at this time.
    fn minutes_of(&self, quarter: DateTime) -> impl Iterator<Item = i64> {
        let at = |number: i8| usize::try_from(number).unwrap();
        let day = self.days[at(quarter.day())];
        let weekday = self.weekdays[at(quarter.weekday().to_sunday_zero_offset())];
        let day = match (self.any_day, self.any_weekday) {
            (false, false) => day || weekday,
            _ => day && weekday,
        };
        let named = day && self.hours[at(quarter.hour())] && self.months[at(quarter.month())];
        let first = at(quarter.minute());
        let minutes = if named { &self.minutes[first..first + 15] } else { &[] };
        minutes.iter().zip(0..).filter_map(|(named, minute)| named.then_some(minute))
    }
}

fn named<const N: usize>(field: &str, least: i8) -> [bool; N] {
    let mut named = [false; N];
    for number in numbers(field, least, i8::try_from(N).unwrap() - 1) {
        named[usize::try_from(number).unwrap()] = true;
    }
    named
}

fn numbers(field: &str, least: i8, most: i8) -> Vec<i8> {
    let number = |word: &str| match word {
        "SUN" => 0,
        "FRI" => 5,
        word => word.parse().unwrap(),
    };
    let part = |part: &str| {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (number(from), number(to)),
            None if range == "*" => (least, most),
            None => (number(range), number(range)),
        };
        (from..=to).step_by(step.parse().unwrap()).collect::<Vec<_>>()
    };
    field.split(',').flat_map(part).collect()
}

/// A quarter of an hour; no zone changes its offset within one.
struct Quarter {
    /// Its first second.
    begin: i64,
    /// The local time at its start.
    shown: DateTime,
    /// The local quarters that a gap skipped just before it.
    left_out: Vec<DateTime>,
    /// Whether this local time repeats (a fold).
    again: bool,
}

fn for_each_quarter(zone: &str, from: i64, to: i64, mut see: impl FnMut(&Quarter)) {
    let zone = TimeZone::get(zone).unwrap();
    let later = |time: DateTime| time.checked_add(jiff::SignedDuration::from_mins(15)).unwrap();
    let wall = |second| zone.to_datetime(Instant::from_second(second).unwrap());
    let mut before = wall(from - QUARTER);
    let mut latest = before;
    for begin in (from..to).step_by(usize::try_from(QUARTER).unwrap()) {
        let shown = wall(begin);
        assert_eq!(wall(begin + QUARTER - 1).minute() - shown.minute(), 14, "{shown}");
        let left_out = std::iter::successors(Some(later(before)), |last| Some(later(*last)));
        let left_out = left_out.take_while(|time| *time < shown).collect();
        see(&Quarter { begin, shown, left_out, again: shown <= latest });
        latest = latest.max(shown);
        before = shown;
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(u64::try_from(second).unwrap() * 1_000_000).unwrap()
}

#[test]
fn ten_years_of_every_rule_match_local_time() {
    let from: i64 = "2024-01-01T00:00:00Z".parse::<Instant>().unwrap().as_second();
    let to: i64 = "2034-01-01T00:00:00Z".parse::<Instant>().unwrap().as_second();
    for zone in ZONES {
        let naive = RULES.map(Naive::of);
        let mut expected: [Vec<i64>; RULES.len()] = Default::default();
        let mut changes = 0;
        for_each_quarter(zone, from, to, |quarter| {
            changes += u32::from(!quarter.left_out.is_empty());
            for (rule, expected) in naive.iter().zip(&mut expected) {
                let left_out = |time: &DateTime| rule.minutes_of(*time).next().is_some();
                let at_change = rule.names_times && quarter.left_out.iter().any(left_out);
                if at_change {
                    expected.push(quarter.begin);
                }
                if quarter.again && rule.names_times {
                    continue;
                }
                for minute in rule.minutes_of(quarter.shown).skip_while(|m| at_change && *m == 0) {
                    expected.push(quarter.begin + minute * 60);
                }
            }
        });
        assert!(zone == "UTC" || changes >= 10, "{zone} had only {changes} gaps");
        for (rule, expected) in RULES.iter().zip(&expected) {
            let cron = Cron::parse(rule, zone).unwrap();
            let mut last = at(from - 1);
            for second in expected {
                let next = cron.next_after(last);
                assert_eq!(next, Some(at(*second)), "{rule} in {zone} after {last}");
                last = at(*second);
            }
            assert!(cron.next_after(last).is_none_or(|next| next >= at(to)), "{rule} in {zone}");
            let (from, to) = (at(from - 1), at(to - 1));
            assert_eq!(cron.count(from, to), expected.len() as u64, "{rule} in {zone}, counted");
            let back = std::iter::successors(cron.latest(from, to), |next| {
                cron.latest(from, Timestamp::from_micros(next.as_micros() - 1)?)
            });
            let back: Vec<Timestamp> = back.collect();
            let expected: Vec<Timestamp> =
                expected.iter().rev().map(|second| at(*second)).collect();
            assert!(back == expected, "{rule} in {zone}, backwards");
        }
    }
}

/// Rules that run at all, most of them near the hours of daylight saving changes.
fn rules() -> impl Strategy<Value = String> {
    let second = prop::sample::select(vec!["", "0 ", "15 ", "*/20 ", "1,59 "]);
    let minute = prop::sample::select(vec!["0", "30", "*", "*/7", "1-59/13", "0,15,45"]);
    let hour = prop::sample::select(vec!["*", "2", "1-3", "*/2", "0,2,23", "12"]);
    let day = prop::sample::select(vec!["*", "1", "29", "L", "15W", "*/3", "25-31"]);
    let month = prop::sample::select(vec!["*", "2", "MAR,OCT", "4,10", "*/5"]);
    let weekday = prop::sample::select(vec!["*", "SUN", "1-5", "5#2", "0#L", "+MON"]);
    (second, minute, hour, day, month, weekday)
        .prop_map(|(s, m, h, d, mo, w)| format!("{s}{m} {h} {d} {mo} {w}"))
}

fn zones() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        [&ZONES[..], &["Pacific/Apia", "America/Sao_Paulo", "Asia/Kathmandu", "Antarctica/Casey"]]
            .concat(),
    )
}

/// Any time from 1970 to 2100.
fn times() -> impl Strategy<Value = Timestamp> {
    (0..4_102_444_800_000_000_u64).prop_map(|micros| Timestamp::from_micros(micros).unwrap())
}

proptest! {
    #[test]
    fn the_next_time_is_the_earliest_later_one(rule in rules(), zone in zones(), from in times()) {
        let cron = Cron::parse(&rule, zone).unwrap();
        let mut last = from;
        for _ in 0..20 {
            let Some(next) = cron.next_after(last) else { break };
            prop_assert!(next > last, "{rule} in {zone}: {next} after {last}");
            prop_assert_eq!(cron.count(last, next), 1, "{} in {} after {}", &rule, zone, last);
            prop_assert_eq!(cron.latest(last, next), Some(next), "{} in {}", &rule, zone);
            let before = Timestamp::from_micros(next.as_micros() - 1).unwrap();
            prop_assert_eq!(cron.count(last, before), 0, "{} in {} after {}", &rule, zone, last);
            prop_assert_eq!(cron.latest(last, before), None, "{} in {}", &rule, zone);
            // From any time before it, it is the next.
            let between = Timestamp::from_micros(last.as_micros().midpoint(next.as_micros() - 1)).unwrap();
            prop_assert_eq!(cron.next_after(between), Some(next), "{} in {}", &rule, zone);
            last = next;
        }
    }

    #[test]
    fn counts_of_adjacent_intervals_add_up(
        rule in rules(),
        zone in zones(),
        from in times(),
        lengths in (0..400_u64 * 86_400_000_000, 0..400_u64 * 86_400_000_000),
    ) {
        let cron = Cron::parse(&rule, zone).unwrap();
        let middle = Timestamp::from_micros(from.as_micros() + lengths.0).unwrap();
        let to = Timestamp::from_micros(middle.as_micros() + lengths.1).unwrap();
        let parts = cron.count(from, middle) + cron.count(middle, to);
        prop_assert_eq!(cron.count(from, to), parts, "{} in {}, {} {} {}", &rule, zone, from, middle, to);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in ".{0,40}", zone in ".{0,20}") {
        if let Ok(cron) = Cron::parse(&text, &zone) {
            let _next = cron.next_after(Timestamp::EPOCH);
        }
    }

    #[test]
    fn any_cron_text_is_parsed_or_refused(text in "[0-9*/,\\-LW#+@? A-Z]{0,30}") {
        if let Ok(cron) = Cron::parse(&text, "Europe/Berlin") {
            let next = cron.next_after(Timestamp::EPOCH);
            prop_assert!(next.is_none_or(|next| next > Timestamp::EPOCH));
        }
    }
}
