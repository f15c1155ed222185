//! Tasks, as requested.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;

use super::{Malformed, read_values, time, write_values};
use crate::clock::Timestamp;
use crate::models::{
    Digest, Durability, Keys, Labels, OnConflict, OnDependencyFailure, Options, QueueName,
    RetryPolicy, Task, TaskId, Unique,
};

/// The part of a task that is in columns.
pub(in super::super) struct Columns<'a> {
    pub(in super::super) id: &'a str,
    pub(in super::super) method: Arc<str>,
    pub(in super::super) queue: QueueName,
    pub(in super::super) submitted: Timestamp,
    pub(in super::super) parent: Option<&'a str>,
}

/// The rest of a task. Defaults take no bytes.
#[derive(Clone, PartialEq, Message)]
struct StoredTask {
    #[prost(bytes = "vec", tag = "1")]
    args: Vec<u8>,
    #[prost(string, repeated, tag = "2")]
    deps: Vec<String>,
    #[prost(fixed64, tag = "3")]
    digest_head: u64,
    #[prost(fixed64, tag = "4")]
    digest_tail: u64,
    #[prost(sint32, tag = "5")]
    priority: i32,
    #[prost(uint64, optional, tag = "6")]
    run_at: Option<u64>,
    #[prost(uint64, optional, tag = "7")]
    expires_at: Option<u64>,
    #[prost(uint64, tag = "8")]
    timeout_micros: u64,
    /// The nanoseconds below a microsecond.
    #[prost(uint32, tag = "9")]
    timeout_nanos: u32,
    #[prost(uint32, tag = "10")]
    retries: u32,
    /// Missing for the default backoff.
    #[prost(message, optional, boxed, tag = "11")]
    backoff: Option<Box<StoredBackoff>>,
    #[prost(bool, tag = "12")]
    ephemeral: bool,
    #[prost(bool, tag = "13")]
    waits: bool,
    #[prost(bool, tag = "14")]
    runs_anyway: bool,
    #[prost(message, optional, boxed, tag = "15")]
    labels: Option<Box<StoredLabels>>,
    #[prost(message, optional, boxed, tag = "16")]
    keys: Option<Box<StoredKeys>>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredBackoff {
    #[prost(uint64, tag = "1")]
    base_nanos: u64,
    /// The bits: protobuf does not store a negative zero.
    #[prost(fixed64, tag = "2")]
    multiplier: u64,
    #[prost(uint64, tag = "3")]
    max_nanos: u64,
    #[prost(fixed64, tag = "4")]
    jitter: u64,
}

#[derive(Clone, PartialEq, Message)]
struct StoredLabels {
    #[prost(string, repeated, tag = "1")]
    tags: Vec<String>,
    #[prost(string, tag = "2")]
    initiator: String,
    #[prost(string, tag = "3")]
    reason: String,
    #[prost(string, tag = "4")]
    source_system: String,
    #[prost(string, tag = "5")]
    correlation_id: String,
}

#[derive(Clone, PartialEq, Message)]
struct StoredKeys {
    #[prost(string, optional, tag = "1")]
    concurrency: Option<String>,
    #[prost(string, optional, tag = "2")]
    unique: Option<String>,
    #[prost(uint64, optional, tag = "3")]
    unique_window_nanos: Option<u64>,
    /// On a unique key conflict: 0 returns the first task, 1 replaces its arguments, 2 refuses.
    #[prost(uint32, tag = "4")]
    on_conflict: u32,
}

/// Appends what is not in [`Columns`].
pub(in super::super) fn write_task(task: &Task, out: &mut Vec<u8>) {
    let options = &task.options;
    let mut args = Vec::with_capacity(16 * task.args.len());
    write_values(&task.args, &mut args);
    let [digest_head, digest_tail] = task.digest.halves();
    let request = StoredTask {
        args,
        deps: task.deps.iter().map(|dep| dep.as_str().to_owned()).collect(),
        digest_head,
        digest_tail,
        priority: options.priority,
        run_at: options.run_at.map(Timestamp::as_micros),
        expires_at: options.expires_at.map(Timestamp::as_micros),
        timeout_micros: u64::try_from(options.timeout.as_micros()).unwrap_or(u64::MAX),
        timeout_nanos: options.timeout.subsec_nanos() % 1_000,
        retries: options.retry.retries,
        backoff: backoff(&options.retry),
        ephemeral: options.durability == Durability::Ephemeral,
        waits: options.wait_for_dependencies,
        runs_anyway: options.on_dependency_failure == OnDependencyFailure::Run,
        labels: options.labels.as_deref().map(|labels| Box::new(labels.into())),
        keys: options.keys.as_deref().map(|keys| Box::new(keys.into())),
    };
    request.encode(out).expect("a vector grows");
}

fn backoff(retry: &RetryPolicy) -> Option<Box<StoredBackoff>> {
    (*retry != RetryPolicy::with_retries(retry.retries)).then(|| {
        Box::new(StoredBackoff {
            base_nanos: nanos(retry.base),
            multiplier: retry.multiplier.to_bits(),
            max_nanos: nanos(retry.max),
            jitter: retry.jitter.to_bits(),
        })
    })
}

pub(super) fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

/// Decodes a task.
///
/// # Errors
/// [`Malformed`].
pub(in super::super) fn read_task(columns: Columns<'_>, request: &[u8]) -> Result<Task, Malformed> {
    let request = StoredTask::decode(request)?;
    let retry = match request.backoff {
        None => RetryPolicy::with_retries(request.retries),
        Some(backoff) => RetryPolicy {
            retries: request.retries,
            base: Duration::from_nanos(backoff.base_nanos),
            multiplier: f64::from_bits(backoff.multiplier),
            max: Duration::from_nanos(backoff.max_nanos),
            jitter: f64::from_bits(backoff.jitter),
        },
    };
    let timeout = Duration::from_micros(request.timeout_micros)
        + Duration::from_nanos(u64::from(request.timeout_nanos));
    Ok(Task {
        id: id(columns.id)?,
        method: columns.method,
        args: read_values(&request.args)?,
        deps: request.deps.iter().map(|dep| id(dep)).collect::<Result<_, _>>()?,
        digest: Digest::from_halves([request.digest_head, request.digest_tail]),
        submitted_at: columns.submitted,
        parent: columns.parent.map(id).transpose()?,
        options: Options {
            queue: columns.queue,
            priority: request.priority,
            run_at: request.run_at.map(time).transpose()?,
            expires_at: request.expires_at.map(time).transpose()?,
            timeout,
            retry,
            durability: match request.ephemeral {
                true => Durability::Ephemeral,
                false => Durability::Durable,
            },
            wait_for_dependencies: request.waits,
            on_dependency_failure: match request.runs_anyway {
                true => OnDependencyFailure::Run,
                false => OnDependencyFailure::Fail,
            },
            labels: request.labels.map(|labels| Box::new((*labels).into())),
            keys: request.keys.map(|keys| Box::new((*keys).into())),
        },
    })
}

pub(super) fn id(text: &str) -> Result<TaskId, Malformed> {
    TaskId::parse(text, "id").map_err(|_| Malformed::Wrong("invalid task id"))
}

impl From<&Labels> for StoredLabels {
    fn from(labels: &Labels) -> Self {
        let Labels { tags, initiator, reason, source_system, correlation_id } = labels.clone();
        Self { tags, initiator, reason, source_system, correlation_id }
    }
}

impl From<StoredLabels> for Labels {
    fn from(labels: StoredLabels) -> Self {
        let StoredLabels { tags, initiator, reason, source_system, correlation_id } = labels;
        Self { tags, initiator, reason, source_system, correlation_id }
    }
}

impl From<&Keys> for StoredKeys {
    fn from(keys: &Keys) -> Self {
        let unique = keys.unique.as_ref();
        Self {
            concurrency: keys.concurrency.clone(),
            unique: unique.map(|unique| unique.key.clone()),
            unique_window_nanos: unique.and_then(|unique| unique.window).map(nanos),
            on_conflict: match unique.map(|unique| unique.on_conflict) {
                None | Some(OnConflict::ReturnFirst) => 0,
                Some(OnConflict::Replace) => 1,
                Some(OnConflict::Refuse) => 2,
            },
        }
    }
}

impl From<StoredKeys> for Keys {
    fn from(keys: StoredKeys) -> Self {
        let on_conflict = match keys.on_conflict {
            0 => OnConflict::ReturnFirst,
            1 => OnConflict::Replace,
            _ => OnConflict::Refuse,
        };
        let window = keys.unique_window_nanos.map(Duration::from_nanos);
        let unique = keys.unique.map(|key| Unique { key, window, on_conflict });
        Self { concurrency: keys.concurrency, unique }
    }
}
