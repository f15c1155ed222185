//! The gate: checks a request and makes a task of it. Pure: a function of the request, the registry and
//! the defaults.

use std::cell::LazyCell;
use std::sync::Arc;
use std::time::Duration;

use ahash::HashSet;

use super::Shared;
use crate::clock::{self, Now, Timestamp};
use crate::engine::core::Admittable;
use crate::error::Error;
use crate::models::{
    ArgValue, Digest, Durability, Ended, MAX_BACKOFF, MAX_DEPENDENCIES, MAX_LABEL_BYTES,
    MAX_RETRIES, MAX_TAGS, MAX_TIMEOUT, Options, QueueName, Request, RetryPolicy, StartTime, Task,
    TaskId, TaskOptions,
};
use crate::tasks::{Method, TaskRegistry};

/// Options of tasks that neither the request nor the method sets.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// The timeout of one attempt.
    pub timeout: Duration,
    /// The retries of tasks that are enqueued, scheduled or spawned. A submitted task has none.
    pub retries: u32,
}

/// A checked request.
#[derive(Clone)]
pub(crate) struct Checked {
    pub(crate) id: TaskId,
    /// The server generated the id.
    pub(crate) fresh: bool,
    pub(crate) digest: Digest,
    /// The task, or the refusal, which counts only if no task has the id yet.
    pub(crate) gate: Result<Admittable, Error>,
}

impl Checked {
    /// Whether the ended task was made by this request, not by an earlier one with the same id.
    pub(crate) fn is(&self, ended: &Ended) -> bool {
        self.gate.as_ref().is_ok_and(|gate| Arc::ptr_eq(&gate.task, &ended.task))
    }
}

/// Checks a request. `retries` is the default.
pub(crate) fn check(
    request: Request,
    registry: &TaskRegistry,
    defaults: &Defaults,
    retries: u32,
    now: Now,
) -> Checked {
    check_within(request, None, registry, defaults, retries, now)
}

/// Checks a child of a running task.
///
/// # Errors
/// The refusals of the gate.
pub(super) fn check_child(
    request: Request,
    parent: &TaskId,
    shared: &Shared,
) -> Result<Arc<Task>, Error> {
    let Shared { registry, defaults, .. } = shared;
    let checked =
        check_within(request, Some(parent), registry, defaults, defaults.retries, clock::now());
    Ok(checked.gate?.task)
}

/// Checks a task without a caller: a run of a schedule, or a delivery. It is durable and has no
/// dependencies.
///
/// # Errors
/// The refusals of the gate; `INVALID_ARGUMENT` for what such a task cannot have.
pub(super) fn check_lasting(
    request: Request,
    shared: &Shared,
    now: Now,
) -> Result<Arc<Task>, Error> {
    let Shared { registry, defaults, .. } = shared;
    let mut request = request;
    if !request.deps.is_empty() {
        return Err(Error::invalid("deps", "expected none: such a task cannot have dependencies"));
    }
    let requested = request.options.get_or_insert_default();
    if requested.durability == Some(Durability::Ephemeral) {
        let why = "EPHEMERAL; expected DURABLE: such a task must survive a restart";
        return Err(Error::invalid("options.durability", why));
    }
    requested.durability = Some(Durability::Durable);
    Ok(check(request, registry, defaults, defaults.retries, now).gate?.task)
}

/// Checks the template of a schedule's runs. Each run gets its own id and times later; the time to live is
/// the template's `expires_at` minus its `submitted_at`.
///
/// # Errors
/// The refusals of the gate; `INVALID_ARGUMENT` for what a run cannot have.
pub(super) fn check_template(
    request: Request,
    shared: &Shared,
    now: Now,
) -> Result<Arc<Task>, Error> {
    let refuse = |field: &str, why: &str| Err(Error::invalid(field, why));
    if request.id.is_some() {
        return refuse("task_id", "expected none: each run is given its own");
    }
    if let Some(requested) = &request.options {
        match requested.start {
            Some(StartTime::At(_)) => {
                return refuse("options.run_at", "expected none: the schedule says when");
            }
            Some(StartTime::After(_)) => {
                return refuse("options.delay", "expected none: the schedule says when");
            }
            None => {}
        }
        if let Some(StartTime::At(_)) = requested.expiry {
            let why = "one time for all runs; expected options.ttl, which is counted for each";
            return refuse("options.expires_at", why);
        }
        if requested.keys.unique.is_some() {
            let why = "expected none: whether runs overlap is for the schedule to say";
            return refuse("options.unique", why);
        }
    }
    check_lasting(request, shared, now)
}

