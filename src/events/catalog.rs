//! The catalogue: every kind of event, with its payload fields and an example.
//!
//! The catalogue follows from the declarations in `models/event`. Filters and subscribers that name an
//! event outside of it are refused, with the nearest names.

use std::fmt;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use crate::error::Error;
use crate::models::{
    CUSTOM_PREFIX, Category, Custom, Event, EventFilter, Fact, MAX_EVENT_NAME_BYTES,
    MAX_FILTER_WORDS, NamePattern, Payload, declared_events,
};

pub use crate::models::{EventField, EventInfo, FieldKind};

/// The entry of the catalogue that stands for every custom event; each has a name of its own.
pub const CUSTOM: &str = "custom.*";
/// The most names that an error suggests.
const MAX_NEAREST: usize = 3;

/// Every kind of event, sorted by name.
pub fn all() -> &'static [EventInfo] {
    static ALL: LazyLock<Vec<EventInfo>> = LazyLock::new(|| {
        let mut all = declared_events();
        all.sort_unstable_by_key(|info| info.name);
        all
    });
    &ALL
}

/// The kind of event that has this name: for every valid name of a custom event, [`CUSTOM`].
pub fn find(name: &str) -> Option<&'static EventInfo> {
    let name = if is_custom(name) { CUSTOM } else { name };
    all().iter().find(|info| info.name == name)
}

/// An example of the event with this name; of [`CUSTOM`], a custom event of any name.
pub(super) fn example(name: &str) -> Option<Event> {
    let mut event = find(name)?.examples.first()?.clone();
    if let Fact::Custom(custom) = &mut event.fact
        && name != CUSTOM
    {
        Arc::make_mut(custom).name = name.into();
    }
    Some(event)
}

/// Whether this is a valid name of a custom event.
fn is_custom(name: &str) -> bool {
    name.starts_with(CUSTOM_PREFIX) && Custom::check(name, &Payload::new()).is_ok()
}

/// An error: the catalogue has no such event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownEvent {
    /// The name or pattern that was requested.
    pub written: String,
    /// Known names that resemble it, the most similar first.
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

/// Checks that a name or a pattern matches an event of the catalogue.
///
/// # Errors
/// [`UnknownEvent`], with the nearest names.
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

/// The known names or patterns that resemble this one: at most three, the most similar first.
pub fn nearest(written: &str) -> Vec<String> {
    let max_distance = written.len().div_ceil(3);
    let groups = Category::ALL.map(|category| format!("{}.*", category.as_str()));
    let names = all().iter().map(|info| info.name.to_owned());
    let known = names.chain(groups).filter(|name| name.ends_with('*') == written.ends_with('*'));
    let mut near: Vec<(usize, String)> = known
        // Cheaper than a distance, which is at least the difference of the lengths.
        .filter(|name| name.len().abs_diff(written.len()) <= max_distance)
        .map(|name| (strsim::osa_distance(&name, written), name))
        .filter(|(distance, _)| *distance <= max_distance)
        .collect();
    near.sort_unstable();
    near.dedup();
    near.truncate(MAX_NEAREST);
    near.into_iter().map(|(_, name)| name).collect()
}

/// Checks a filter that a caller sent in the request's field `field`.
///
/// # Errors
/// `INVALID_ARGUMENT` with the path of the bad part: an event that the catalogue does not have, or more
/// than [`MAX_FILTER_WORDS`] names or categories.
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

/// How an event differs from its entry in the catalogue; empty if it does not.
pub fn differences(event: &Event) -> Vec<String> {
    let Some(info) = find(event.name()) else { return vec!["not in the catalogue".into()] };
    let mut found = Vec::new();
    if info.category != event.category() {
        found.push(format!("the category is {:?}", event.category()));
    }
    let payload = event.payload();
    for field in &info.fields {
        match payload.get(field.name) {
            None | Some(Value::Null) if field.optional => {}
            None => found.push(format!("`{}` is missing", field.name)),
            Some(value) if field.kind.fits(value) => {}
            Some(value) => {
                found.push(format!(
                    "`{}` is not of type {}: {value}",
                    field.name,
                    field.kind.as_str()
                ));
            }
        }
    }
    let known = |name: &str| info.fields.iter().any(|field| field.name == name);
    let undeclared = payload.keys().filter(|name| !known(name));
    found.extend(undeclared.map(|name| format!("`{name}` is not declared")));
    found
}

/// For tests: asserts that an event has the category and the payload that the catalogue lists.
///
/// # Panics
/// If it has not.
#[track_caller]
pub fn assert_catalogued(event: &Event) {
    let differences = differences(event);
    assert!(differences.is_empty(), "{}: {}", event.name(), differences.join(", "));
}

/// The table of events in `docs/events.md`.
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
