//! An event as streams and subscribers get it: with its payload.

use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;
use std::time::SystemTime;

use serde_json::Value;

use super::catalog;
use crate::models::{Event, Payload};

/// An estimate of a payload's memory, in bytes.
const PAYLOAD_BYTES: usize = 1 << 10;

/// An event and its payload, which is built once, at the first read. The methods read a payload field by
/// its name and return `None` if the field is missing or has another type.
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
    /// The event's position among the events that streams get, from 1; 0 if it was not recorded.
    pub(super) position: u64,
    /// An estimate of the memory that the event and its payload keep alive, in bytes.
    pub(super) bytes: usize,
}

impl Announced {
    /// An example of the event with this name, for tests of subscribers. `None` if the catalogue has no
    /// such event.
    pub fn example(name: &str) -> Option<Self> {
        catalog::example(name).map(Self::from)
    }

    /// The payload, as [`Event::payload`] builds it.
    pub fn payload(&self) -> &Payload {
        self.payload.get_or_init(|| self.event.payload())
    }

    /// A field of any type.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.payload().get(name)
    }

    /// A text field.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.field(name)?.as_str()
    }

    /// A number field.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.field(name)?.as_f64()
    }

    /// A field with a whole number.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.field(name)?.as_i64()
    }

    /// A boolean field.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        self.field(name)?.as_bool()
    }

    /// A field with a list of texts. Elements of other types are left out.
    pub fn list(&self, name: &str) -> Option<Vec<&str>> {
        Some(self.field(name)?.as_array()?.iter().filter_map(Value::as_str).collect())
    }

    /// A time field.
    pub fn time(&self, name: &str) -> Option<SystemTime> {
        self.text(name)?.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
    }

    /// A field of a custom event's `data`: the payload that the handler emitted.
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
fn a_field_that_is_missing_or_has_another_type_is_none() {
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