fn check_within(
    request: Request,
    parent: Option<&TaskId>,
    registry: &TaskRegistry,
    defaults: &Defaults,
    retries: u32,
    now: Now,
) -> Checked {
    let Request { id, method, args, deps, options } = request;
    let digest = Digest::of(&method, &args, &deps);
    let fresh = id.is_none();
    let id = id.unwrap_or_else(TaskId::generate);
    let gate = registry.find(&method).and_then(|found| {
        (found.signature.check)(&args)?;
        check_deps(&id, &deps)?;
        check_results(&args, &deps)?;
        let requested = options.as_deref();
        let options = merge_options(requested, &found, defaults, retries, now.wall)?;
        let unread = deps.iter().map(|dep| (dep.clone(), None)).collect();
        let task = Task {
            id: id.clone(),
            method: written(&method, &found),
            args,
            deps,
            digest,
            submitted_at: now.wall,
            parent: parent.cloned(),
            options,
        };
        Ok(Admittable { task: Arc::new(task), method: found, deps: unread })
    });
    Checked { id, fresh, digest, gate }
}

/// The method as it was written. Shares the registered name if both are equal, which is the usual case.
fn written(method: &str, found: &Method) -> Arc<str> {
    if *method == *found.name.name { found.name.name.clone() } else { method.into() }
}

fn check_deps(id: &TaskId, deps: &[TaskId]) -> Result<(), Error> {
    if deps.len() > MAX_DEPENDENCIES {
        let given = deps.len();
        return Err(Error::invalid(
            "deps",
            format!("{given} dependencies; at most {MAX_DEPENDENCIES} are accepted"),
        ));
    }
    match deps.iter().position(|dep| dep == id) {
        Some(at) => Err(Error::invalid(
            format!("deps[{at}]"),
            format!("{id} cannot depend on itself; name another task"),
        )),
        None => Ok(()),
    }
}

/// Refuses results of tasks that are not dependencies.
fn check_results(args: &[ArgValue], deps: &[TaskId]) -> Result<(), Error> {
    let known = LazyCell::new(|| deps.iter().collect::<HashSet<_>>());
    for (at, arg) in args.iter().enumerate() {
        if let Some((path, id)) = unknown_result(arg, &|id| known.contains(id)) {
            return Err(Error::invalid(
                format!("args[{at}]{path}"),
                format!("the result of {id}, which is not among deps; add it there"),
            ));
        }
    }
    Ok(())
}

/// The first result of a task that is not a dependency, and its path. Recursion is bounded: the decoder
/// refuses arguments that nest too deep.
fn unknown_result<'a>(
    arg: &'a ArgValue,
    is_known: &dyn Fn(&TaskId) -> bool,
) -> Option<(String, &'a TaskId)> {
    match arg {
        ArgValue::ResultOf(id) => (!is_known(id)).then(|| (String::new(), id)),
        ArgValue::Array(values) => values.iter().enumerate().find_map(|(at, value)| {
            let (path, id) = unknown_result(value, is_known)?;
            Some((format!(".values[{at}]{path}"), id))
        }),
        ArgValue::Map(fields) => fields.iter().find_map(|(key, value)| {
            let (path, id) = unknown_result(value, is_known)?;
            Some((format!(".fields[{key:?}]{path}"), id))
        }),
        _ => None,
    }
}

