//! What was asked for: a method, its arguments and its options. Never changes once accepted.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::Error;
use crate::models::{
    ArgValue, Digest, Durability, OnDependencyFailure, QueueName, RetryPolicy, SYSTEM_NAMESPACE,
    TaskId,
};

/// The most dependencies one task may have.
pub const MAX_DEPENDENCIES: usize = 1_000;
/// The most tags one task may carry.
pub const MAX_TAGS: usize = 16;
/// The longest tag, initiator, reason, source system or correlation id, in bytes.
pub const MAX_LABEL_BYTES: usize = 100;
/// The longest concurrency key or unique key, in bytes.
pub const MAX_KEY_BYTES: usize = 255;
/// The longest time for which a unique key can be kept.
pub const MAX_UNIQUE_WINDOW: Duration = Duration::from_secs(366 * 24 * 3600);
/// The longest bound on one attempt.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3600);

/// One unit of work, as it was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its name, for ever.
    pub id: TaskId,
    /// The method as the caller wrote it; resolved to a version when the task is claimed.
    pub method: Arc<str>,
    /// What the body is called with, before `ResultOf` is replaced.
    pub args: Vec<ArgValue>,
    /// Tasks that must have ended first.
    pub deps: Vec<TaskId>,
    /// Tells whether another request with this id asks for the same thing.
    pub digest: Digest,
    /// When it was accepted.
    pub submitted_at: Timestamp,
    /// The task that spawned it or was expanded into it.
    pub parent: Option<TaskId>,
    /// Everything else that was asked, with defaults filled in.
    pub options: Options,
}

/// A task's options, complete: the request's, then the method's, then the server's.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The line it stands in.
    pub queue: QueueName,
    /// Higher first.
    pub priority: i32,
    /// Not before.
    pub run_at: Option<Timestamp>,
    /// Not started after.
    pub expires_at: Option<Timestamp>,
    /// The bound on one attempt.
    pub timeout: Duration,
    /// How failed attempts are repeated.
    pub retry: RetryPolicy,
    /// Whether it outlives the process.
    pub durability: Durability,
    /// Wait for dependencies that have not ended.
    pub wait_for_dependencies: bool,
    /// What becomes of it when one ends badly.
    pub on_dependency_failure: OnDependencyFailure,
    /// What nearly no task has.
    pub labels: Option<Box<Labels>>,
    /// What few tasks have.
    pub keys: Option<Box<Keys>>,
}

/// Words by which tasks get in each other's way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Tasks of one queue with the same one share the queue's limits per key. At most
    /// [`MAX_KEY_BYTES`].
    pub concurrency: Option<String>,
    /// At most one task at a time with the same one.
    pub unique: Option<Unique>,
}

impl Keys {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.concurrency.is_none() && self.unique.is_none()
    }

    /// # Errors
    /// `INVALID_ARGUMENT`, naming the field below `field`: a key that is empty or longer than
    /// [`MAX_KEY_BYTES`], a window longer than [`MAX_UNIQUE_WINDOW`].
    pub fn check(&self, field: &str) -> Result<(), Error> {
        if let Some(key) = &self.concurrency {
            check_key(key, field, "concurrency_key")?;
        }
        let Some(unique) = &self.unique else { return Ok(()) };
        check_key(&unique.key, field, "unique.key")?;
        match unique.window {
            Some(window) if window > MAX_UNIQUE_WINDOW => Err(Error::invalid(
                format!("{field}.unique.window"),
                format!("{window:?}; at most 366 days are accepted"),
            )),
            _ => Ok(()),
        }
    }
}

fn check_key(key: &str, field: &str, name: &str) -> Result<(), Error> {
    let refuse = |why: String| Err(Error::invalid(format!("{field}.{name}"), why));
    if key.is_empty() {
        return refuse(format!("empty; expected 1 to {MAX_KEY_BYTES} bytes"));
    }
    if let Some(bad) = key.chars().find(|c| c.is_control()) {
        return refuse(format!(
            "contains the control character {bad:?}; printable text is accepted"
        ));
    }
    if key.len() > MAX_KEY_BYTES {
        return refuse(format!("{} bytes long; at most {MAX_KEY_BYTES} are accepted", key.len()));
    }
    Ok(())
}

