//! Schedules in a file: YAML, a list with an entry for each.
//!
//! Everything that is wrong is found in one go, each with its line and column. Whether a method is
//! there and takes such arguments is for the engine to say, later; [`Declared::problems`] then knows
//! where that was written.

mod entry;
mod node;

use std::collections::BTreeMap;
use std::fmt;

use self::node::{Node, Spot};
use super::{Checked, ScheduleRequest, check};
use crate::clock::Timestamp;
use crate::error::{Error, Violation};

/// The largest file that is read: room for a hundred thousand schedules.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// A schedule that a file declares.
#[derive(Clone, Debug)]
pub struct Declared {
    /// As it is asked for.
    pub request: ScheduleRequest,
    /// What the check came to for a schedule that is not there yet.
    pub checked: Checked,
    places: Places,
}

/// Where the parts of an entry were written.
#[derive(Clone, Debug)]
struct Places {
    /// Where it begins.
    begin: Spot,
    /// Where each key's value is.
    values: BTreeMap<&'static str, Spot>,
}

/// Something that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileProblem {
    /// From 1; 0 if it is the file as a whole.
    pub line: u64,
    /// From 1.
    pub column: u64,
    /// What is wrong, and what would be accepted.
    pub message: String,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// Reads what a file declares.
///
/// # Errors
/// Everything that is wrong with it, by line.
pub fn parse_file(text: &str, now: Timestamp) -> Result<Vec<Declared>, Vec<FileProblem>> {
    let mut problems = Vec::new();
    let entries = match node::read(text) {
        Ok((Node::Null, _)) => Vec::new(),
        Ok((Node::List(entries), _)) => entries,
        Ok((other, spot)) => {
            let why = format!("{}; expected a list of schedules", other.kind());
            return Err(vec![spot.problem(why)]);
        }
        Err(problem) => return Err(vec![problem]),
    };
    let mut names: BTreeMap<String, Spot> = BTreeMap::new();
    let mut declared = Vec::with_capacity(entries.len());
    for (entry, spot) in entries {
        let Some((request, places)) = entry::read(entry, spot, &mut problems) else { continue };
        let name = request.name.clone();
        let spot = places.of("name");
        if let Some(first) = names.insert(name.clone(), spot) {
            problems.push(spot.problem(format!("{name:?} is declared in line {} too", first.line)));
        }
        match check(&request, None, now) {
            Ok(checked) => declared.push(Declared { request, checked, places }),
            Err(error) => problems.extend(places.problems(&name, &error)),
        }
    }
    problems.sort();
    problems.dedup();
    if problems.is_empty() { Ok(declared) } else { Err(problems) }
}

impl Declared {
    /// Where in the file that stands what the schedule was refused for.
    pub fn problems(&self, error: &Error) -> Vec<FileProblem> {
        self.places.problems(&self.request.name, error)
    }
}

impl Places {
    /// Where the value of a key is; if it is not there, the entry.
    fn of(&self, key: &str) -> Spot {
        self.values.get(key).copied().unwrap_or(self.begin)
    }

    fn problems(&self, name: &str, error: &Error) -> Vec<FileProblem> {
        let whole = |why: &str| self.of("method").problem(format!("schedule {name:?}: {why}"));
        if error.violations.is_empty() {
            return vec![whole(&error.message)];
        }
        let problem = |violation: &Violation| {
            let key = key_of(&violation.field);
            match self.values.get(key) {
                Some(spot) => spot.problem(format!("{key}: {}", violation.description)),
                None => whole(&format!("{}: {}", violation.field, violation.description)),
            }
        };
        error.violations.iter().map(problem).collect()
    }
}

/// The key of the file that sets a field of the request.
fn key_of(field: &str) -> &str {
    match field {
        "cron.expression" => "cron",
        "interval.every" => "every",
        _ => {
            let last = field.rsplit('.').next().unwrap_or(field);
            // `args[0].values[2]` is in `args`, `options.retry.retries` in `retries`.
            match field.strip_prefix("task.").unwrap_or(field) {
                args if args.starts_with("args") => "args",
                _ => last.split('[').next().unwrap_or(last),
            }
        }
    }
}

#[cfg(test)]
mod tests;
