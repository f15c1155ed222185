//! Reads the configuration file: TOML with the settings' names as keys, and `[queues.NAME]`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::config::nearest::nearest;
use crate::config::problem::{Problem, Source};
use crate::config::settings::{QUEUE_SETTINGS, SETTINGS, Setting, find};
use crate::models::{QueueLimits, QueueName};

/// The maximum size of the file.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// The maximum length of a value that a message quotes.
const MAX_SHOWN_CHARS: usize = 60;

/// The settings in the file.
#[derive(Default)]
pub(super) struct Settings {
    /// Unchecked values.
    pub(super) values: Vec<(&'static Setting, Written)>,
    /// The checked limits of queues.
    pub(super) queues: BTreeMap<QueueName, QueueLimits>,
    /// The source of each limit, by the queue's name and the key.
    pub(super) queue_sources: BTreeMap<(QueueName, &'static str), Source>,
}

/// A value and its source.
pub(super) struct Written {
    /// The value as a flag has it; `None` for a value that no flag can have, such as a list.
    pub(super) text: Option<String>,
    /// The value as written, for messages.
    pub(super) written: String,
    pub(super) at: Source,
}

/// Reads and parses the file.
pub(super) fn read(path: &Path, problems: &mut Vec<Problem>) -> Settings {
    match read_text(path) {
        Ok(text) => parse(path, &text, problems),
        Err(problem) => {
            problems.push(problem);
            Settings::default()
        }
    }
}

fn read_text(path: &Path) -> Result<String, Problem> {
    let unreadable = |source| Problem::Unreadable { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(Problem::TooLarge { path: path.to_owned(), limit: MAX_FILE_BYTES });
    }
    Ok(text)
}

/// Parses the text of the file at `path`. Adds problems to `problems` and returns the valid rest.
pub(super) fn parse(path: &Path, text: &str, problems: &mut Vec<Problem>) -> Settings {
    let mut parser = Parser { path, text, problems };
    match DeTable::parse(text) {
        Ok(table) => parser.settings(table.get_ref()),
        Err(error) => {
            let at = parser.source_at(error.span().map_or(0, |span| span.start));
            parser.problems.push(Problem::Syntax { at, message: error.message().to_owned() });
            Settings::default()
        }
    }
}

struct Parser<'a> {
    path: &'a Path,
    text: &'a str,
    problems: &'a mut Vec<Problem>,
}

type Key<'a> = Spanned<DeString<'a>>;
type Value<'a> = Spanned<DeValue<'a>>;

impl Parser<'_> {
    fn settings(&mut self, table: &DeTable<'_>) -> Settings {
        let mut settings = Settings::default();
        for (key, value) in table {
            if key.get_ref() == "queues" {
                self.queues(value, &mut settings);
            } else if let Some(setting) = find(SETTINGS, key.get_ref()) {
                settings.values.push((setting, self.setting(key, value)));
            } else {
                let known = SETTINGS.iter().map(|setting| setting.name).chain(["queues"]);
                self.unknown(key, key.get_ref(), nearest(key.get_ref(), known));
            }
        }
        settings
    }

    fn queues(&mut self, value: &Value<'_>, settings: &mut Settings) {
        let Some(table) = value.get_ref().as_table() else {
            return self.bad(value, "queues", "expected tables, such as [queues.mail]");
        };
        for (key, value) in table {
            match QueueName::parse(key.get_ref(), "queues") {
                Ok(name) => self.queue(name, value, settings),
                Err(error) => {
                    let at = self.source_at(key.span().start);
                    self.problems.push(Problem::Syntax { at, message: error.message });
                }
            }
        }
    }

    fn queue(&mut self, name: QueueName, value: &Value<'_>, settings: &mut Settings) {
        let path = format!("queues.{name}");
        let Some(table) = value.get_ref().as_table() else {
            return self.bad(
                value,
                &path,
                "expected a table, such as { weight = 2, rate = \"100/s\" }",
            );
        };
        let mut limits = QueueLimits::default();
        for (key, value) in table {
            let path = format!("{path}.{}", key.get_ref());
            let Some(setting) = find(QUEUE_SETTINGS, key.get_ref()) else {
                let names = QUEUE_SETTINGS.iter().map(|setting| setting.name);
                self.unknown(key, &path, nearest(key.get_ref(), names));
                continue;
            };
            let text = scalar(value.get_ref());
            if text.and_then(|text| setting.kind.set(&mut limits, &text)).is_none() {
                self.bad(value, &path, &setting.kind.accepts());
            }
            let at = self.source_at(key.span().start);
            settings.queue_sources.insert((name.clone(), setting.name), at);
        }
        settings.queues.insert(name, limits);
    }

    fn setting(&self, key: &Key<'_>, value: &Value<'_>) -> Written {
        Written {
            text: scalar(value.get_ref()),
            written: self.quoted(value),
            at: self.source_at(key.span().start),
        }
    }

    fn unknown(&mut self, key: &Key<'_>, path: &str, meant: Option<&str>) {
        let hint = meant.map_or(String::new(), |meant| format!("; did you mean {meant:?}?"));
        let at = self.source_at(key.span().start);
        self.problems.push(Problem::UnknownKey { at, key: path.to_owned(), hint });
    }

    fn bad(&mut self, value: &Value<'_>, what: &str, expected: &str) {
        self.problems.push(Problem::BadValue {
            at: self.source_at(value.span().start),
            what: what.to_owned(),
            value: self.quoted(value),
            expected: expected.to_owned(),
        });
    }

    /// The value as written, on one line and shortened.
    fn quoted(&self, value: &Value<'_>) -> String {
        let written = self.text.get(value.span()).unwrap_or_default();
        let line = written.lines().next().unwrap_or_default();
        match line == written && line.chars().count() <= MAX_SHOWN_CHARS {
            true => line.to_owned(),
            false => line.chars().take(MAX_SHOWN_CHARS).chain(['…']).collect(),
        }
    }

    fn source_at(&self, offset: usize) -> Source {
        let before = self.text.as_bytes().iter().take(offset);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        Source::File { path: self.path.to_owned(), line }
    }
}

/// A string or a whole number, as a flag has it.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|n| n.to_string())
        }
        _ => None,
    }
}
