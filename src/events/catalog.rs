//! Every event that there is: its name, what it says, and who fires it.
//!
//! An event that is not in here does not exist: filters and subscribers that ask for one are refused
//! with the nearest names. [`assert_catalogued`] holds the rest of the program to it.

mod entries;

use std::fmt;
use std::sync::LazyLock;

use serde_json::Value;

use super::Announced;
use crate::error::Error;
use crate::models::{
    CUSTOM_PREFIX, Category, Custom, Event, EventFilter, MAX_EVENT_NAME_BYTES, MAX_FILTER_WORDS,
    NamePattern, Payload,
};

/// What all events that bodies announce are called here; each has a name of its own.
pub const CUSTOM: &str = "custom.*";
/// The most names that a refusal suggests.
const MAX_NEAREST: usize = 3;

/// One kind of event.
#[derive(Clone, Debug, PartialEq)]
pub struct EventInfo {
    /// `task.completed`.
    pub name: &'static str,
    /// What it is about.
    pub category: Category,
    /// For people.
    pub description: &'static str,
    /// What its payload holds, by name.
    pub fields: Vec<Field>,
    /// What of the server fires it.
    pub fired_by: &'static str,
}

/// One field of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// `task_id`.
    pub name: &'static str,
    /// What it is.
    pub kind: FieldKind,
    /// For people.
    pub description: &'static str,
    /// Not in every payload, or null.
    pub optional: bool,
}

/// What a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Text.
    Text,
    /// A number.
    Number,
    /// Yes or no.
    Boolean,
    /// Several texts.
    ListOfText,
    /// Fields of its own.
    Object,
    /// RFC 3339 text, in UTC.
    Time,
}

impl FieldKind {
    /// Its stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::ListOfText => "list of text",
            Self::Object => "object",
            Self::Time => "time",
        }
    }

    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::ListOfText => {
                value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
            }
            Self::Object => value.is_object(),
            Self::Time => {
                value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok())
            }
        }
    }
}

impl EventInfo {
    /// What a payload looks like.
    pub fn example(&self) -> Payload {
        Announced::example(self.name).map(|event| event.payload().clone()).unwrap_or_default()
    }
}

/// All of them, by name.
pub fn all() -> &'static [EventInfo] {
    static ALL: LazyLock<Vec<EventInfo>> = LazyLock::new(|| {
        let mut all = entries::entries();
        all.sort_unstable_by_key(|info| info.name);
        all
    });
    &ALL
}

/// The kind of event that has this name. Every name that a custom event can have is known.
pub fn find(name: &str) -> Option<&'static EventInfo> {
    let name = if is_custom(name) { CUSTOM } else { name };
    all().iter().find(|info| info.name == name)
}

/// Whether a custom event can be called that.
pub(super) fn is_custom(name: &str) -> bool {
    name.starts_with(CUSTOM_PREFIX) && Custom::check(name, &Payload::new()).is_ok()
}

/// There is no such event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownEvent {
    /// As it was asked for.
    pub written: String,
    /// What may have been meant, likeliest first.
    pub nearest: Vec<String>,
}

impl fmt::Display for UnknownEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.written.chars().take(MAX_EVENT_NAME_BYTES).collect();
        write!(f, "no event is called {shown:?}")?;
        match self.nearest.is_empty() {
            true => f.write_str("; `task-scheduler events` lists them"),
            false => write!(f, "; did you mean {}?", self.nearest.join(", ")),
        }
    }
}

impl std::error::Error for UnknownEvent {}

/// Whether something can ever be called that.
///
/// # Errors
/// [`UnknownEvent`].
pub fn check(pattern: &NamePattern) -> Result<(), UnknownEvent> {
    let known = match pattern {
        NamePattern::Exactly(name) => name != CUSTOM && find(name).is_some(),
        NamePattern::StartingWith(start) => {
            all().iter().any(|info| info.name.starts_with(start.as_str()))
                || is_custom(start.trim_end_matches('.'))
        }
    };
    if known {
        return Ok(());
    }
    Err(UnknownEvent { written: pattern.to_string(), nearest: nearest(&pattern.to_string()) })
}

/// What may have been meant by a name or a pattern, likeliest first and at most three.
pub fn nearest(written: &str) -> Vec<String> {
    let slips = written.len().div_ceil(3);
    let groups = Category::ALL.map(|category| format!("{}.*", category.as_str()));
    let names = all().iter().map(|info| info.name.to_owned());
    let known = names.chain(groups).filter(|name| name.ends_with('*') == written.ends_with('*'));
    let mut near: Vec<(usize, String)> = known
        // A distance is at least the difference of the lengths.
        .filter(|name| name.len().abs_diff(written.len()) <= slips)
        .map(|name| (strsim::osa_distance(&name, written), name))
        .filter(|(distance, _)| *distance <= slips)
        .collect();
    near.sort_unstable();
    near.dedup();
    near.truncate(MAX_NEAREST);
    near.into_iter().map(|(_, name)| name).collect()
}

/// Whether a filter is one: bounded, and of events that there are. `field` is where it stood.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field below `field`.
pub fn check_filter(filter: &EventFilter, field: &str) -> Result<(), Error> {
    for (count, name) in [(filter.names.len(), "names"), (filter.categories.len(), "categories")] {
        if count > MAX_FILTER_WORDS {
            let why = format!("{count} of them; at most {MAX_FILTER_WORDS} are accepted");
            return Err(Error::invalid(format!("{field}.{name}"), why));
        }
    }
    for (at, pattern) in filter.names.iter().enumerate() {
        check(pattern).map_err(|unknown| {
            Error::invalid(format!("{field}.names[{at}]"), unknown.to_string())
        })?;
    }
    Ok(())
}

/// What an event says that the catalogue does not, and the other way round; empty when all is well.
pub fn differences(event: &Event) -> Vec<String> {
    let Some(info) = find(event.name()) else { return vec!["it is not in the catalogue".into()] };
    let mut found = Vec::new();
    if info.category != event.category() {
        found.push(format!("its category is {:?}", event.category()));
    }
    let payload = event.payload();
    for field in &info.fields {
        match payload.get(field.name) {
            None | Some(Value::Null) if field.optional => {}
            None => found.push(format!("`{}` is missing", field.name)),
            Some(value) if field.kind.fits(value) => {}
            Some(value) => {
                found.push(format!("`{}` is no {}: {value}", field.name, field.kind.as_str()));
            }
        }
    }
    let known = |name: &str| info.fields.iter().any(|field| field.name == name);
    let strange = payload.keys().filter(|name| !known(name));
    found.extend(strange.map(|name| format!("`{name}` is not listed")));
    found
}

/// For tests: an event is what the catalogue says of it.
///
/// # Panics
/// When it is not.
#[track_caller]
pub fn assert_catalogued(event: &Event) {
    let differences = differences(event);
    assert!(differences.is_empty(), "{}: {}", event.name(), differences.join(", "));
}

/// A row of the table in `docs/events.md` for each event.
pub fn table() -> String {
    let mut text = String::from("| event | when | payload |\n|---|---|---|\n");
    for info in all() {
        let fields = info.fields.iter().map(|field| {
            let mark = if field.optional { "?" } else { "" };
            format!("`{}{mark}`", field.name)
        });
        let fields: Vec<_> = fields.collect();
        let row = format!("| `{}` | {} | {} |\n", info.name, info.description, fields.join(", "));
        text.push_str(&row);
    }
    text
}

#[cfg(test)]
mod tests;