/// At most one task with that key, for as long as it has not ended and for `window` after it was
/// accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unique {
    /// At most [`MAX_KEY_BYTES`].
    pub key: String,
    /// At most [`MAX_UNIQUE_WINDOW`].
    pub window: Option<Duration>,
    /// What becomes of a second one.
    pub on_conflict: OnConflict,
}

/// What becomes of a second task with the same unique key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// Whoever asks is told of the first.
    #[default]
    ReturnFirst,
    /// The first runs with the second's arguments, if it waits and was never started (and asks for
    /// the same method, and neither has dependencies; else the second is refused). If it was started,
    /// the second enters beside it and the key is its own from then on; if it has ended, as
    /// `ReturnFirst`.
    Replace,
    /// It is refused.
    Refuse,
}

/// Words that a task carries for people and for look-ups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// At most [`MAX_TAGS`].
    pub tags: Vec<String>,
    /// Who asked.
    pub initiator: String,
    /// Why.
    pub reason: String,
    /// From where.
    pub source_system: String,
    /// Joins what belongs together across systems.
    pub correlation_id: String,
}

impl Labels {
    /// Whether it says nothing. Not by comparison with an empty one: to compare empty strings, which
    /// point nowhere, costs 40 ns each on processors with AVX-512.
    pub fn is_empty(&self) -> bool {
        let words = [&self.initiator, &self.reason, &self.source_system, &self.correlation_id];
        self.tags.is_empty() && words.into_iter().all(String::is_empty)
    }
}

impl Task {
    /// Whether the server made it for itself.
    pub fn is_system_task(&self) -> bool {
        self.method.split_once('/').is_some_and(|(namespace, _)| namespace == SYSTEM_NAMESPACE)
    }
}

impl Options {
    /// The key whose limits it shares.
    pub fn concurrency_key(&self) -> Option<&str> {
        self.keys.as_ref()?.concurrency.as_deref()
    }

    /// What keeps others like it out.
    pub fn unique(&self) -> Option<&Unique> {
        self.keys.as_ref()?.unique.as_ref()
    }

    /// The task's tags.
    pub fn tags(&self) -> &[String] {
        self.labels.as_ref().map_or(&[], |labels| &labels.tags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bounded() {
        let check = |keys: Keys, expected: &str| {
            let refused = keys.check("options").expect_err("refused");
            assert_eq!(refused.message, expected);
        };
        let concurrency = |key: &str| Keys { concurrency: Some(key.into()), ..Keys::default() };
        let unique = |key: &str, window| {
            let unique = Unique { key: key.into(), window, on_conflict: OnConflict::default() };
            Keys { unique: Some(unique), ..Keys::default() }
        };
        let (longest, too_long) = ("k".repeat(255), "k".repeat(256));
        check(concurrency(""), "options.concurrency_key: empty; expected 1 to 255 bytes");
        check(
            concurrency(&too_long),
            "options.concurrency_key: 256 bytes long; at most 255 are accepted",
        );
        check(unique("", None), "options.unique.key: empty; expected 1 to 255 bytes");
        check(
            unique(&too_long, None),
            "options.unique.key: 256 bytes long; at most 255 are accepted",
        );
        check(
            unique("k", Some(MAX_UNIQUE_WINDOW + Duration::from_secs(1))),
            "options.unique.window: 31622401s; at most 366 days are accepted",
        );
        for sound in [
            Keys::default(),
            concurrency(&longest),
            unique(&longest, None),
            unique("k", Some(Duration::ZERO)),
            unique("k", Some(MAX_UNIQUE_WINDOW)),
        ] {
            assert_eq!(sound.check("options"), Ok(()));
        }
    }
}
