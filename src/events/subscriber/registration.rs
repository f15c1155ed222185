//! The subscribers that `#[subscriber]` registers before `main` runs.

use std::sync::Arc;

use parking_lot::Mutex;

use super::Subscriber;
use crate::models::{EventFilter, Location, NamePattern};

/// One subscriber that `#[subscriber]` declared. Nothing is validated yet: a panic before `main` would
/// abort the process without a message.
#[derive(Clone, Copy)]
pub struct Registration {
    /// Makes the subscriber.
    pub make: fn() -> Arc<dyn Subscriber>,
    /// Whether it replaces a subscriber with the same name.
    pub replace: bool,
    /// Where the attribute is in the source.
    pub declared_at: Location,
}

static COLLECTED: Mutex<Vec<Registration>> = Mutex::new(Vec::new());

/// Adds a registration. The expansion of `#[subscriber]` calls it before `main`.
pub fn collect(registration: Registration) {
    COLLECTED.lock().push(registration);
}

/// Every registration, sorted by its place in the source: constructors run in no particular order.
pub fn collected() -> Vec<Registration> {
    let mut all = COLLECTED.lock().clone();
    all.sort_by_key(|registration| (registration.declared_at.file, registration.declared_at.line));
    all
}

/// The filter for the list of events in an attribute.
pub fn filter_of(events: &[&str]) -> EventFilter {
    let names = events.iter().map(|written| NamePattern::parse(written)).collect();
    EventFilter { names, ..EventFilter::default() }
}

/// Whether the method `handle_ROUTE` handles this event: the route is the event's name with `_` in place of
/// `.` and `-`.
pub fn routes_to(event: &str, route: &str) -> bool {
    let same = |(a, b): (u8, u8)| a == b || (b == b'_' && matches!(a, b'.' | b'-'));
    event.len() == route.len() && event.bytes().zip(route.bytes()).all(same)
}

#[test]
fn an_event_is_routed_by_its_name() {
    for (event, route, expected) in [
        ("task.completed", "task_completed", true),
        ("task.cancel_requested", "task_cancel_requested", true),
        ("custom.order-paid.twice", "custom_order_paid_twice", true),
        ("task.completed", "task_complete", false),
        ("task.completed", "task_failed", false),
        ("task_completed", "task.completed", false),
    ] {
        assert_eq!(routes_to(event, route), expected, "{event} {route}");
    }
}
