//! Which subscribers there are: by name, checked before anything starts.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Registration, Subscriber, routes_to};
use crate::error::{Code, Error, Violation};
use crate::events::catalog;
use crate::models::{EventFilter, Location, Name};

/// The most subscribers of one program.
pub const MAX_SUBSCRIBERS: usize = 1_000;

/// The subscribers of a program, by name.
#[derive(Clone, Debug, Default)]
pub struct Subscribers(Vec<Registered>);

/// One of them.
#[derive(Clone)]
pub struct Registered {
    /// Its name.
    pub name: Name,
    /// What it asked for.
    pub filter: EventFilter,
    /// It.
    pub subscriber: Arc<dyn Subscriber>,
    /// Where it was declared.
    pub declared_at: Location,
    /// How it gets on.
    pub tally: Arc<Tally>,
}

/// How a subscriber gets on, since it began.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counts>);

#[derive(Clone, Debug, Default)]
struct Counts {
    handled: u64,
    failed: u64,
    missed: u64,
    last_error: String,
}

/// What people are told of a subscriber.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscriberStatus {
    /// Its name.
    pub name: Name,
    /// What it asked for.
    pub filter: EventFilter,
    /// Events that it dealt with.
    pub handled: u64,
    /// Events that it could not deal with.
    pub failed: u64,
    /// Events that it was too slow for.
    pub missed: u64,
    /// What it said last when it failed.
    pub last_error: String,
    /// Where it was declared.
    pub declared_at: Location,
}

/// How much of an error is kept, in characters.
const MAX_ERROR: usize = 1_000;

impl Tally {
    /// It dealt with an event.
    pub fn handled(&self) {
        self.0.lock().handled += 1;
    }

    /// It could not.
    pub fn failed(&self, error: &str) {
        let mut counts = self.0.lock();
        counts.failed += 1;
        counts.last_error = error.chars().take(MAX_ERROR).collect();
    }

    /// It was too slow for so many.
    pub fn missed(&self, count: u64) {
        self.0.lock().missed += count;
    }
}

impl Registered {
    /// How it gets on.
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

/// What cannot be taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error(
        "the subscriber {name} is declared at {first} and at {second}; give one of them another name, or say `replace = true` on the one that shall stand"
    )]
    Taken { name: Name, first: Location, second: Location },
    #[error("the subscriber declared at {at}: {why}")]
    Bad { at: Location, why: String },
}

impl Subscribers {
    /// Everything that the attributes left behind. Those with `replace = true` come last, wherever
    /// they stand.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with a violation for each that cannot stand: a name that is none, two with
    /// one name, an event that there is not.
    pub fn from_registrations(registrations: Vec<Registration>) -> Result<Self, Error> {
        let mut all = Self::default();
        let mut problems: Vec<(Location, Refused)> = Vec::new();
        let mut replaced: Vec<(Name, Location)> = Vec::new();
        let (late, early): (Vec<_>, Vec<_>) =
            registrations.into_iter().partition(|registration| registration.replace);
        for Registration { make, replace, declared_at } in early.into_iter().chain(late) {
            let taken = registered(make(), declared_at).and_then(|new| {
                // Of two that replace, neither is the last word.
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
            problems.extend(taken.err().map(|problem| (declared_at, problem)));
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

    /// Takes one more in.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`: a name that is none or is taken, an event that there is not.
    pub fn register(&mut self, subscriber: Arc<dyn Subscriber>, at: Location) -> Result<(), Error> {
        let added = registered(subscriber, at).and_then(|new| self.add(new, false));
        added.map_err(|refused| Error::new(Code::InvalidArgument, refused.to_string()))
    }

    /// Takes one in, in the place of one that has its name.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`: a name that is none, an event that there is not.
    pub fn replace(&mut self, subscriber: Arc<dyn Subscriber>, at: Location) -> Result<(), Error> {
        let added = registered(subscriber, at).and_then(|new| self.add(new, true));
        added.map_err(|refused| Error::new(Code::InvalidArgument, refused.to_string()))
    }

    /// All of them, by name.
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

/// Whether any event can go to the method `handle_ROUTE`.
fn is_routed(route: &str) -> bool {
    route.starts_with("custom_") || catalog::all().iter().any(|info| routes_to(info.name, route))
}

fn no_event_for(route: &str) -> String {
    let nearest = catalog::nearest(&route.replacen('_', ".", 1));
    let methods: Vec<_> =
        nearest.iter().map(|event| format!("`handle_{}`", event.replace('.', "_"))).collect();
    match methods.is_empty() {
        true => format!(
            "`handle_{route}` is for no event that there is; `task-scheduler events` lists them"
        ),
        false => format!(
            "`handle_{route}` is for no event that there is; did you mean {}?",
            methods.join(", ")
        ),
    }
}
