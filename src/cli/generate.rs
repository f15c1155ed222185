//! `generate`: files to begin with, which compile and have a test.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::Error;
use crate::events::catalog::{self, FieldKind};
use crate::models::{DEFAULT_NAMESPACE, MAX_METHOD_BYTES, NamePattern};

/// The longest name of a subscriber that is generated, in bytes: `_subscriber` comes behind it.
const MAX_BYTES: usize = 60;
/// Words that cannot name anything in Rust.
const KEYWORDS: [&str; 52] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "_",
];

/// What to write.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Generate {
    /// A type that is told of events, with a method for each
    Subscriber {
        /// Lower-case words with `_`: `notification`
        name: String,
        /// Which events; `task-scheduler events` lists them
        #[arg(long, required = true, num_args = 1.., value_name = "EVENT")]
        events: Vec<String>,
        /// The file, which must not exist yet; stdout unless it is given
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// A method
    Task {
        /// `[namespace/]name`, lower-case words with `_`: `payments/charge`
        name: String,
        /// The file, which must not exist yet; stdout unless it is given
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

impl Generate {
    /// Writes it, and answers what to say.
    pub(super) fn run(&self) -> Result<String, Error> {
        let (text, out) = match self {
            Self::Subscriber { name, events, out } => (subscriber(name, events)?, out),
            Self::Task { name, out } => (task(name)?, out),
        };
        match out {
            None => Ok(text),
            Some(path) => {
                write(path, &text).map_err(|why| Error::File { path: path.clone(), why })?;
                Ok(format!("{} is written; name it in a `mod` of your crate\n", path.display()))
            }
        }
    }
}

/// What is there is never overwritten.
fn write(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

/// A word that can name a function.
fn check_word(word: &str, whole: &str) -> Result<(), Error> {
    let sound = word.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && word.len() <= MAX_BYTES
        && !KEYWORDS.contains(&word);
    if sound {
        return Ok(());
    }
    let shown: String = whole.chars().take(MAX_METHOD_BYTES).collect();
    Err(Error::InvalidArgument(format!(
        "{shown:?} is no name for Rust code; expected lower-case letters, digits and `_`, a letter first, \
         at most {MAX_BYTES} bytes, and no keyword"
    )))
}

fn subscriber(name: &str, events: &[String]) -> Result<String, Error> {
    let name = name.strip_suffix("_subscriber").unwrap_or(name);
    check_word(name, name)?;
    let mut wanted: Vec<NamePattern> = Vec::new();
    for event in events {
        let pattern = NamePattern::parse(event);
        catalog::check(&pattern).map_err(|unknown| Error::InvalidArgument(unknown.to_string()))?;
        if !wanted.contains(&pattern) {
            wanted.push(pattern);
        }
    }
    let ty = format!("{}Subscriber", camel(name));
    let words = |text: &str| format!("{text:?}");
    let listed: Vec<_> = wanted.iter().map(|pattern| words(&pattern.to_string())).collect();
    let told: Vec<_> = wanted.iter().map(|pattern| format!("`{pattern}`")).collect();
    let mut methods = String::new();
    let mut routes: Vec<String> = Vec::new();
    for pattern in &wanted {
        let NamePattern::Exactly(event) = pattern else { continue };
        // `custom.order.paid` and `custom.order_paid` go to one method.
        let route = event.replace(['.', '-'], "_");
        if !routes.contains(&route) {
            methods.push_str(&handler(event, &route));
            routes.push(route);
        }
    }
    if wanted.iter().any(|pattern| matches!(pattern, NamePattern::StartingWith(_))) {
        methods.push_str(REST);
    }
    let examples: Vec<_> = wanted.iter().map(|pattern| words(&example(pattern))).collect();
    Ok(SUBSCRIBER
        .replace("EVENTS_TOLD", &told.join(", "))
        .replace("EVENTS_LISTED", &listed.join(", "))
        .replace("EXAMPLES", &examples.join(", "))
        .replace("METHODS", methods.trim_end())
        .replace("TYPE", &ty))
}

/// An event that the pattern means.
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

/// The method for one kind of event: says what it is about, and why if it is about a failure.
fn handler(event: &str, route: &str) -> String {
    let fields = catalog::find(event).map(|info| &info.fields[..]).unwrap_or_default();
    let first = fields.iter().find(|field| field.kind == FieldKind::Text);
    let error = fields.iter().find(|field| field.name == "error_message");
    let told = [first, error].into_iter().flatten().map(|field| field.name);
    let mut body = String::new();
    let mut shown = String::new();
    for name in told {
        body.push_str(&format!(
            "        let {name} = event.text({name:?}).unwrap_or(\"unknown\");\n"
        ));
        shown.push_str(if shown.is_empty() { ": " } else { ", " });
        shown.push_str(&format!("{{{name}}}"));
    }
    let description = catalog::find(event).map_or("", |info| info.description);
    format!(
        "    /// {description}.\n    async fn handle_{route}(&self, event: &Announced) -> Result<(), SubscriberError> {{\n\
         {body}        println!(\"{{}} {event}{shown}\", event.at);\n        Ok(())\n    }}\n\n"
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

/// `OrderPaid` of `order_paid`.
fn camel(name: &str) -> String {
    let mut text = String::new();
    for word in name.split('_') {
        let mut letters = word.chars();
        text.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        text.extend(letters);
    }
    text
}

const REST: &str = "    /// Every event that has no method of its own.
    async fn handle(&self, event: &Announced) -> Result<(), SubscriberError> {
        println!(\"{} {}: {:?}\", event.at, event.name(), event.payload());
        Ok(())
    }
";

const SUBSCRIBER: &str = "//! Is told of EVENTS_TOLD.

use task_scheduler::events::{Announced, SubscriberError};
use task_scheduler::subscriber;

/// Made once, when the server starts, and told of one event after the other.
#[derive(Default)]
struct TYPE;

#[subscriber(events(EVENTS_LISTED))]
impl TYPE {
METHODS
}

#[cfg(test)]
mod tests {
    use task_scheduler::testing::tell;

    use super::*;

    #[test]
    fn every_event_is_dealt_with() {
        for name in [EXAMPLES] {
            let event = Announced::example(name).expect(\"it is in the catalogue\");
            tell(&TYPE, &event).expect(\"it is dealt with\");
        }
    }
}
";

const TASK: &str = "//! The method `METHOD`.

use task_scheduler::{TaskContext, TaskError, async_task};

/// Says hello. This is what `ListMethods` says of it.
#[async_task(ATTRIBUTE)]
async fn NAME(ctx: TaskContext, name: String) -> Result<String, TaskError> {
    if name.is_empty() {
        return Err(TaskError::permanent(\"nobody is there\"));
    }
    ctx.log_info(format!(\"attempt {}: {name}\", ctx.attempt()));
    Ok(format!(\"Hello, {name}!\"))
}

#[cfg(test)]
mod tests {
    use task_scheduler::TaskError;
    use task_scheduler::testing::TestTask;

    #[test]
    fn it_says_hello_and_fails_for_good_where_nobody_is() {
        let run = |name: &str| TestTask::new(\"METHOD\").arg(name).run_blocking();
        assert_eq!(run(\"Ada\").result(), &\"Hello, Ada!\".into());
        assert_eq!(run(\"\").error(), &TaskError::permanent(\"nobody is there\"));
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
    fn names_that_rust_does_not_take_are_refused() {
        for name in ["", "Mail", "1st", "my-mail", "match", "_", "a b", "prüfung", &"x".repeat(61)]
        {
            let said = refused(subscriber(name, &["*"]));
            assert!(said.contains("is no name for Rust code"), "{name}: {said}");
            let said = refused(Generate::Task { name: name.into(), out: None });
            assert!(said.contains("is no name for Rust code"), "{name}: {said}");
        }
        for name in ["/", "a/", "/a", "a/b/c", "type/a"] {
            refused(Generate::Task { name: name.into(), out: None });
        }
    }

    #[test]
    fn an_event_that_there_is_not_is_refused_with_the_nearest_names() {
        let said = refused(subscriber("mail", &["task.failed", "task.complete"]));
        assert_eq!(said, "no event is called \"task.complete\"; did you mean task.completed?");
    }

    #[test]
    fn events_that_go_to_one_method_get_it_once() {
        let text = subscriber("orders", &["custom.order.paid", "custom.order_paid", "task.failed"])
            .run()
            .expect("they are events");
        assert_eq!(text.matches("async fn handle_").count(), 2, "{text}");
        assert_eq!(text.matches("async fn handle_custom_order_paid(").count(), 1, "{text}");
    }

    #[test]
    fn a_file_that_is_there_is_not_overwritten() {
        let dir = tempfile::tempdir().expect("there is room");
        let out = dir.path().join("charge.rs");
        let generate = Generate::Task { name: "charge".into(), out: Some(out.clone()) };
        generate.run().expect("it is written");
        let before = std::fs::read_to_string(&out).expect("it is there");
        assert_eq!(before, task("charge").expect("a good name"));
        let said = refused(generate);
        assert!(said.contains("charge.rs") && said.contains("exists"), "{said}");
        assert_eq!(std::fs::read_to_string(&out).expect("it is there"), before);
    }
}
