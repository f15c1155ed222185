//! Parses one entry of the list.

use std::collections::BTreeMap;
use std::time::Duration;

use super::node::{Entry, Location, Node};
use super::{FileProblem, Locations};
use crate::clock::Timestamp;
use crate::models::{CatchUp, Overlap, Request, StartTime, TaskOptions};
use crate::schedules::{RuleRequest, STANDARD_CATCH_UP, ScheduleRequest};

/// All keys, in the order of the documentation.
const KEYS: [&str; 19] = [
    "name",
    "description",
    "cron",
    "time_zone",
    "every",
    "anchor",
    "method",
    "args",
    "queue",
    "priority",
    "retries",
    "timeout",
    "ttl",
    "tags",
    "overlap",
    "catch_up",
    "max_catch_up",
    "jitter",
    "enabled",
];

/// Parses one entry and adds its problems to `problems`. `None` if there are any.
pub(super) fn read(
    node: Node,
    location: Location,
    problems: &mut Vec<FileProblem>,
) -> Option<(ScheduleRequest, Locations)> {
    let Node::Map(entries) = node else {
        let why =
            format!("{}; expected a schedule with name, method, and cron or every", node.kind());
        problems.push(location.problem(why));
        return None;
    };
    let before = problems.len();
    let mut keys = Keys::of(entries, problems);
    let name = keys.text("name");
    let method = keys.text("method");
    for (key, value) in [("name", &name), ("method", &method)] {
        if value.is_none() && !keys.locations.contains_key(key) {
            keys.problems
                .push(location.problem(format!("`{key}` is missing; every schedule needs one")));
        }
    }
    let rule = keys.rule(location);
    let task = Request {
        method: method.unwrap_or_default(),
        args: keys.take("args", args).unwrap_or_default(),
        options: keys.options().map(Box::new),
        ..Request::default()
    };
    let request = ScheduleRequest {
        name: name.unwrap_or_default(),
        description: keys.text("description").unwrap_or_default(),
        task,
        overlap: keys.take("overlap", overlap).unwrap_or_default(),
        catch_up: keys.catch_up(),
        jitter: keys.take("jitter", duration).unwrap_or_default(),
        enabled: keys.take("enabled", boolean),
        rule: rule.unwrap_or(RuleRequest::Every { interval: Duration::ZERO, anchor: None }),
    };
    let locations = Locations { begin: location, values: keys.locations };
    // Checking an incomplete request would only repeat its problems.
    (problems.len() == before).then_some((request, locations))
}

/// What a key accepts.
type Expected = &'static str;

struct Keys<'a> {
    values: BTreeMap<&'static str, Node>,
    locations: BTreeMap<&'static str, Location>,
    problems: &'a mut Vec<FileProblem>,
}

impl<'a> Keys<'a> {
    fn of(entries: Vec<Entry>, problems: &'a mut Vec<FileProblem>) -> Self {
        let (mut values, mut locations) = (BTreeMap::new(), BTreeMap::new());
        for Entry { key, key_location, value, location } in entries {
            match KEYS.iter().find(|known| **known == key) {
                Some(known) => {
                    locations.insert(*known, location);
                    // `key:` without a value counts as absent.
                    if value != Node::Null {
                        values.insert(*known, value);
                    }
                }
                None => problems.push(key_location.problem(unknown(&key))),
            }
        }
        Self { values, locations, problems }
    }

    /// Takes the value of a key; `None` if it is absent or invalid.
    fn take<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Node) -> Result<T, Expected>,
    ) -> Option<T> {
        let node = self.values.remove(key)?;
        let shown = node.kind();
        match read(node) {
            Ok(value) => Some(value),
            Err(expected) => {
                let location = self.locations.get(key).copied().unwrap_or_default();
                self.problems
                    .push(location.problem(format!("{key}: {shown}; expected {expected}")));
                None
            }
        }
    }

    fn text(&mut self, key: &'static str) -> Option<String> {
        self.take(key, text)
    }

    fn rule(&mut self, location: Location) -> Option<RuleRequest> {
        let cron = self.locations.get("cron").copied();
        let every = self.locations.get("every").copied();
        if cron.is_some() == every.is_some() {
            let (location, why) = match every {
                Some(location) => (location, "both `cron` and `every`; expected one of them"),
                None => (location, "neither `cron` nor `every`; expected one of them"),
            };
            self.problems.push(location.problem(why));
            return None;
        }
        let stray = if cron.is_some() { "anchor" } else { "time_zone" };
        if let Some(location) = self.locations.get(stray) {
            let with = if cron.is_some() { "every" } else { "cron" };
            self.problems.push(location.problem(format!("`{stray}` needs `{with}`")));
        }
        if cron.is_some() {
            let expression = self.text("cron")?;
            let time_zone = self.text("time_zone").unwrap_or_default();
            return Some(RuleRequest::Cron { expression, time_zone });
        }
        let interval = self.take("every", duration)?;
        Some(RuleRequest::Every { interval, anchor: self.take("anchor", time) })
    }

    fn options(&mut self) -> Option<TaskOptions> {
        let mut options = TaskOptions {
            queue: self.text("queue"),
            priority: self.take("priority", |node| number(node, "a whole number")),
            retries: self.take("retries", |node| number(node, "a whole number from 0 on")),
            timeout: self.take("timeout", duration),
            expiry: self.take("ttl", duration).map(StartTime::After),
            ..TaskOptions::default()
        };
        options.labels.tags = self.take("tags", texts).unwrap_or_default();
        (options != TaskOptions::default()).then_some(options)
    }

    fn catch_up(&mut self) -> CatchUp {
        let max = self.take("max_catch_up", |node| number(node, "1 to 1000"));
        let policy = self.take("catch_up", catch_up).unwrap_or_default();
        match (policy, max) {
            (CatchUp::All(default), max) => CatchUp::All(max.unwrap_or(default)),
            (policy, None) => policy,
            (policy, Some(_)) => {
                let location = self.locations.get("max_catch_up").copied().unwrap_or_default();
                self.problems.push(location.problem("`max_catch_up` needs `catch_up: all`"));
                policy
            }
        }
    }
}

