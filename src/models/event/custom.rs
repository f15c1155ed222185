//! The events that handlers emit: `custom.*`.

use std::sync::Arc;

use serde_json::Value;

use super::declare::{EventInfo, Fields};
use super::payload::{self, MAX_CUSTOM_PAYLOAD_BYTES, Payload};
use super::{Category, Fact, FieldKind, example};
use crate::error::Error;
use crate::models::Task;
use FieldKind::{Number, Object};

/// How the name of a custom event begins.
pub const CUSTOM_PREFIX: &str = "custom.";
/// The longest name of a custom event, in bytes.
pub const MAX_EVENT_NAME_BYTES: usize = 100;

/// An event that a handler emitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Custom {
    /// The event's name, which begins with `custom.`.
    pub name: Arc<str>,
    /// The handler's payload: at most [`MAX_CUSTOM_PAYLOAD_BYTES`] as JSON.
    pub payload: Payload,
    /// The task whose handler emitted it.
    pub task: Arc<Task>,
    /// The number of the attempt that emitted it, from 1.
    pub attempt: u32,
}

impl Custom {
    /// Checks the name and the payload of a custom event.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`: the name does not begin with `custom.`, is longer than
    /// [`MAX_EVENT_NAME_BYTES`], or has other characters than lower-case letters, digits, `_`, `-` and `.`;
    /// the payload is larger than [`MAX_CUSTOM_PAYLOAD_BYTES`].
    pub fn check(name: &str, payload: &Payload) -> Result<(), Error> {
        let rest = name.strip_prefix(CUSTOM_PREFIX).unwrap_or("");
        let is_valid = !rest.is_empty()
            && name.len() <= MAX_EVENT_NAME_BYTES
            && rest.split('.').all(|word| {
                !word.is_empty()
                    && word.bytes().all(|b| {
                        b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-')
                    })
            });
        if !is_valid {
            let shown: String = name.chars().take(MAX_EVENT_NAME_BYTES).collect();
            let why = format!(
                "{shown:?} is no name of a custom event; expected `custom.` and lower-case words of \
                 letters, digits, `_`, `-` with dots between, at most {MAX_EVENT_NAME_BYTES} bytes"
            );
            return Err(Error::invalid("name", why));
        }
        let bytes = payload::size(payload);
        if bytes > MAX_CUSTOM_PAYLOAD_BYTES {
            let why = format!(
                "{bytes} bytes as JSON; at most {MAX_CUSTOM_PAYLOAD_BYTES} are accepted: store large \
                 data elsewhere and emit a reference to it"
            );
            return Err(Error::invalid("payload", why));
        }
        Ok(())
    }

    pub(super) fn write_fields(&self, out: &mut Fields) {
        out.field("attempt", Number, self.attempt, "the attempt's number, from 1");
        out.field("data", Object, Value::Object(self.payload.clone()), "the handler's payload");
    }

    pub(super) fn declared() -> Vec<EventInfo> {
        let example = Self {
            name: "custom.order_paid".into(),
            payload: Payload::from_iter([("order".to_owned(), 7.into())]),
            task: example::task(),
            attempt: 1,
        };
        vec![EventInfo::new(
            "custom.*",
            Category::Custom,
            "A handler emitted a custom event",
            "a handler, with `ctx.emit`",
            vec![example::event(Fact::Custom(Arc::new(example)))],
        )]
    }
}
