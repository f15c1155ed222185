//! YAML as a tree that knows where each of its parts was written.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::FileProblem;
use crate::models::ArgValue;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    Text(String),
    List(Vec<(Node, Spot)>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_spot: Spot,
    pub(super) value: Node,
    pub(super) spot: Spot,
}

/// Where something was written, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Spot {
    pub(super) fn problem(self, message: impl Into<String>) -> FileProblem {
        FileProblem { line: self.line, column: self.column, message: message.into() }
    }
}

impl From<Location> for Spot {
    fn from(location: Location) -> Self {
        Self { line: location.line(), column: location.column() }
    }
}

/// Reads one document.
///
/// # Errors
/// What the parser says, at its place.
pub(super) fn read(text: &str) -> Result<(Node, Spot), FileProblem> {
    // A file without a document is one with nothing in it.
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok((Node::Null, Spot::default()));
    }
    let options = serde_saphyr::options! {
        // `yes` and `on` are words.
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
            let spot = error.location().map_or_else(Spot::default, Spot::from);
            let said = error.without_snippet().to_string();
            Err(spot.problem(said.lines().next().unwrap_or("no YAML").to_owned()))
        }
    }
}

impl Node {
    /// What it is, for people.
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

    /// The value as a task's argument.
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

/// The parser bounds how deep this goes.
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
                key_spot: key.referenced.into(),
                value: value.value,
                spot: value.referenced.into(),
            });
        }
        Ok(Node::Map(entries))
    }
}
