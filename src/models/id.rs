//! Identifiers of tasks, queues and claims.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The longest task id, in bytes.
pub const MAX_ID_BYTES: usize = 255;
/// The longest queue name, in bytes.
pub const MAX_QUEUE_NAME_BYTES: usize = 100;

/// The id of a task. Never used for another task. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(Arc<str>);

impl TaskId {
    /// Checks an id that a caller sent in the request's field `field`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if it is empty, longer than [`MAX_ID_BYTES`] or has control characters.
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

    /// A new id (UUIDv7): ids sort by the time at which they were generated.
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

/// The name of a queue. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QueueName(Arc<str>);

impl QueueName {
    /// Checks a queue's name from the field `field` of a request or a file.
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

/// A task's position in the order of acceptance; the store clusters by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

/// The fencing token of one claim of one task, never used twice.
///
/// Every write about an attempt carries the fence of its claim, and the store refuses a stale fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fence {
    /// The number of the server's start, committed before its first claim.
    pub epoch: u64,
    /// Counts the claims since that start.
    pub counter: u64,
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.counter)
    }
}
