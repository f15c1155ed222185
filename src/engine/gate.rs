//! The gate: from a request to a task that may enter. Pure: a function of the request, the registry
//! and the defaults.

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

/// What tasks get that neither the request nor the method decides.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// The bound on one attempt.
    pub timeout: Duration,
    /// Attempts after the first, for tasks that nobody waits for.
    pub retries: u32,
}

/// A request, looked at.
#[derive(Clone)]
pub(crate) struct Checked {
    pub(crate) id: TaskId,
    /// The server gave the id.
    pub(crate) fresh: bool,
    pub(crate) digest: Digest,
    /// The task, or why it may not enter (which counts only if its id is not known).
    pub(crate) gate: Result<Admittable, Error>,
}

impl Checked {
    /// Whether that is the very task that this request made, and not one from before.
    pub(crate) fn is(&self, ended: &Ended) -> bool {
        self.gate.as_ref().is_ok_and(|gate| Arc::ptr_eq(&gate.task, &ended.task))
    }
}

/// Looks at a request. `retries` is what it gets if nobody says.
pub(crate) fn check(
    request: Request,
    registry: &TaskRegistry,
    defaults: &Defaults,
    retries: u32,
    now: Now,
) -> Checked {
    check_within(request, None, registry, defaults, retries, now)
}

/// Looks at what a running body asks for: it has the durability of its parent.
///
/// # Errors
/// Those of the gate.
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

/// Looks at what becomes a task without a caller: a run of a schedule, a delivery. It is kept, and waits
/// for nobody.
///
/// # Errors
/// Those of the gate; `INVALID_ARGUMENT` for what such a task cannot have.
pub(super) fn check_lasting(
    request: Request,
    shared: &Shared,
    now: Now,
) -> Result<Arc<Task>, Error> {
    let Shared { registry, defaults, .. } = shared;
    let mut request = request;
    if !request.deps.is_empty() {
        return Err(Error::invalid("deps", "expected none: such a task waits for nobody"));
    }
    let asked = request.options.get_or_insert_default();
    if asked.durability == Some(Durability::Ephemeral) {
        let why = "EPHEMERAL; such a task is stored before anybody knows of it: expected DURABLE";
        return Err(Error::invalid("options.durability", why));
    }
    asked.durability = Some(Durability::Durable);
    Ok(check(request, registry, defaults, defaults.retries, now).gate?.task)
}

