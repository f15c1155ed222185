//! What a server would refuse whatever methods it has, found before it is sent; in its words.

use std::collections::HashSet;

use crate::client::TaskBuilder;
use crate::error::Error;
use crate::models::wrappers::MAX_DEPTH;
use crate::models::{
    ArgValue, Labels, MAX_BACKOFF, MAX_DEPENDENCIES, MAX_LABEL_BYTES, MAX_RETRIES, MAX_TAGS,
    MAX_TIMEOUT, MethodRef, QueueName, TaskId, TaskOptions,
};

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
    mentions(&task.args, &task.deps)?;
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

fn mentions(args: &[ArgValue], deps: &[String]) -> Result<(), Error> {
    let known: HashSet<&str> = deps.iter().map(String::as_str).collect();
    for (at, arg) in args.iter().enumerate() {
        if let Some((path, id)) = unmet_mention(arg, &known) {
            return Err(Error::invalid(
                format!("args[{at}]{path}"),
                format!("the result of {id}, which is not among deps; add it there"),
            ));
        }
    }
    Ok(())
}

/// The first result that is not a dependency's, and where it stands. Recursion is bounded: nothing
/// deeper than [`MAX_DEPTH`] comes here.
fn unmet_mention<'a>(arg: &'a ArgValue, known: &HashSet<&str>) -> Option<(String, &'a TaskId)> {
    match arg {
        ArgValue::ResultOf(id) => (!known.contains(id.as_str())).then(|| (String::new(), id)),
        ArgValue::Array(values) => values.iter().enumerate().find_map(|(at, value)| {
            let (path, id) = unmet_mention(value, known)?;
            Some((format!(".values[{at}]{path}"), id))
        }),
        ArgValue::Map(fields) => fields.iter().find_map(|(key, value)| {
            let (path, id) = unmet_mention(value, known)?;
            Some((format!(".fields[{key:?}]{path}"), id))
        }),
        _ => None,
    }
}

fn options(asked: &TaskOptions) -> Result<(), Error> {
    if let Some(queue) = &asked.queue {
        QueueName::parse(queue, "options.queue")?;
    }
    if let Some(timeout) = asked.timeout
        && (timeout.is_zero() || timeout > MAX_TIMEOUT)
    {
        let why = format!("{timeout:?}; expected more than 0 and at most 7 days");
        return Err(Error::invalid("options.timeout", why));
    }
    labels(&asked.labels)?;
    retry(asked)?;
    asked.keys.check("options")
}

fn retry(asked: &TaskOptions) -> Result<(), Error> {
    let refuse =
        |field: &str, why: String| Err(Error::invalid(format!("options.retry.{field}"), why));
    if let Some(retries) = asked.retries.filter(|retries| *retries > MAX_RETRIES) {
        return refuse("retries", format!("{retries}; at most {MAX_RETRIES} are accepted"));
    }
    for (field, delay) in [("base", asked.backoff_base), ("max", asked.backoff_max)] {
        if let Some(delay) = delay.filter(|delay| *delay > MAX_BACKOFF) {
            return refuse(field, format!("{delay:?}; at most 24 hours are accepted"));
        }
    }
    if let Some(multiplier) = asked.backoff_multiplier.filter(|it| !(1.0..=100.0).contains(it)) {
        return refuse("multiplier", format!("{multiplier}; expected 1 to 100"));
    }
    if let Some(jitter) = asked.jitter.filter(|it| !(0.0..=1.0).contains(it)) {
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
