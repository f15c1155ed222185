//! Arguments: encoding and decoding preserve a value, and equal content has equal digests.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use prost::Message;
use prost_types::Any;
use task_scheduler::models::wrappers::{MAX_DEPTH, decode_args};
use task_scheduler::models::{ArgValue, Digest, TaskId};

/// Any value without NaN, which does not equal itself.
fn value() -> impl Strategy<Value = ArgValue> {
    let timestamp =
        (-62_135_596_800i64..=253_402_300_799, 0..1_000_000_000).prop_map(|(seconds, nanos)| {
            ArgValue::Timestamp(prost_types::Timestamp { seconds, nanos })
        });
    let duration = (0i64..=315_576_000_000, 0..1_000_000_000, prop::bool::ANY).prop_map(
        |(seconds, nanos, past)| {
            let sign = if past { -1 } else { 1 };
            ArgValue::Duration(prost_types::Duration {
                seconds: seconds * i64::from(sign),
                nanos: nanos * sign,
            })
        },
    );
    let leaf = prop_oneof![
        Just(ArgValue::Null),
        any::<bool>().prop_map(ArgValue::Bool),
        any::<i32>().prop_map(ArgValue::Int32),
        any::<i64>().prop_map(ArgValue::Int64),
        any::<u32>().prop_map(ArgValue::UInt32),
        any::<u64>().prop_map(ArgValue::UInt64),
        any::<f32>().prop_filter("NaN", |number| !number.is_nan()).prop_map(ArgValue::Float),
        any::<f64>().prop_filter("NaN", |number| !number.is_nan()).prop_map(ArgValue::Double),
        any::<String>().prop_map(ArgValue::String),
        any::<Vec<u8>>().prop_map(ArgValue::Bytes),
        timestamp,
        duration,
        "[a-z]{1,8}".prop_map(|id| ArgValue::ResultOf(TaskId::parse(&id, "").expect("an id"))),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(ArgValue::Array),
            btree_map(any::<String>(), inner, 0..8).prop_map(ArgValue::Map),
        ]
    })
}

/// Any JSON value.
fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn digest(args: &[ArgValue]) -> Digest {
    Digest::of("add", args, &[])
}

proptest! {
    #[test]
    fn an_encoded_value_decodes_to_itself(values in vec(value(), 0..4)) {
        let sent: Vec<Any> = values.iter().map(Any::from).collect();
        let decoded = decode_args(sent.clone());
        prop_assert_eq!(decoded.as_ref(), Ok(&values));
        let again: Vec<Any> = values.iter().map(Any::from).collect();
        prop_assert_eq!(again, sent);
    }

    #[test]
    fn json_survives_a_round_trip(json in json()) {
        let value = ArgValue::from(json.clone());
        prop_assert_eq!(&value.to_json(), &json);
        let read: ArgValue = serde_json::from_str(&json.to_string()).expect("reads");
        prop_assert_eq!(read.to_json(), json);
    }

    /// Protobuf maps arrive in any order.
    #[test]
    fn equal_maps_have_equal_digests(
        entries in btree_map(any::<String>(), value(), 0..8).prop_map(|map| map.into_iter().collect::<Vec<_>>()),
        turn in any::<prop::sample::Index>(),
    ) {
        let mut turned = entries.clone();
        if !turned.is_empty() {
            turned.rotate_left(turn.index(entries.len()));
        }
        let [one, other] = [entries, turned].map(|entries| {
            let mut value = Vec::new();
            for (key, field) in &entries {
                // One entry at a time, so that the encoded order is this one.
                let fields = [(key.clone(), Any::from(field))].into();
                task_scheduler::pb::MapValue { fields }.encode(&mut value).expect("grows");
            }
            let any = Any { type_url: "type.googleapis.com/taskscheduler.MapValue".into(), value };
            decode_args(vec![any]).expect("decodes")
        });
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(digest(&one), digest(&other));
    }

    #[test]
    fn different_arguments_have_different_digests(one in vec(value(), 0..3), other in vec(value(), 0..3)) {
        // Not by `==`: 0 and -0 are different content.
        let alike = format!("{one:?}") == format!("{other:?}");
        prop_assert_eq!(digest(&one) == digest(&other), alike);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(
        name in prop::sample::select(vec![
            "google.protobuf.Int32Value", "google.protobuf.StringValue", "google.protobuf.Struct",
            "google.protobuf.Value", "google.protobuf.ListValue", "google.protobuf.Timestamp",
            "taskscheduler.ListValue", "taskscheduler.MapValue", "taskscheduler.ResultOf",
        ]),
        value in any::<Vec<u8>>(),
    ) {
        let any = Any { type_url: format!("type.googleapis.com/{name}"), value };
        if let Err(error) = decode_args(vec![any]) {
            prop_assert!(error.violations[0].field.starts_with("args[0]"));
        }
    }

    /// Changes one byte of a valid message: decoding neither panics nor nests too deep.
    #[test]
    fn a_damaged_message_is_decoded_or_refused(value in value(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut any = Any::from(&vec![value].into());
        let at = at.index(any.value.len());
        any.value[at] = byte;
        if let Ok(values) = decode_args(vec![any]) {
            prop_assert!(depth(&values[0]) <= MAX_DEPTH);
        }
    }
}

fn depth(value: &ArgValue) -> usize {
    match value {
        ArgValue::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        ArgValue::Map(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
