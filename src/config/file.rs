//! The configuration file: TOML, the settings' names as keys, and `[queues.NAME]`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::config::nearest::nearest;
use crate::config::problem::{Place, Problem};
use crate::config::queue_key::QueueKey;
use crate::config::settings::{SETTINGS, Setting, find};
use crate::models::{QueueLimits, QueueName};

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// The longest piece of the file that a message repeats.
const MAX_SHOWN_CHARS: usize = 60;

/// What the file says.
#[derive(Default)]
pub(super) struct Settings {
    /// Values, not checked yet.
    pub(super) values: Vec<(&'static Setting, Written)>,
    /// Queues, checked.
    pub(super) queues: BTreeMap<QueueName, QueueLimits>,
    /// Where each key of a queue was written.
    pub(super) queue_places: BTreeMap<(QueueName, QueueKey), Place>,
}

/// A value and where it was written.
pub(super) struct Written {
    /// As a flag would have it; `None` for what no flag could be, such as a list.
    pub(super) text: Option<String>,
    /// As in the source, for messages.
    pub(super) source: String,
    pub(super) place: Place,
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

/// Parses the text of the file at `path`; what is wrong goes to `problems`, the rest is returned.
pub(super) fn parse(path: &Path, text: &str, problems: &mut Vec<Problem>) -> Settings {
    let mut parser = Parser { path, text, problems };
    match DeTable::parse(text) {
        Ok(table) => parser.settings(table.get_ref()),
        Err(error) => {
            let place = parser.place(error.span().map_or(0, |span| span.start));
            parser.problems.push(Problem::Syntax { place, message: error.message().to_owned() });
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
            } else if let Some(setting) = find(key.get_ref()) {
                settings.values.push((setting, self.written(key, value)));
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
                    let place = self.place(key.span().start);
                    self.problems.push(Problem::Syntax { place, message: error.message });
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
            let known = QueueKey::ALL.into_iter().find(|known| key.get_ref() == known.as_str());
            let Some(known) = known else {
                let names = QueueKey::ALL.into_iter().map(QueueKey::as_str);
                self.unknown(key, &path, nearest(key.get_ref(), names));
                continue;
            };
            let text = scalar(value.get_ref());
            if text.and_then(|text| known.set(&mut limits, &text)).is_none() {
                self.bad(value, &path, &known.accepts());
            }
            settings.queue_places.insert((name.clone(), known), self.place(key.span().start));
        }
        settings.queues.insert(name, limits);
    }

    fn written(&self, key: &Key<'_>, value: &Value<'_>) -> Written {
        Written {
            text: scalar(value.get_ref()),
            source: self.source(value),
            place: self.place(key.span().start),
        }
    }

    fn unknown(&mut self, key: &Key<'_>, path: &str, meant: Option<&str>) {
        let hint = meant.map_or(String::new(), |meant| format!("; did you mean {meant:?}?"));
        let place = self.place(key.span().start);
        self.problems.push(Problem::UnknownKey { place, key: path.to_owned(), hint });
    }

    fn bad(&mut self, value: &Value<'_>, what: &str, expected: &str) {
        self.problems.push(Problem::BadValue {
            place: self.place(value.span().start),
            what: what.to_owned(),
            value: self.source(value),
            expected: expected.to_owned(),
        });
    }

    /// The value as it stands in the file, on one line.
    fn source(&self, value: &Value<'_>) -> String {
        let source = self.text.get(value.span()).unwrap_or_default();
        let line = source.lines().next().unwrap_or_default();
        match line == source && line.chars().count() <= MAX_SHOWN_CHARS {
            true => line.to_owned(),
            false => line.chars().take(MAX_SHOWN_CHARS).chain(['…']).collect(),
        }
    }

    fn place(&self, offset: usize) -> Place {
        let before = self.text.as_bytes().iter().take(offset);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        Place::File { path: self.path.to_owned(), line }
    }
}

/// A text or a whole number, as a flag would have it.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|n| n.to_string())
        }
        _ => None,
    }
}