fn unknown(key: &str) -> String {
    // At most one typo per three letters.
    let max_distance = (key.chars().count() / 3).max(1);
    let near = KEYS.iter().map(|known| (strsim::damerau_levenshtein(key, known), known));
    let near = near.filter(|(distance, _)| *distance <= max_distance).min();
    let shown: String = key.chars().take(60).collect();
    match near {
        Some((_, known)) => format!("unknown key {shown:?}; did you mean `{known}`?"),
        None => format!("unknown key {shown:?}; expected one of {}", KEYS.join(", ")),
    }
}

fn text(node: Node) -> Result<String, Expected> {
    match node {
        Node::Text(text) => Ok(text),
        _ => Err("text, in quotes if it looks like something else"),
    }
}

fn texts(node: Node) -> Result<Vec<String>, Expected> {
    const EXPECTED: Expected = "a list of strings";
    let Node::List(values) = node else { return Err(EXPECTED) };
    values.into_iter().map(|(value, _)| text(value).map_err(|_| EXPECTED)).collect()
}

fn args(node: Node) -> Result<Vec<crate::models::ArgValue>, Expected> {
    let Node::List(values) = node else { return Err("a list of arguments") };
    Ok(values.into_iter().map(|(value, _)| value.into_arg()).collect())
}

fn boolean(node: Node) -> Result<bool, Expected> {
    match node {
        Node::Bool(value) => Ok(value),
        _ => Err("true or false"),
    }
}

fn number<T: TryFrom<i64>>(node: Node, expected: Expected) -> Result<T, Expected> {
    match node {
        Node::Int(number) => T::try_from(number).map_err(|_| expected),
        _ => Err(expected),
    }
}

fn overlap(node: Node) -> Result<Overlap, Expected> {
    match text(node).as_deref() {
        Ok("allow") => Ok(Overlap::Allow),
        Ok("skip") => Ok(Overlap::Skip),
        Ok("replace") => Ok(Overlap::Replace),
        _ => Err("allow, skip or replace"),
    }
}

fn catch_up(node: Node) -> Result<CatchUp, Expected> {
    match text(node).as_deref() {
        Ok("none") => Ok(CatchUp::None),
        Ok("last") => Ok(CatchUp::Last),
        Ok("all") => Ok(CatchUp::All(STANDARD_CATCH_UP)),
        _ => Err("none, last or all"),
    }
}

fn duration(node: Node) -> Result<Duration, Expected> {
    const EXPECTED: Expected = "a number and a unit, such as 500ms, 30s, 5m, 24h or 7d";
    const UNITS: [(&str, u64); 5] =
        [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let text = text(node).map_err(|_| EXPECTED)?;
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or(EXPECTED)?;
    let (number, unit) = text.split_at(digits);
    let scale = UNITS.iter().find(|(name, _)| *name == unit.trim_start());
    let millis = number.parse::<u64>().ok().zip(scale).and_then(|(n, (_, s))| n.checked_mul(*s));
    millis.map(Duration::from_millis).ok_or(EXPECTED)
}

fn time(node: Node) -> Result<Timestamp, Expected> {
    const EXPECTED: Expected = "a time such as 2026-11-30T17:00:00Z";
    let time: jiff::Timestamp = text(node).ok().and_then(|t| t.parse().ok()).ok_or(EXPECTED)?;
    let micros = u64::try_from(time.as_microsecond()).map_err(|_| EXPECTED)?;
    Timestamp::from_micros(micros).ok_or(EXPECTED)
}
