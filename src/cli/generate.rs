//! `generate`: source files for a task or a subscriber. They compile and contain a test.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::Error;
use crate::events::catalog::{self, FieldKind};
use crate::models::{DEFAULT_NAMESPACE, MAX_METHOD_BYTES, NamePattern};

/// The maximum length of a name in bytes; `_subscriber` is appended to a subscriber's.
const MAX_BYTES: usize = 60;
/// Words that are no identifiers in Rust.
const KEYWORDS: [&str; 52] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "_",
];

/// What to generate.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Generate {
    /// A subscriber: a type with a method for each event
    Subscriber {
        /// The name: lower-case words with `_`, such as `notification`
        name: String,
        /// The events; `task-scheduler events` lists them
        #[arg(long, required = true, num_args = 1.., value_name = "EVENT")]
        events: Vec<String>,
        /// The output file, which must not exist; default stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// A task
    Task {
        /// The method's name: `[namespace/]name`, lower-case words with `_`, such as `payments/charge`
        name: String,
        /// The output file, which must not exist; default stdout
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

impl Generate {
    /// Generates the source and returns the text to print.
    pub(super) fn run(&self) -> Result<String, Error> {
        let (text, out) = match self {
            Self::Subscriber { name, events, out } => (subscriber(name, events)?, out),
            Self::Task { name, out } => (task(name)?, out),
        };
        match out {
            None => Ok(text),
            Some(path) => {
                write(path, &text).map_err(|why| Error::File { path: path.clone(), why })?;
                Ok(format!(
                    "wrote {}; add it to your crate with a `mod` declaration\n",
                    path.display()
                ))
            }
        }
    }
}

/// Never overwrites a file.
fn write(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

/// Refuses a word that is no name of a function.
fn check_word(word: &str, whole: &str) -> Result<(), Error> {
    let valid = word.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && word.len() <= MAX_BYTES
        && !KEYWORDS.contains(&word);
    if valid {
        return Ok(());
    }
    let shown: String = whole.chars().take(MAX_METHOD_BYTES).collect();
    Err(Error::InvalidArgument(format!(
        "{shown:?} is no name for Rust code; expected a letter, then letters, digits and `_`, all \
         lower-case, at most {MAX_BYTES} bytes, no keyword"
    )))
}

fn subscriber(name: &str, events: &[String]) -> Result<String, Error> {
    let name = name.strip_suffix("_subscriber").unwrap_or(name);
    check_word(name, name)?;
    let mut patterns: Vec<NamePattern> = Vec::new();
    for event in events {
        let pattern = NamePattern::parse(event);
        catalog::check(&pattern).map_err(|unknown| Error::InvalidArgument(unknown.to_string()))?;
        if !patterns.contains(&pattern) {
            patterns.push(pattern);
        }
    }
    let ty = format!("{}Subscriber", camel(name));
    let words = |text: &str| format!("{text:?}");
    let listed: Vec<_> = patterns.iter().map(|pattern| words(&pattern.to_string())).collect();
    let documented: Vec<_> = patterns.iter().map(|pattern| format!("`{pattern}`")).collect();
    let mut methods = String::new();
    let mut routes: Vec<String> = Vec::new();
    for pattern in &patterns {
        let NamePattern::Exactly(event) = pattern else { continue };
        // `custom.order.paid` and `custom.order_paid` share one method.
        let route = event.replace(['.', '-'], "_");
        if !routes.contains(&route) {
            methods.push_str(&handler(event, &route));
            routes.push(route);
        }
    }
    if patterns.iter().any(|pattern| matches!(pattern, NamePattern::StartingWith(_))) {
        methods.push_str(REST);
    }
    let examples: Vec<_> = patterns.iter().map(|pattern| words(&example(pattern))).collect();
    Ok(SUBSCRIBER
        .replace("EVENTS_DOCUMENTED", &documented.join(", "))
        .replace("EVENTS_LISTED", &listed.join(", "))
        .replace("EXAMPLES", &examples.join(", "))
        .replace("METHODS", methods.trim_end())
        .replace("TYPE", &ty))
}

/// An event that matches the pattern.
fn example(pattern: &NamePattern) -> String {
    match pattern {
        NamePattern::Exactly(name) => name.clone(),
        NamePattern::StartingWith(_) if pattern.is_custom() => catalog::CUSTOM.to_owned(),
        NamePattern::StartingWith(_) => {
            let known = catalog::all().iter().find(|info| pattern.matches(info.name));
            known.map_or(catalog::CUSTOM, |info| info.name).to_owned()
        }
    }
}

/// The handler of one event. It prints the first text field, and the error of a failure.
fn handler(event: &str, route: &str) -> String {
    let fields = catalog::find(event).map(|info| &info.fields[..]).unwrap_or_default();
    let first = fields.iter().find(|field| field.kind == FieldKind::Text);
    let error = fields.iter().find(|field| field.name == "error_message");
    let printed = [first, error].into_iter().flatten().map(|field| field.name);
    let mut statements = String::new();
    let mut shown = String::new();
    for name in printed {
        statements.push_str(&format!(
            "        let {name} = event.text({name:?}).unwrap_or(\"unknown\");\n"
        ));
        shown.push_str(if shown.is_empty() { ": " } else { ", " });
        shown.push_str(&format!("{{{name}}}"));
    }
    let description = catalog::find(event).map_or("", |info| info.description);
    format!(
        "    /// {description}.\n    async fn handle_{route}(&self, event: &Announced) -> Result<(), SubscriberError> {{\n\
         {statements}        println!(\"{{}} {event}{shown}\", event.at);\n        Ok(())\n    }}\n\n"
    )
}

fn task(name: &str) -> Result<String, Error> {
    let (namespace, short) = name.split_once('/').unwrap_or((DEFAULT_NAMESPACE, name));
    check_word(short, name)?;
    if namespace != DEFAULT_NAMESPACE {
        check_word(namespace, name)?;
    }
    let attribute = match namespace {
        DEFAULT_NAMESPACE => "retries = 3, timeout = \"1m\"".to_owned(),
        namespace => format!("namespace = {namespace:?}, retries = 3, timeout = \"1m\""),
    };
    Ok(TASK.replace("ATTRIBUTE", &attribute).replace("METHOD", name).replace("NAME", short))
}

/// Converts `order_paid` to `OrderPaid`.
fn camel(name: &str) -> String {
    let mut text = String::new();
    for word in name.split('_') {
        let mut letters = word.chars();
        text.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        text.extend(letters);
    }
    text
}

const REST: &str = "    /// Handles every event without a method of its own.
    async fn handle(&self, event: &Announced) -> Result<(), SubscriberError> {
        println!(\"{} {}: {:?}\", event.at, event.name(), event.payload());
        Ok(())
    }
";

const SUBSCRIBER: &str = "//! Handles EVENTS_DOCUMENTED.

use task_scheduler::events::{Announced, SubscriberError};
use task_scheduler::subscriber;

/// Created once, when the server starts. Handles one event after the other.
#[derive(Default)]
struct TYPE;

#[subscriber(events(EVENTS_LISTED))]
impl TYPE {
METHODS
}

#[cfg(test)]
mod tests {
    use task_scheduler::testing::deliver_event;

    use super::*;

    #[test]
    fn every_event_is_handled() {
        for name in [EXAMPLES] {
            let event = Announced::example(name).expect(\"it is in the catalogue\");
            deliver_event(&TYPE, &event).expect(\"it is handled\");
        }
    }
}
";

const TASK: &str = "//! The method `METHOD`.

use task_scheduler::{TaskContext, TaskError, async_task};

/// Says hello. `ListMethods` returns this text.
#[async_task(ATTRIBUTE)]
async fn NAME(ctx: TaskContext, name: String) -> Result<String, TaskError> {
    if name.is_empty() {
        return Err(TaskError::permanent(\"the name is empty\"));
    }
    ctx.log_info(format!(\"attempt {}: {name}\", ctx.attempt()));
    Ok(format!(\"Hello, {name}!\"))
}

#[cfg(test)]
mod tests {
    use task_scheduler::TaskError;
    use task_scheduler::testing::TestTask;

    #[test]
    fn it_says_hello_and_fails_without_a_name() {
        let run = |name: &str| TestTask::new(\"METHOD\").arg(name).run_blocking();
        assert_eq!(run(\"Ada\").result(), &\"Hello, Ada!\".into());
        assert_eq!(run(\"\").error(), &TaskError::permanent(\"the name is empty\"));
    }
}
";

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(generate: Generate) -> String {
        match generate.run() {
            Err(error) => error.to_string(),
            Ok(text) => panic!("{text}"),
        }
    }

    fn subscriber(name: &str, events: &[&str]) -> Generate {
        let events = events.iter().map(|event| (*event).to_owned()).collect();
        Generate::Subscriber { name: name.into(), events, out: None }
    }

    #[test]
    fn names_that_are_invalid_in_rust_are_refused() {
        for name in ["", "Mail", "1st", "my-mail", "match", "_", "a b", "prüfung", &"x".repeat(61)]
        {
            let error = refused(subscriber(name, &["*"]));
            assert!(error.contains("is no name for Rust code"), "{name}: {error}");
            let error = refused(Generate::Task { name: name.into(), out: None });
            assert!(error.contains("is no name for Rust code"), "{name}: {error}");
        }
        for name in ["/", "a/", "/a", "a/b/c", "type/a"] {
            refused(Generate::Task { name: name.into(), out: None });
        }
    }

    #[test]
    fn an_unknown_event_is_refused_with_the_nearest_names() {
        let error = refused(subscriber("mail", &["task.failed", "task.complete"]));
        assert_eq!(error, "no event is called \"task.complete\"; did you mean task.completed?");
    }

    #[test]
    fn events_with_the_same_method_name_share_one_method() {
        let text = subscriber("orders", &["custom.order.paid", "custom.order_paid", "task.failed"])
            .run()
            .expect("they are events");
        assert_eq!(text.matches("async fn handle_").count(), 2, "{text}");
        assert_eq!(text.matches("async fn handle_custom_order_paid(").count(), 1, "{text}");
    }

    #[test]
    fn an_existing_file_is_not_overwritten() {
        let dir = tempfile::tempdir().expect("there is room");
        let out = dir.path().join("charge.rs");
        let generate = Generate::Task { name: "charge".into(), out: Some(out.clone()) };
        generate.run().expect("it is written");
        let before = std::fs::read_to_string(&out).expect("it is there");
        assert_eq!(before, task("charge").expect("a good name"));
        let error = refused(generate);
        assert!(error.contains("charge.rs") && error.contains("exists"), "{error}");
        assert_eq!(std::fs::read_to_string(&out).expect("it is there"), before);
    }
}
