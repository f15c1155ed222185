//! Schedules declared in a YAML file: a list with one entry for each schedule.
//!
//! Parsing reports all problems at once, each with its line and column. The engine checks methods and
//! arguments later; [`Declared::problems`] finds the place in the file for its errors.

mod entry;
mod node;

use std::collections::BTreeMap;
use std::fmt;

use self::node::{Location, Node};
use super::{Definition, ScheduleRequest, check};
use crate::clock::Timestamp;
use crate::error::{Error, Violation};

/// The maximum size of a file: enough for a hundred thousand schedules.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// A schedule declared in a file.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The request of the entry.
    pub request: ScheduleRequest,
    /// The checked request, as for a new schedule.
    pub definition: Definition,
    locations: Locations,
}

/// The locations of an entry and its values in the file.
#[derive(Clone, Debug)]
struct Locations {
    /// The beginning of the entry.
    begin: Location,
    /// The value of each key.
    values: BTreeMap<&'static str, Location>,
}

/// A problem in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileProblem {
    /// The line, from 1; 0 if the problem concerns the whole file.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// What is wrong and what is accepted.
    pub message: String,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// Parses the text of a file.
///
/// # Errors
/// All problems, ordered by line.
pub fn parse_file(text: &str, now: Timestamp) -> Result<Vec<Declared>, Vec<FileProblem>> {
    let mut problems = Vec::new();
    let entries = match node::read(text) {
        Ok((Node::Null, _)) => Vec::new(),
        Ok((Node::List(entries), _)) => entries,
        Ok((other, location)) => {
            let why = format!("{}; expected a list of schedules", other.kind());
            return Err(vec![location.problem(why)]);
        }
        Err(problem) => return Err(vec![problem]),
    };
    let mut names: BTreeMap<String, Location> = BTreeMap::new();
    let mut declared = Vec::with_capacity(entries.len());
    for (entry, location) in entries {
        let Some((request, locations)) = entry::read(entry, location, &mut problems) else {
            continue;
        };
        let name = request.name.clone();
        let location = locations.of("name");
        if let Some(first) = names.insert(name.clone(), location) {
            problems.push(
                location.problem(format!("{name:?} is already declared in line {}", first.line)),
            );
        }
        match check(&request, None, now) {
            Ok(definition) => declared.push(Declared { request, definition, locations }),
            Err(error) => problems.extend(locations.problems(&name, &error)),
        }
    }
    problems.sort();
    problems.dedup();
    if problems.is_empty() { Ok(declared) } else { Err(problems) }
}

impl Declared {
    /// The problems for a refusal by the engine, each at the value that caused it.
    pub fn problems(&self, error: &Error) -> Vec<FileProblem> {
        self.locations.problems(&self.request.name, error)
    }
}

impl Locations {
    /// The location of a key's value, or of the entry if the key is absent.
    fn of(&self, key: &str) -> Location {
        self.values.get(key).copied().unwrap_or(self.begin)
    }

    fn problems(&self, name: &str, error: &Error) -> Vec<FileProblem> {
        let at_entry = |why: &str| self.of("method").problem(format!("schedule {name:?}: {why}"));
        if error.violations.is_empty() {
            return vec![at_entry(&error.message)];
        }
        let problem = |violation: &Violation| {
            let key = key_of(&violation.field);
            match self.values.get(key) {
                Some(location) => location.problem(format!("{key}: {}", violation.description)),
                None => at_entry(&format!("{}: {}", violation.field, violation.description)),
            }
        };
        error.violations.iter().map(problem).collect()
    }
}

/// The file's key for a field of the request.
fn key_of(field: &str) -> &str {
    match field {
        "cron.expression" => "cron",
        "interval.every" => "every",
        _ => {
            let last = field.rsplit('.').next().unwrap_or(field);
            // `args[0].values[2]` belongs to `args`, `options.retry.retries` to `retries`.
            match field.strip_prefix("task.").unwrap_or(field) {
                args if args.starts_with("args") => "args",
                _ => last.split('[').next().unwrap_or(last),
            }
        }
    }
}

#[cfg(test)]
mod tests;
