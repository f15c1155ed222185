//! How events are declared: name, description, payload fields and examples in one place.
//!
//! Each enum of facts declares its events with `declare_events!` right below its definition. The names,
//! the payloads, the catalogue, its examples and the table in `docs/events.md` all follow from that.

use serde_json::Value;

use super::{Category, Event, Payload};

/// One kind of event, as the catalogue lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct EventInfo {
    /// The event's name: `task.completed`.
    pub name: &'static str,
    /// What the event is about.
    pub category: Category,
    /// When the event is fired, for people.
    pub description: &'static str,
    /// The fields of its payload, in the order in which people read them.
    pub fields: Vec<EventField>,
    /// Which part of the server fires it.
    pub fired_by: &'static str,
    /// Events of this kind, at least one; together they show every form of the payload.
    pub examples: Vec<Event>,
}

impl EventInfo {
    pub(super) fn new(
        name: &'static str,
        category: Category,
        description: &'static str,
        fired_by: &'static str,
        examples: Vec<Event>,
    ) -> Self {
        let mut fields = Fields { declared: Some(Vec::new()), ..Fields::default() };
        if let Some(first) = examples.first() {
            first.write_fields(&mut fields);
        }
        let fields = fields.declared.unwrap_or_default();
        Self { name, category, description, fields, fired_by, examples }
    }

    /// An example of the payload.
    pub fn example(&self) -> Payload {
        self.examples.first().map(Event::payload).unwrap_or_default()
    }
}

/// One field of an event's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventField {
    /// The key in the payload: `task_id`.
    pub name: &'static str,
    /// The type of its value.
    pub kind: FieldKind,
    /// What the field means, for people.
    pub description: &'static str,
    /// Whether the value can be null.
    pub optional: bool,
}

/// The type of a payload field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A JSON string.
    Text,
    /// A JSON number.
    Number,
    /// A JSON boolean.
    Boolean,
    /// A JSON array of strings.
    ListOfText,
    /// A JSON object.
    Object,
    /// A JSON string: RFC 3339, in UTC.
    Time,
}

impl FieldKind {
    /// The stable name, as `ListEvents` shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::ListOfText => "list of text",
            Self::Object => "object",
            Self::Time => "time",
        }
    }

    /// Whether a JSON value has this type.
    pub fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::ListOfText => {
                value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
            }
            Self::Object => value.is_object(),
            Self::Time => {
                value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok())
            }
        }
    }
}

/// Collects the payload of one event and, for the catalogue, the declarations of its fields.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) payload: Payload,
    declared: Option<Vec<EventField>>,
}

impl Fields {
    /// A field that every payload has.
    pub(super) fn field(
        &mut self,
        name: &'static str,
        kind: FieldKind,
        value: impl Into<Value>,
        description: &'static str,
    ) {
        self.add(EventField { name, kind, description, optional: false }, value.into());
    }

    /// A field that can be null.
    pub(super) fn optional(
        &mut self,
        name: &'static str,
        kind: FieldKind,
        value: Option<impl Into<Value>>,
        description: &'static str,
    ) {
        let value = value.map_or(Value::Null, Into::into);
        self.add(EventField { name, kind, description, optional: true }, value);
    }

    fn add(&mut self, field: EventField, value: Value) {
        self.payload.insert(field.name.to_owned(), value);
        if let Some(declared) = &mut self.declared {
            declared.push(field);
        }
    }
}

/// Declares the events of one enum of facts. Each entry is the event's name, its description, the pattern
/// of the facts that it stands for, the statements that write its payload, and its examples. A variant
/// without an entry does not compile.
///
/// `others` names the variant whose value declares the remaining events, and what its payload needs.
macro_rules! declare_events {
    (
        category: $category:ident;
        fired_by: $fired_by:literal;
        example_of: |$fact:ident| $example_of:expr;
        impl $type:ty, $out:ident $(, $about:ident: $about_type:ty)?;
        $(
            $name:literal: $description:literal;
            $pattern:pat => { $($write:tt)* }
            examples: [$($example:expr),+ $(,)?];
        )+
        $(others: $other:pat => $inner:ident $(, $context:ident)*;)?
    ) => {
        impl $type {
            #[expect(unused_variables, reason = "the patterns bind what the payload needs")]
            pub(super) fn event_name(&self) -> &'static str {
                match self {
                    $($pattern => $name,)+
                    $($other => $inner.event_name(),)?
                }
            }

            pub(super) fn write_fields(
                &self,
                $out: &mut $crate::models::event::declare::Fields
                $(, $about: $about_type)?
            ) {
                match self {
                    $($pattern => { $($write)* })+
                    $($other => $inner.write_fields($out $(, $context)*),)?
                }
            }

            pub(super) fn declared() -> Vec<$crate::models::event::EventInfo> {
                use $crate::models::event;
                vec![$(event::EventInfo::new(
                    $name,
                    event::Category::$category,
                    $description,
                    $fired_by,
                    [$($example),+]
                        .into_iter()
                        .map(|$fact| event::example::event($example_of))
                        .collect(),
                )),+]
            }
        }
    };
}
pub(super) use declare_events;
