//! YAML as a tree whose nodes know their location in the file.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::FileProblem;
use crate::models::ArgValue;

/// A YAML value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    Text(String),
    List(Vec<(Node, Location)>),
    Map(Vec<Entry>),
}

/// A key of a map and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_location: Location,
    pub(super) value: Node,
    pub(super) location: Location,
}

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Location {
    pub(super) fn problem(self, message: impl Into<String>) -> FileProblem {
        FileProblem { line: self.line, column: self.column, message: message.into() }
    }
}

impl From<serde_saphyr::Location> for Location {
    fn from(location: serde_saphyr::Location) -> Self {
        Self { line: location.line(), column: location.column() }
    }
}

/// Parses one document.
///
/// # Errors
/// The parser's error at its location.
pub(super) fn read(text: &str) -> Result<(Node, Location), FileProblem> {
    // The parser refuses a file without a document.
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok((Node::Null, Location::default()));
    }
    let options = serde_saphyr::options! {
        // `yes` and `on` are strings.
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_nodes: 20_000_000,
            max_events: 50_000_000,
            max_total_scalar_bytes: usize::try_from(super::MAX_FILE_BYTES).unwrap_or(usize::MAX),
        },
    };
    match serde_saphyr::from_str_with_options::<Spanned<Node>>(text, options) {
        Ok(read) => Ok((read.value, read.referenced.into())),
        Err(error) => {
            let location = error.location().map_or_else(Location::default, Location::from);
            let text = error.without_snippet().to_string();
            Err(location.problem(text.lines().next().unwrap_or("invalid YAML").to_owned()))
        }
    }
}

impl Node {
    /// The value for messages.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Null => "nothing".into(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::UInt(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Text(text) => {
                let shown: String = text.chars().take(60).collect();
                format!("{shown:?}")
            }
            Self::List(_) => "a list".into(),
            Self::Map(_) => "a map".into(),
        }
    }

    /// Converts the value to an argument of a task.
    pub(super) fn into_arg(self) -> ArgValue {
        match self {
            Self::Null => ArgValue::Null,
            Self::Bool(value) => ArgValue::Bool(value),
            Self::Int(value) => serde_json::Value::from(value).into(),
            Self::UInt(value) => serde_json::Value::from(value).into(),
            Self::Float(value) => ArgValue::Double(value),
            Self::Text(text) => ArgValue::String(text),
            Self::List(values) => {
                ArgValue::Array(values.into_iter().map(|(value, _)| value.into_arg()).collect())
            }
            Self::Map(entries) => ArgValue::Map(
                entries.into_iter().map(|entry| (entry.key, entry.value.into_arg())).collect(),
            ),
        }
    }
}

/// The parser limits the nesting.
impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(i64::try_from(value).map_or(Node::UInt(value), Node::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Node, E> {
        Ok(Node::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = values.next_element::<Spanned<Node>>()? {
            list.push((value.value, value.referenced.into()));
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = fields.next_key::<Spanned<String>>()? {
            let value = fields.next_value::<Spanned<Node>>()?;
            entries.push(Entry {
                key: key.value,
                key_location: key.referenced.into(),
                value: value.value,
                location: value.referenced.into(),
            });
        }
        Ok(Node::Map(entries))
    }
}
