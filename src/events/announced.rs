//! An event as whoever listens sees it: with its payload at hand.

use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;
use std::time::SystemTime;

use serde_json::Value;

use super::examples;
use crate::models::{Event, Payload};

/// About what a payload takes.
const PAYLOAD_BYTES: usize = 1 << 10;

/// An event that was announced. Its payload is written once, for the first who asks, and its fields
/// are asked for by name: one that is not there, or is something else, is `None`.
///
/// ```
/// use task_scheduler::events::Announced;
///
/// let event = Announced::example("task.failed").unwrap();
/// assert_eq!(event.name(), "task.failed");
/// assert_eq!(event.text("error_message"), Some("out of ink"));
/// assert_eq!(event.text("reason").unwrap_or("unknown"), "unknown");
/// assert_eq!(event.integer("attempts"), Some(1));
/// ```
pub struct Announced {
    event: Event,
    payload: OnceLock<Payload>,
    /// Its place among all that streams were told; 0 if none was.
    pub(super) position: u64,
    /// What it keeps alive, once its payload is written.
    pub(super) bytes: usize,
}

impl Announced {
    /// An event of that name as it could be, for tests of whoever listens: the first of its kind in
    /// the catalogue. `None` if there is no such event.
    pub fn example(name: &str) -> Option<Self> {
        examples::of(name).map(Self::from)
    }

    /// What it says about itself; [`Event::payload`], kept.
    pub fn payload(&self) -> &Payload {
        self.payload.get_or_init(|| self.event.payload())
    }

    /// A field, whatever it is.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.payload().get(name)
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.field(name)?.as_str()
    }

    /// A number.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.field(name)?.as_f64()
    }

    /// A whole number.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.field(name)?.as_i64()
    }

    /// Yes or no.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        self.field(name)?.as_bool()
    }

    /// The texts of a list; what is no text is left out.
    pub fn list(&self, name: &str) -> Option<Vec<&str>> {
        Some(self.field(name)?.as_array()?.iter().filter_map(Value::as_str).collect())
    }

    /// A time.
    pub fn time(&self, name: &str) -> Option<SystemTime> {
        self.text(name)?.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
    }

    /// A field of what a body said with a custom event.
    pub fn data(&self, name: &str) -> Option<&Value> {
        self.field("data")?.get(name)
    }
}

impl From<Event> for Announced {
    fn from(event: Event) -> Self {
        let bytes = event.heap_bytes() + PAYLOAD_BYTES;
        Self { event, payload: OnceLock::new(), position: 0, bytes }
    }
}

impl Deref for Announced {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.event
    }
}

impl fmt::Debug for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.name(), self.payload())
    }
}

#[test]
fn a_field_that_is_not_there_or_is_something_else_is_none() {
    let event = Announced::example("custom.*").unwrap();
    assert_eq!(event.name(), "custom.order_paid");
    assert_eq!(event.data("order"), Some(&Value::from(7)));
    assert_eq!(event.data("other"), None);
    assert_eq!(event.list("tags"), Some(vec!["eu"]));
    assert_eq!(
        (event.text("tags"), event.list("queue"), event.boolean("queue")),
        (None, None, None)
    );
    let event = Announced::example("task.retrying").unwrap();
    assert!(event.time("due_at").is_some());
    assert_eq!((event.time("method"), event.number("nothing")), (None, None));
    let event = Announced::example("task.completed").unwrap();
    assert_eq!(
        (event.boolean("result_truncated"), event.number("total_duration")),
        (Some(false), Some(20.0))
    );
    assert!(Announced::example("task.complete").is_none());
}
