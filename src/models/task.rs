//! The task: a method, its arguments and its options. It does not change after it is accepted.

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
/// The longest window of a unique key.
pub const MAX_UNIQUE_WINDOW: Duration = Duration::from_secs(366 * 24 * 3600);
/// The longest timeout of one attempt.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3600);

/// A unit of work, as it was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The task's id.
    pub id: TaskId,
    /// The method as the caller wrote it; resolved to a version when the task is claimed.
    pub method: Arc<str>,
    /// The handler's arguments, before results of dependencies replace `ResultOf`.
    pub args: Vec<ArgValue>,
    /// The task's dependencies: tasks that must end before it.
    pub deps: Vec<TaskId>,
    /// The digest of its content, for idempotency.
    pub digest: Digest,
    /// When it was accepted.
    pub submitted_at: Timestamp,
    /// The task that spawned it or was expanded into it.
    pub parent: Option<TaskId>,
    /// The options, with all defaults resolved.
    pub options: Options,
}

/// The options of a task: the request's, else the method's defaults, else the server's.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The queue.
    pub queue: QueueName,
    /// The priority: higher runs first.
    pub priority: i32,
    /// The earliest start.
    pub run_at: Option<Timestamp>,
    /// The end of its time to live: a task that has not started by then expires.
    pub expires_at: Option<Timestamp>,
    /// The timeout of one attempt.
    pub timeout: Duration,
    /// The retry policy.
    pub retry: RetryPolicy,
    /// Whether the task survives the process.
    pub durability: Durability,
    /// Whether the task waits for dependencies that have not ended.
    pub wait_for_dependencies: bool,
    /// What happens to the task when a dependency fails.
    pub on_dependency_failure: OnDependencyFailure,
    /// Tags and descriptions; boxed because few tasks have them.
    pub labels: Option<Box<Labels>>,
    /// The concurrency key and the unique key; boxed because few tasks have them.
    pub keys: Option<Box<Keys>>,
}

/// The keys of a task: its concurrency key and its unique key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// The concurrency key: tasks of one queue with the same key share the queue's limits per key. At most
    /// [`MAX_KEY_BYTES`].
    pub concurrency: Option<String>,
    /// The unique key: at most one task at a time has it.
    pub unique: Option<Unique>,
}

impl Keys {
    /// Whether no key is set.
    pub fn is_empty(&self) -> bool {
        self.concurrency.is_none() && self.unique.is_none()
    }

    /// Checks the bounds; `field` is the request's field.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with the path of the bad field below `field`: a key that is empty or longer than
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

/// A unique key: at most one task holds it, until the task has ended and `window` has passed since the task was
/// accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unique {
    /// The key, at most [`MAX_KEY_BYTES`].
    pub key: String,
    /// The window, at most [`MAX_UNIQUE_WINDOW`].
    pub window: Option<Duration>,
    /// What happens to a second request with the key.
    pub on_conflict: OnConflict,
}

/// What happens to a second request with the same unique key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// The caller gets the first task.
    #[default]
    ReturnFirst,
    /// The first task gets the second request's arguments, if it waits and never started, has the same
    /// method, and neither has dependencies; otherwise the second request is refused. If the first task
    /// started, the second is accepted too and takes over the key. If the first has ended, as
    /// `ReturnFirst`.
    Replace,
    /// The second request is refused with `UNIQUE_TAKEN`.
    Refuse,
}

/// Descriptions of a task, for people and for filters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// The tags, at most [`MAX_TAGS`].
    pub tags: Vec<String>,
    /// Who requested the task.
    pub initiator: String,
    /// Why it was requested.
    pub reason: String,
    /// The system that requested it.
    pub source_system: String,
    /// Correlates it with work in other systems.
    pub correlation_id: String,
}

impl Labels {
    /// Whether all fields are empty. Does not compare with an empty value: each comparison of empty strings
    /// costs 40 ns on processors with AVX-512.
    pub fn is_empty(&self) -> bool {
        let words = [&self.initiator, &self.reason, &self.source_system, &self.correlation_id];
        self.tags.is_empty() && words.into_iter().all(String::is_empty)
    }
}

impl Task {
    /// Whether the task is the server's own: its method is in the namespace `system`.
    pub fn is_system_task(&self) -> bool {
        self.method.split_once('/').is_some_and(|(namespace, _)| namespace == SYSTEM_NAMESPACE)
    }
}

impl Options {
    /// The concurrency key.
    pub fn concurrency_key(&self) -> Option<&str> {
        self.keys.as_ref()?.concurrency.as_deref()
    }

    /// The unique key.
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
