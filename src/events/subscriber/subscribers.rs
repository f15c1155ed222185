//! The registered subscribers, by name. They are validated before the server starts.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Registration, Subscriber, routes_to};
use crate::error::{Code, Error, Violation};
use crate::events::catalog;
use crate::models::{EventFilter, Location, Name};

/// The most subscribers in one program.
pub const MAX_SUBSCRIBERS: usize = 1_000;

/// The subscribers of a program, by name.
#[derive(Clone, Debug, Default)]
pub struct Subscribers(Vec<Registered>);

/// A registered subscriber.
#[derive(Clone)]
pub struct Registered {
    /// The subscriber's name.
    pub name: Name,
    /// Which events it gets.
    pub filter: EventFilter,
    /// The subscriber itself.
    pub subscriber: Arc<dyn Subscriber>,
    /// Where it was declared.
    pub declared_at: Location,
    /// Its counters.
    pub tally: Arc<Tally>,
}

/// Counts what a subscriber handled since the server started.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counts>);

#[derive(Clone, Debug, Default)]
struct Counts {
    handled: u64,
    failed: u64,
    missed: u64,
    last_error: String,
}

/// The status of a subscriber, as `ListSubscribers` shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscriberStatus {
    /// The subscriber's name.
    pub name: Name,
    /// Which events it gets.
    pub filter: EventFilter,
    /// How many events it handled.
    pub handled: u64,
    /// How many events it failed to handle.
    pub failed: u64,
    /// How many events it missed because it was too slow.
    pub missed: u64,
    /// The message of its last error, at most 1,000 characters.
    pub last_error: String,
    /// Where it was declared.
    pub declared_at: Location,
}

/// The longest error message that is kept, in characters.
const MAX_ERROR: usize = 1_000;

impl Tally {
    /// Counts an event that was handled.
    pub fn handled(&self) {
        self.0.lock().handled += 1;
    }

    /// Counts an event whose handler failed, and keeps the error.
    pub fn failed(&self, error: &str) {
        let mut counts = self.0.lock();
        counts.failed += 1;
        counts.last_error = error.chars().take(MAX_ERROR).collect();
    }

    /// Counts missed events.
    pub fn missed(&self, count: u64) {
        self.0.lock().missed += count;
    }
}

impl Registered {
    /// The current status.
    pub fn status(&self) -> SubscriberStatus {
        let Counts { handled, failed, missed, last_error } = self.tally.0.lock().clone();
        SubscriberStatus {
            name: self.name.clone(),
            filter: self.filter.clone(),
            handled,
            failed,
            missed,
            last_error,
            declared_at: self.declared_at,
        }
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.declared_at)
    }
}

/// Why a subscriber cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error(
        "the subscriber {name} is declared at {first} and at {second}; give one of them another name, or set `replace = true` on the one to keep"
    )]
    Taken { name: Name, first: Location, second: Location },
    #[error("the subscriber declared at {at}: {why}")]
    Bad { at: Location, why: String },
}

impl Subscribers {
    /// Registers the subscribers that attributes declared. Those with `replace = true` come last, whatever
    /// their place in the source.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with one violation for each bad subscriber: an invalid name, a name that is used
    /// twice, an unknown event.
    pub fn from_registrations(registrations: Vec<Registration>) -> Result<Self, Error> {
        let mut all = Self::default();
        let mut problems: Vec<(Location, Refused)> = Vec::new();
        let mut replaced: Vec<(Name, Location)> = Vec::new();
        let (late, early): (Vec<_>, Vec<_>) =
            registrations.into_iter().partition(|registration| registration.replace);
        for Registration { make, replace, declared_at } in early.into_iter().chain(late) {
            let added = registered(make(), declared_at).and_then(|new| {
                // Two replacements of one name contradict each other.
                let name = new.name.clone();
                if let Some((_, first)) =
                    replaced.iter().find(|(other, _)| replace && *other == name)
                {
                    return Err(Refused::Taken { name, first: *first, second: declared_at });
                }
                all.add(new, replace)?;
                if replace {
                    replaced.push((name, declared_at));
                }
                Ok(())
            });
            problems.extend(added.err().map(|problem| (declared_at, problem)));
        }
        if problems.is_empty() {
            return Ok(all);
        }
        let violations: Vec<_> = problems
            .into_iter()
            .map(|(at, problem)| Violation {
                field: at.to_string(),
                description: problem.to_string(),
            })
            .collect();
        let lines: Vec<_> = violations.iter().map(|one| one.description.as_str()).collect();
        Err(Error {
            message: lines.join("\n"),
            violations,
            ..Error::new(Code::InvalidArgument, "")
        })
    }

    /// Registers a subscriber.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`: the name is invalid or used already, an event is unknown, or there are
    /// [`MAX_SUBSCRIBERS`] already.
    pub fn register(&mut self, subscriber: Arc<dyn Subscriber>, at: Location) -> Result<(), Error> {
        let added = registered(subscriber, at).and_then(|new| self.add(new, false));
        added.map_err(|refused| Error::new(Code::InvalidArgument, refused.to_string()))
    }

    /// Registers a subscriber, in place of one with the same name.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`: the name is invalid, an event is unknown, or there are [`MAX_SUBSCRIBERS`]
    /// already.
    pub fn replace(&mut self, subscriber: Arc<dyn Subscriber>, at: Location) -> Result<(), Error> {
        let added = registered(subscriber, at).and_then(|new| self.add(new, true));
        added.map_err(|refused| Error::new(Code::InvalidArgument, refused.to_string()))
    }

    /// Every subscriber, sorted by name.
    pub fn list(&self) -> &[Registered] {
        &self.0
    }

    fn add(&mut self, new: Registered, replace: bool) -> Result<(), Refused> {
        match self.0.binary_search_by(|known| known.name.cmp(&new.name)) {
            Ok(at) if replace => self.0[at] = new,
            Ok(at) => {
                let (first, second) = (self.0[at].declared_at, new.declared_at);
                return Err(Refused::Taken { name: new.name, first, second });
            }
            Err(_) if self.0.len() == MAX_SUBSCRIBERS => {
                let why = format!("there are {MAX_SUBSCRIBERS} already, and no more are accepted");
                return Err(Refused::Bad { at: new.declared_at, why });
            }
            Err(at) => self.0.insert(at, new),
        }
        Ok(())
    }
}

fn registered(subscriber: Arc<dyn Subscriber>, at: Location) -> Result<Registered, Refused> {
    let bad = |error: Error| Refused::Bad { at, why: error.message };
    let name = Name::parse(subscriber.name(), "name").map_err(bad)?;
    let filter = subscriber.filter();
    catalog::check_filter(&filter, name.as_str()).map_err(bad)?;
    if let Some(route) = subscriber.routes().iter().find(|route| !is_routed(route)) {
        return Err(Refused::Bad { at, why: no_event_for(route) });
    }
    Ok(Registered { name, filter, subscriber, declared_at: at, tally: Arc::default() })
}

/// Whether the method `handle_ROUTE` matches any event.
fn is_routed(route: &str) -> bool {
    route.starts_with("custom_") || catalog::all().iter().any(|info| routes_to(info.name, route))
}

fn no_event_for(route: &str) -> String {
    let nearest = catalog::nearest(&route.replacen('_', ".", 1));
    let methods: Vec<_> =
        nearest.iter().map(|event| format!("`handle_{}`", event.replace('.', "_"))).collect();
    match methods.is_empty() {
        true => format!("`handle_{route}` matches no event; `task-scheduler events` lists them"),
        false => format!("`handle_{route}` matches no event; did you mean {}?", methods.join(", ")),
    }
}
