//! What `#[subscriber]` leaves behind at start-up, before `main` runs.

use std::sync::Arc;

use parking_lot::Mutex;

use super::Subscriber;
use crate::models::{EventFilter, Location, NamePattern};

/// One subscriber, as its attribute found it. Nothing is validated yet: a panic before `main` would
/// abort without a word.
#[derive(Clone, Copy)]
pub struct Registration {
    /// Makes it.
    pub make: fn() -> Arc<dyn Subscriber>,
    /// It takes the place of one that has its name.
    pub replace: bool,
    /// The attribute's place.
    pub declared_at: Location,
}

static COLLECTED: Mutex<Vec<Registration>> = Mutex::new(Vec::new());

/// Called by the attribute's expansion, before `main`.
pub fn collect(registration: Registration) {
    COLLECTED.lock().push(registration);
}

/// Everything that was collected, sorted by place: constructors run in no particular order.
pub fn collected() -> Vec<Registration> {
    let mut all = COLLECTED.lock().clone();
    all.sort_by_key(|registration| (registration.declared_at.file, registration.declared_at.line));
    all
}

/// The filter that an attribute's list of events means.
pub fn filter_of(events: &[&str]) -> EventFilter {
    let names = events.iter().map(|written| NamePattern::parse(written)).collect();
    EventFilter { names, ..EventFilter::default() }
}

/// Whether an event belongs to the method `handle_ROUTE`: its name with `_` for every other sign.
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
