//! Encodes events, the event catalogue and subscribers.

use serde_json::Value;

use crate::models::Payload;
use crate::pb;
use crate::system::{Announced, EventInfo, SubscriberKind, SubscriberRow};

/// An event of StreamEvents.
pub(in crate::server::api) fn event(event: &Announced) -> pb::Event {
    pb::Event {
        name: event.name().to_owned(),
        category: event.category().as_str().to_owned(),
        at: Some(event.at.into()),
        task_id: event.task_id().map(|id| id.as_str().to_owned()).unwrap_or_default(),
        queue: event.queue().map(|queue| queue.as_str().to_owned()).unwrap_or_default(),
        payload: Some(object(event.payload())),
    }
}

/// An entry of the event catalogue.
pub(in crate::server::api) fn event_info(info: &EventInfo) -> pb::EventInfo {
    let fields = info.fields.iter().map(|field| pb::EventField {
        name: field.name.into(),
        r#type: field.kind.as_str().into(),
        description: field.description.into(),
        optional: field.optional,
    });
    pb::EventInfo {
        name: info.name.into(),
        category: info.category.as_str().into(),
        description: info.description.into(),
        fields: fields.collect(),
        fired_by: info.fired_by.into(),
        example_payload: Some(object(&info.example())),
    }
}

/// A subscriber of ListSubscribers.
pub(in crate::server::api) fn subscriber(row: SubscriberRow) -> pb::Subscriber {
    let kind = match row.kind {
        SubscriberKind::Rust => pb::subscriber::Kind::Rust,
        SubscriberKind::Webhook => pb::subscriber::Kind::Webhook,
    };
    pb::Subscriber {
        name: row.name,
        kind: kind.into(),
        events: row.events,
        handled: row.handled,
        failed: row.failed,
        missed: row.missed,
        last_error: row.last_error,
        declared_at: row.declared_at,
    }
}

fn object(payload: &Payload) -> prost_types::Struct {
    let fields = payload.iter().map(|(name, field)| (name.clone(), value(field)));
    prost_types::Struct { fields: fields.collect() }
}

/// Recursion is bounded: a payload nests no deeper than the JSON parser permits, 128 levels.
fn value(json: &Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match json {
        Value::Null => Kind::NullValue(0),
        Value::Bool(truth) => Kind::BoolValue(*truth),
        // Struct has only doubles; integers are exact up to 2^53.
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(list) => {
            Kind::ListValue(prost_types::ListValue { values: list.iter().map(value).collect() })
        }
        Value::Object(payload) => Kind::StructValue(object(payload)),
    };
    prost_types::Value { kind: Some(kind) }
}

#[test]
fn a_payload_becomes_a_struct_field_by_field() {
    let json = serde_json::json!({
        "null": null, "yes": true, "number": 1.5, "text": "t", "list": [1, "a"], "in": {"deep": {}}
    });
    let encoded = object(json.as_object().expect("an object"));
    let shown = |name: &str| format!("{:?}", encoded.fields[name].kind.as_ref().expect("set"));
    assert_eq!(shown("null"), "NullValue(NullValue)");
    assert_eq!(shown("yes"), "BoolValue(true)");
    assert_eq!(shown("number"), "NumberValue(1.5)");
    assert_eq!(shown("text"), "StringValue(\"t\")");
    assert!(shown("list").contains("NumberValue(1.0)"), "{}", shown("list"));
    assert!(shown("in").contains("\"deep\""), "{}", shown("in"));
}
