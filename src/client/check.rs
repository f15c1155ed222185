//! Checks of a task before it is sent: what every server refuses, with the same messages.
//!
//! They repeat checks of the engine's gate. The client must not depend on the engine, and the gate
//! works on values that it has resolved with the method's defaults, so the two do not share code.

use std::collections::HashSet;

use crate::client::TaskBuilder;
use crate::error::Error;
use crate::models::wrappers::MAX_DEPTH;
use crate::models::{
    ArgValue, Labels, MAX_BACKOFF, MAX_DEPENDENCIES, MAX_LABEL_BYTES, MAX_RETRIES, MAX_TAGS,
    MAX_TIMEOUT, MethodRef, QueueName, TaskId, TaskOptions,
};

/// Checks a task.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault as the wire has it.
pub(super) fn task(id: &TaskId, task: &TaskBuilder) -> Result<(), Error> {
    dependencies(id, &task.deps)?;
    MethodRef::parse(&task.method)?;
    for (at, arg) in task.args.iter().enumerate() {
        let field = || format!("args[{at}]");
        if arg.is_deeper_than(MAX_DEPTH) {
            let why =
                format!("lists and maps nest deeper than {MAX_DEPTH}, the most that is accepted");
            return Err(Error::invalid(field(), why));
        }
    }
    result_references(&task.args, &task.deps)?;
    options(&task.options)
}

fn dependencies(id: &TaskId, deps: &[String]) -> Result<(), Error> {
    if deps.len() > MAX_DEPENDENCIES {
        let why = format!("{} ids; at most {MAX_DEPENDENCIES} are accepted", deps.len());
        return Err(Error::invalid("deps", why));
    }
    for (at, dep) in deps.iter().enumerate() {
        TaskId::parse(dep, &format!("deps[{at}]"))?;
    }
    match deps.iter().position(|dep| dep == id.as_str()) {
        Some(at) => Err(Error::invalid(
            format!("deps[{at}]"),
            "the task's own id; a task cannot wait for itself",
        )),
        None => Ok(()),
    }
}

fn result_references(args: &[ArgValue], deps: &[String]) -> Result<(), Error> {
    let known: HashSet<&str> = deps.iter().map(String::as_str).collect();
    for (at, arg) in args.iter().enumerate() {
        if let Some((path, id)) = missing_dependency(arg, &known) {
            return Err(Error::invalid(
                format!("args[{at}]{path}"),
                format!("the result of {id}, which is not among deps; add it there"),
            ));
        }
    }
    Ok(())
}

/// The first `ResultOf` that is not in `known`, and its path. Recursion is bounded: the depth was
/// checked before.
fn missing_dependency<'a>(
    arg: &'a ArgValue,
    known: &HashSet<&str>,
) -> Option<(String, &'a TaskId)> {
    match arg {
        ArgValue::ResultOf(id) => (!known.contains(id.as_str())).then(|| (String::new(), id)),
        ArgValue::Array(values) => values.iter().enumerate().find_map(|(at, value)| {
            let (path, id) = missing_dependency(value, known)?;
            Some((format!(".values[{at}]{path}"), id))
        }),
        ArgValue::Map(fields) => fields.iter().find_map(|(key, value)| {
            let (path, id) = missing_dependency(value, known)?;
            Some((format!(".fields[{key:?}]{path}"), id))
        }),
        _ => None,
    }
}

fn options(options: &TaskOptions) -> Result<(), Error> {
    if let Some(queue) = &options.queue {
        QueueName::parse(queue, "options.queue")?;
    }
    if let Some(timeout) = options.timeout
        && (timeout.is_zero() || timeout > MAX_TIMEOUT)
    {
        let why = format!("{timeout:?}; expected more than 0 and at most 7 days");
        return Err(Error::invalid("options.timeout", why));
    }
    labels(&options.labels)?;
    retry(options)?;
    options.keys.check("options")
}

fn retry(options: &TaskOptions) -> Result<(), Error> {
    let refuse =
        |field: &str, why: String| Err(Error::invalid(format!("options.retry.{field}"), why));
    if let Some(retries) = options.retries.filter(|retries| *retries > MAX_RETRIES) {
        return refuse("retries", format!("{retries}; at most {MAX_RETRIES} are accepted"));
    }
    for (field, delay) in [("base", options.backoff_base), ("max", options.backoff_max)] {
        if let Some(delay) = delay.filter(|delay| *delay > MAX_BACKOFF) {
            return refuse(field, format!("{delay:?}; at most 24 hours are accepted"));
        }
    }
    if let Some(multiplier) = options.backoff_multiplier.filter(|it| !(1.0..=100.0).contains(it)) {
        return refuse("multiplier", format!("{multiplier}; expected 1 to 100"));
    }
    if let Some(jitter) = options.jitter.filter(|it| !(0.0..=1.0).contains(it)) {
        return refuse("jitter", format!("{jitter}; expected 0 to 1"));
    }
    Ok(())
}

fn labels(labels: &Labels) -> Result<(), Error> {
    if labels.tags.len() > MAX_TAGS {
        let why = format!("{} tags; at most {MAX_TAGS} are accepted", labels.tags.len());
        return Err(Error::invalid("options.tags", why));
    }
    let words = [
        ("options.initiator", &labels.initiator),
        ("options.reason", &labels.reason),
        ("options.source_system", &labels.source_system),
        ("options.correlation_id", &labels.correlation_id),
    ];
    for (field, word) in words.into_iter().chain(labels.tags.iter().map(|t| ("options.tags", t))) {
        at_most(field, word, MAX_LABEL_BYTES)?;
    }
    match labels.tags.iter().position(String::is_empty) {
        Some(at) => Err(Error::invalid(format!("options.tags[{at}]"), "empty; expected a word")),
        None => Ok(()),
    }
}

fn at_most(field: &str, word: &str, bound: usize) -> Result<(), Error> {
    if word.len() > bound {
        let why = format!("{} bytes long; at most {bound} are accepted", word.len());
        return Err(Error::invalid(field, why));
    }
    Ok(())
}
