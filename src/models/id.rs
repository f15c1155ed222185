//! Names of things: tasks, queues, claims.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The longest task id, in bytes.
pub const MAX_ID_BYTES: usize = 255;
/// The longest queue name, in bytes.
pub const MAX_QUEUE_NAME_BYTES: usize = 100;

/// Names one task, for ever and across tenants. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(Arc<str>);

impl TaskId {
    /// Checks an id that a caller chose; `field` is where it stood in the request.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when it is empty, longer than [`MAX_ID_BYTES`] or has control characters.
    pub fn parse(id: &str, field: &str) -> Result<Self, Error> {
        if id.is_empty() {
            return Err(Error::invalid(field, "empty; expected 1 to 255 bytes"));
        }
        if id.len() > MAX_ID_BYTES {
            return Err(Error::invalid(
                field,
                format!("{} bytes long; at most {MAX_ID_BYTES} are accepted", id.len()),
            ));
        }
        if let Some(bad) = id.chars().find(|c| c.is_control()) {
            return Err(Error::invalid(
                field,
                format!("contains the control character {bad:?}; printable text is accepted"),
            ));
        }
        Ok(Self(id.into()))
    }

    /// A new id that sorts by the time it was made (UUIDv7).
    pub fn generate() -> Self {
        let mut text = uuid::Uuid::encode_buffer();
        Self((&*uuid::Uuid::now_v7().hyphenated().encode_lower(&mut text)).into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// Names a line of tasks. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QueueName(Arc<str>);

impl QueueName {
    /// Checks a queue's name; `field` is where it stood in the request or file.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` unless it is 1 to [`MAX_QUEUE_NAME_BYTES`] letters, digits, `_`, `-`, `.`.
    pub fn parse(name: &str, field: &str) -> Result<Self, Error> {
        let sound = !name.is_empty()
            && name.len() <= MAX_QUEUE_NAME_BYTES
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        if sound {
            return Ok(Self(name.into()));
        }
        let shown: String = name.chars().take(MAX_QUEUE_NAME_BYTES).collect();
        Err(Error::invalid(
            field,
            format!(
                "{shown:?} is no queue name; expected 1 to {MAX_QUEUE_NAME_BYTES} letters, digits, `_`, `-` or `.`"
            ),
        ))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for QueueName {
    fn default() -> Self {
        Self("default".into())
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// A task's place in the order of acceptance; the store clusters by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

/// The number of one claim of one task, never used twice.
///
/// Every write about an attempt carries the fence of its claim, and a store refuses a stale one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fence {
    /// The number of the boot that claimed, committed before its first claim.
    pub epoch: u64,
    /// Counts the claims of that boot.
    pub counter: u64,
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.counter)
    }
}