/// Looks at what each run of a schedule is to be. Its own id and time are given to a run later; a
/// time to live is kept as what lies between the template's acceptance and its expiry.
///
/// # Errors
/// Those of the gate; `INVALID_ARGUMENT` for what a run cannot have.
pub(super) fn check_template(
    request: Request,
    shared: &Shared,
    now: Now,
) -> Result<Arc<Task>, Error> {
    let refuse = |field: &str, why: &str| Err(Error::invalid(field, why));
    if request.id.is_some() {
        return refuse("task_id", "expected none: each run is given its own");
    }
    if let Some(asked) = &request.options {
        match asked.start {
            Some(StartTime::At(_)) => {
                return refuse("options.run_at", "expected none: the schedule says when");
            }
            Some(StartTime::After(_)) => {
                return refuse("options.delay", "expected none: the schedule says when");
            }
            None => {}
        }
        if let Some(StartTime::At(_)) = asked.expiry {
            let why = "one time for all runs; expected options.ttl, which is counted for each";
            return refuse("options.expires_at", why);
        }
        if asked.keys.unique.is_some() {
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
        check_mentions(&args, &deps)?;
        let asked = options.as_deref();
        let options = fill_in(asked, &found, defaults, retries, now.wall)?;
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

/// The method as it was written. The usual way of writing it is the method's own name, which needs no
/// copy.
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

/// A result can be an argument only where its task is waited for.
fn check_mentions(args: &[ArgValue], deps: &[TaskId]) -> Result<(), Error> {
    let known = LazyCell::new(|| deps.iter().collect::<HashSet<_>>());
    for (at, arg) in args.iter().enumerate() {
        if let Some((path, id)) = unmet_mention(arg, &|id| known.contains(id)) {
            return Err(Error::invalid(
                format!("args[{at}]{path}"),
                format!("the result of {id}, which is not among deps; add it there"),
            ));
        }
    }
    Ok(())
}

/// The first result that is not a dependency's, and where it stands. Recursion is bounded: the
/// decoder accepts no argument deeper than it should be.
fn unmet_mention<'a>(
    arg: &'a ArgValue,
    is_known: &dyn Fn(&TaskId) -> bool,
) -> Option<(String, &'a TaskId)> {
    match arg {
        ArgValue::ResultOf(id) => (!is_known(id)).then(|| (String::new(), id)),
        ArgValue::Array(values) => values.iter().enumerate().find_map(|(at, value)| {
            let (path, id) = unmet_mention(value, is_known)?;
            Some((format!(".values[{at}]{path}"), id))
        }),
        ArgValue::Map(fields) => fields.iter().find_map(|(key, value)| {
            let (path, id) = unmet_mention(value, is_known)?;
            Some((format!(".fields[{key:?}]{path}"), id))
        }),
        _ => None,
    }
}

/// The request's options, then the method's, then the server's.
fn fill_in(
    asked: Option<&TaskOptions>,
    method: &Method,
    defaults: &Defaults,
    retries: u32,
    now: Timestamp,
) -> Result<Options, Error> {
    let of_method = &method.defaults;
    let none = TaskOptions::default();
    let asked = asked.unwrap_or(&none);
    let queue = match &asked.queue {
        Some(name) => QueueName::parse(name, "options.queue")?,
        None => of_method.queue.clone().unwrap_or_else(default_queue),
    };
    let at = |when: Option<StartTime>| match when {
        None => None,
        Some(StartTime::At(at)) => Some(at),
        Some(StartTime::After(wait)) => Some(now.plus(wait)),
    };
    let timeout = asked.timeout.or(of_method.timeout).unwrap_or(defaults.timeout);
    if timeout.is_zero() || timeout > MAX_TIMEOUT {
        return Err(Error::invalid(
            "options.timeout",
            format!("{timeout:?}; expected more than 0 and at most 7 days"),
        ));
    }
    check_labels(asked)?;
    asked.keys.check("options")?;
    let durability = asked.durability.or(of_method.durability).unwrap_or_default();
    if asked.keys.unique.is_some() && durability == Durability::Ephemeral {
        let why = "an ephemeral task; a unique key is kept for durable ones";
        return Err(Error::invalid("options.unique", why));
    }
    Ok(Options {
        queue,
        priority: asked.priority.or(of_method.priority).unwrap_or(0),
        run_at: at(asked.start),
        expires_at: at(asked.expiry),
        timeout,
        retry: retry_policy(asked, method, retries)?,
        durability,
        wait_for_dependencies: asked.wait_for_dependencies,
        on_dependency_failure: asked.on_dependency_failure.unwrap_or_default(),
        labels: (!asked.labels.is_empty()).then(|| Box::new(asked.labels.clone())),
        keys: (!asked.keys.is_empty()).then(|| Box::new(asked.keys.clone())),
    })
}

/// The name without an allocation.
fn default_queue() -> QueueName {
    static DEFAULT: std::sync::LazyLock<QueueName> = std::sync::LazyLock::new(QueueName::default);
    DEFAULT.clone()
}

fn retry_policy(asked: &TaskOptions, method: &Method, retries: u32) -> Result<RetryPolicy, Error> {
    let standard =
        RetryPolicy::with_retries(asked.retries.or(method.defaults.retries).unwrap_or(retries));
    let policy = RetryPolicy {
        retries: standard.retries,
        base: asked.backoff_base.or(method.defaults.backoff).unwrap_or(standard.base),
        multiplier: asked.backoff_multiplier.unwrap_or(standard.multiplier),
        max: asked.backoff_max.unwrap_or(standard.max),
        jitter: asked.jitter.unwrap_or(standard.jitter),
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

fn check_labels(asked: &TaskOptions) -> Result<(), Error> {
    let labels = &asked.labels;
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