/// The options of the request, else of the method, else of the server.
fn merge_options(
    requested: Option<&TaskOptions>,
    method: &Method,
    defaults: &Defaults,
    retries: u32,
    now: Timestamp,
) -> Result<Options, Error> {
    let of_method = &method.defaults;
    let none = TaskOptions::default();
    let requested = requested.unwrap_or(&none);
    let queue = match &requested.queue {
        Some(name) => QueueName::parse(name, "options.queue")?,
        None => of_method.queue.clone().unwrap_or_else(default_queue),
    };
    let at = |time: Option<StartTime>| match time {
        None => None,
        Some(StartTime::At(at)) => Some(at),
        Some(StartTime::After(wait)) => Some(now.plus(wait)),
    };
    let timeout = requested.timeout.or(of_method.timeout).unwrap_or(defaults.timeout);
    if timeout.is_zero() || timeout > MAX_TIMEOUT {
        return Err(Error::invalid(
            "options.timeout",
            format!("{timeout:?}; expected more than 0 and at most 7 days"),
        ));
    }
    check_labels(requested)?;
    requested.keys.check("options")?;
    let durability = requested.durability.or(of_method.durability).unwrap_or_default();
    if requested.keys.unique.is_some() && durability == Durability::Ephemeral {
        let why = "an ephemeral task; a unique key is kept for durable ones";
        return Err(Error::invalid("options.unique", why));
    }
    Ok(Options {
        queue,
        priority: requested.priority.or(of_method.priority).unwrap_or(0),
        run_at: at(requested.start),
        expires_at: at(requested.expiry),
        timeout,
        retry: retry_policy(requested, method, retries)?,
        durability,
        wait_for_dependencies: requested.wait_for_dependencies,
        on_dependency_failure: requested.on_dependency_failure.unwrap_or_default(),
        labels: (!requested.labels.is_empty()).then(|| Box::new(requested.labels.clone())),
        keys: (!requested.keys.is_empty()).then(|| Box::new(requested.keys.clone())),
    })
}

/// Cached, so that the usual case allocates nothing.
fn default_queue() -> QueueName {
    static DEFAULT: std::sync::LazyLock<QueueName> = std::sync::LazyLock::new(QueueName::default);
    DEFAULT.clone()
}

fn retry_policy(
    requested: &TaskOptions,
    method: &Method,
    retries: u32,
) -> Result<RetryPolicy, Error> {
    let standard =
        RetryPolicy::with_retries(requested.retries.or(method.defaults.retries).unwrap_or(retries));
    let policy = RetryPolicy {
        retries: standard.retries,
        base: requested.backoff_base.or(method.defaults.backoff).unwrap_or(standard.base),
        multiplier: requested.backoff_multiplier.unwrap_or(standard.multiplier),
        max: requested.backoff_max.unwrap_or(standard.max),
        jitter: requested.jitter.unwrap_or(standard.jitter),
    };
    let refuse =
        |field: &str, why: String| Err(Error::invalid(format!("options.retry.{field}"), why));
    if policy.retries > MAX_RETRIES {
        return refuse(
            "retries",
            format!("{}; at most {MAX_RETRIES} are accepted", policy.retries),
        );
    }
    for (field, delay) in [("base", policy.base), ("max", policy.max)] {
        if delay > MAX_BACKOFF {
            return refuse(field, format!("{delay:?}; at most 24 hours are accepted"));
        }
    }
    if !(1.0..=100.0).contains(&policy.multiplier) {
        return refuse("multiplier", format!("{}; expected 1 to 100", policy.multiplier));
    }
    if !(0.0..=1.0).contains(&policy.jitter) {
        return refuse("jitter", format!("{}; expected 0 to 1", policy.jitter));
    }
    Ok(policy)
}

fn check_labels(requested: &TaskOptions) -> Result<(), Error> {
    let labels = &requested.labels;
    if labels.tags.len() > MAX_TAGS {
        return Err(Error::invalid(
            "options.tags",
            format!("{} tags; at most {MAX_TAGS} are accepted", labels.tags.len()),
        ));
    }
    let words = [
        ("options.initiator", &labels.initiator),
        ("options.reason", &labels.reason),
        ("options.source_system", &labels.source_system),
        ("options.correlation_id", &labels.correlation_id),
    ];
    let tags = labels.tags.iter().map(|tag| ("options.tags", tag));
    for (field, word) in words.into_iter().chain(tags) {
        if let Some(bad) = word.chars().find(|c| c.is_control()) {
            let why = format!("contains the control character {bad:?}; printable text is accepted");
            return Err(Error::invalid(field, why));
        }
        if word.len() > MAX_LABEL_BYTES {
            return Err(Error::invalid(
                field,
                format!("{} bytes long; at most {MAX_LABEL_BYTES} are accepted", word.len()),
            ));
        }
    }
    match labels.tags.iter().position(String::is_empty) {
        Some(at) => Err(Error::invalid(format!("options.tags[{at}]"), "empty; expected a word")),
        None => Ok(()),
    }
}
