use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};

use super::*;
use crate::error::{Code, Violation};

fn any(type_name: &str, value: Vec<u8>) -> Any {
    Any { type_url: format!("{HOST}/{type_name}"), value }
}

fn decode(any: Any) -> ArgValue {
    decode_args(vec![any]).expect("decodes").remove(0)
}

/// The one violation of a refused list of arguments.
fn refused(args: Vec<Any>) -> Violation {
    let mut error = decode_args(args).expect_err("refused");
    assert_eq!(error.code, Code::InvalidArgument);
    assert_eq!(error.violations.len(), 1);
    error.violations.remove(0)
}

fn list_of(values: Vec<Any>) -> Any {
    pack("taskscheduler.ListValue", &pb::ListValue { values })
}

fn map_of(key: &str, value: Any) -> Any {
    let fields = [(key.to_owned(), value)].into();
    pack("taskscheduler.MapValue", &pb::MapValue { fields })
}

fn int(number: i32) -> Any {
    pack("google.protobuf.Int32Value", &number)
}

fn json(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

/// Nested lists, `levels` deep.
fn nested(levels: usize) -> Any {
    (1..levels).fold(list_of(vec![]), |inner, _| list_of(vec![inner]))
}

#[test]
fn every_type_of_the_wire_contract_is_decoded() {
    let time = Timestamp { seconds: 1_700_000_000, nanos: 5 };
    let length = Duration { seconds: -3, nanos: -1 };
    let id = TaskId::parse("t1", "").expect("an id");
    let result_of = pb::ResultOf { task_id: "t1".into() };
    let rows = [
        (any("google.protobuf.Int32Value", (-5i32).encode_to_vec()), ArgValue::Int32(-5)),
        (any("google.protobuf.Int64Value", i64::MIN.encode_to_vec()), ArgValue::Int64(i64::MIN)),
        (any("google.protobuf.UInt32Value", u32::MAX.encode_to_vec()), ArgValue::UInt32(u32::MAX)),
        (any("google.protobuf.UInt64Value", u64::MAX.encode_to_vec()), ArgValue::UInt64(u64::MAX)),
        (any("google.protobuf.FloatValue", 1.5f32.encode_to_vec()), ArgValue::Float(1.5)),
        (any("google.protobuf.DoubleValue", 2.5f64.encode_to_vec()), ArgValue::Double(2.5)),
        (any("google.protobuf.BoolValue", true.encode_to_vec()), ArgValue::Bool(true)),
        (any("google.protobuf.StringValue", "é".to_owned().encode_to_vec()), "é".into()),
        (any("google.protobuf.BytesValue", vec![0u8, 255].encode_to_vec()), vec![0u8, 255].into()),
        (any("google.protobuf.Empty", vec![]), ArgValue::Null),
        (any("google.protobuf.Timestamp", time.encode_to_vec()), ArgValue::Timestamp(time)),
        (any("google.protobuf.Duration", length.encode_to_vec()), ArgValue::Duration(length)),
        (any("taskscheduler.ResultOf", result_of.encode_to_vec()), ArgValue::ResultOf(id)),
        (
            list_of(vec![int(1), list_of(vec![])]),
            ArgValue::Array(vec![1.into(), ArgValue::Array(vec![])]),
        ),
        (map_of("x", int(1)), ArgValue::Map([("x".to_owned(), 1.into())].into())),
        // Default values are not on the wire.
        (any("google.protobuf.Int32Value", vec![]), ArgValue::Int32(0)),
        (any("google.protobuf.Value", vec![]), ArgValue::Null),
    ];
    for (sent, expected) in rows {
        let url = sent.type_url.clone();
        assert_eq!(decode(sent), expected, "{url}");
    }
}

#[test]
fn protobufs_json_messages_are_decoded() {
    let list = ListValue { values: vec![json(Kind::NullValue(0)), json(Kind::BoolValue(true))] };
    let inner = Struct { fields: [("n".to_owned(), json(Kind::NumberValue(1.5)))].into() };
    let fields = [
        ("list".to_owned(), json(Kind::ListValue(list.clone()))),
        ("map".to_owned(), json(Kind::StructValue(inner))),
        ("text".to_owned(), json(Kind::StringValue("a".into()))),
    ];
    let whole = Struct { fields: fields.into() };
    let expected_list = ArgValue::Array(vec![ArgValue::Null, true.into()]);
    let expected = ArgValue::Map(
        [
            ("list".to_owned(), expected_list.clone()),
            ("map".to_owned(), ArgValue::Map([("n".to_owned(), 1.5.into())].into())),
            ("text".to_owned(), "a".into()),
        ]
        .into(),
    );
    assert_eq!(decode(any("google.protobuf.ListValue", list.encode_to_vec())), expected_list);
    assert_eq!(decode(any("google.protobuf.Struct", whole.encode_to_vec())), expected);
    let value = json(Kind::StructValue(whole));
    assert_eq!(decode(any("google.protobuf.Value", value.encode_to_vec())), expected);
}

#[test]
fn any_host_is_accepted() {
    for host in ["type.googleapis.com", "example.org/a/b", ""] {
        let sent = Any {
            type_url: format!("{host}/google.protobuf.Int32Value"),
            value: 5i32.encode_to_vec(),
        };
        assert_eq!(decode(sent), ArgValue::Int32(5), "host {host:?}");
    }
}

#[test]
fn fields_of_later_versions_are_skipped() {
    // Field 9 as a varint, as 8 bytes, as bytes and as 4 bytes, around one element.
    let element = int(7).encode_to_vec();
    let mut bytes = vec![0x48, 1, 0x49, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend([0x0a, u8::try_from(element.len()).expect("short")]);
    bytes.extend(element);
    bytes.extend([0x4a, 1, 0, 0x4d, 0, 0, 0, 0]);
    assert_eq!(decode(any("taskscheduler.ListValue", bytes)), ArgValue::Array(vec![7.into()]));
}

#[test]
fn an_error_names_the_path() {
    let bad = any("example.Nothing", vec![]);
    let sent = vec![int(1), int(2), map_of("x", list_of(vec![bad]))];
    let violation = refused(sent);
    assert_eq!(violation.field, r#"args[2].fields["x"].values[0]"#);
    assert!(
        violation.description.starts_with(
            r#"unknown type URL "type.googleapis.com/example.Nothing"; expected google.protobuf.{Int32Value,"#
        ),
        "{}",
        violation.description
    );

    let list =
        ListValue { values: vec![json(Kind::NumberValue(1.0)), json(Kind::BoolValue(true))] };
    let mut bytes = list.encode_to_vec();
    // The boolean's tag is that of a string, whose length is missing.
    let tail = bytes.len() - 2;
    bytes[tail] = 0x1a;
    let violation = refused(vec![any("google.protobuf.ListValue", bytes)]);
    assert_eq!(violation.field, "args[0].values[1]");
    assert_eq!(
        violation.description,
        "these bytes are no google.protobuf.Value: it ends in the middle of field 3"
    );
}

#[test]
fn bytes_that_are_not_the_type_are_refused() {
    let rows: [(&str, &[u8], &str); 7] = [
        ("google.protobuf.Int32Value", &[0x0a, 0], "invalid wire type"),
        ("google.protobuf.StringValue", &[0x0a, 1, 0xff], "UTF-8"),
        ("google.protobuf.BytesValue", &[0x0a, 9], "buffer underflow"),
        ("taskscheduler.ListValue", &[0x08, 1], "field 1 has wire type Varint"),
        ("taskscheduler.ListValue", &[0x0b], "field 1 has wire type StartGroup"),
        ("taskscheduler.MapValue", &[0x0a, 3, 0x0a, 1, 0xff], "field 1 is no text"),
        ("google.protobuf.Value", &[0x10, 1], "field 2 has wire type Varint"),
    ];
    for (type_name, bytes, why) in rows {
        let violation = refused(vec![any(type_name, bytes.to_vec())]);
        assert_eq!(violation.field, "args[0]", "{type_name}");
        let expected = format!("these bytes are no {type_name}: ");
        assert!(violation.description.starts_with(&expected), "{}", violation.description);
        assert!(violation.description.contains(why), "{}", violation.description);
    }
}

#[test]
fn nesting_is_bounded_for_every_type() {
    assert!(decode_args(vec![nested(MAX_DEPTH)]).is_ok());
    for too_deep in [nested(MAX_DEPTH + 1), nested(200)] {
        let violation = refused(vec![too_deep]);
        assert_eq!(violation.field, format!("args[0]{}", ".values[0]".repeat(MAX_DEPTH)));
        assert!(violation.description.contains("deeper than 64"), "{}", violation.description);
    }

    // Encoded here, because prost neither encodes nor decodes values this deep.
    let within = |tag: u32, bytes: &Vec<u8>| {
        let mut whole = Vec::new();
        prost::encoding::bytes::encode(tag, bytes, &mut whole);
        whole
    };
    let mut value = vec![];
    for level in 1..=1_000 {
        // Lists and maps in turn.
        value = if level % 2 == 0 {
            within(6, &within(1, &value))
        } else {
            within(5, &within(1, &within(2, &value)))
        };
        let result = decode_args(vec![any("google.protobuf.Value", value.clone())]);
        match result {
            Ok(_) => assert!(level <= MAX_DEPTH, "{level}"),
            Err(error) => {
                assert!(level > MAX_DEPTH, "{level}: {error}");
                assert!(error.message.contains("deeper than 64"), "{level}: {error}");
            }
        }
    }
}

#[test]
fn the_number_of_values_is_bounded_for_the_whole_request() {
    let half = list_of(vec![any("google.protobuf.Empty", vec![]); MAX_VALUES / 2 - 1]);
    assert!(decode_args(vec![half.clone(), half.clone()]).is_ok());
    let violation = refused(vec![half.clone(), half, int(1)]);
    assert_eq!(violation.field, "args[2]");
    assert!(violation.description.contains("more than 262144"), "{}", violation.description);

    // Elements of two bytes each.
    let elements = [0x0a, 0].repeat(MAX_VALUES);
    let violation = refused(vec![any("google.protobuf.ListValue", elements)]);
    assert_eq!(violation.field, format!("args[0].values[{}]", MAX_VALUES - 1));

    let violation = refused(vec![Any::default(); MAX_VALUES + 1]);
    assert_eq!(violation.field, "args");
}

#[test]
fn times_out_of_range_are_refused() {
    let timestamp =
        |seconds, nanos| pack("google.protobuf.Timestamp", &Timestamp { seconds, nanos });
    let duration = |seconds, nanos| pack("google.protobuf.Duration", &Duration { seconds, nanos });
    let fine = vec![
        timestamp(-62_135_596_800, 0),
        timestamp(253_402_300_799, 999_999_999),
        duration(315_576_000_000, 999_999_999),
        duration(-315_576_000_000, -999_999_999),
        duration(0, -1),
    ];
    assert_eq!(decode_args(fine).map(|values| values.len()), Ok(5));
    for bad in [
        timestamp(-62_135_596_801, 0),
        timestamp(253_402_300_800, 0),
        timestamp(0, 1_000_000_000),
        timestamp(0, -1),
    ] {
        assert!(refused(vec![bad]).description.contains("are no timestamp; expected"));
    }
    for bad in [
        duration(315_576_000_001, 0),
        duration(-315_576_000_001, 0),
        duration(0, 1_000_000_000),
        duration(1, -1),
        duration(-1, 1),
        duration(i64::MIN, i32::MIN),
    ] {
        assert!(refused(vec![bad]).description.contains("are no duration; expected"));
    }
}

#[test]
fn the_id_of_a_result_is_checked() {
    let sent = list_of(vec![pack("taskscheduler.ResultOf", &pb::ResultOf::default())]);
    let violation = refused(vec![sent]);
    assert_eq!(violation.field, "args[0].values[0].task_id");
    assert_eq!(violation.description, "empty; expected 1 to 255 bytes");
}

#[test]
fn an_error_message_is_bounded() {
    let mut value = any(&"x".repeat(100_000), vec![]);
    for _ in 0..MAX_DEPTH {
        value = map_of(&"\u{7}".repeat(10_000), value);
    }
    let violation = refused(vec![value]);
    assert!(violation.field.starts_with(r"args[0]….fields["), "{}", violation.field);
    assert!(violation.field.len() < 2 * MAX_PATH_BYTES, "{}", violation.field.len());
    assert!(violation.description.len() < 500, "{}", violation.description.len());
}

#[test]
fn the_last_of_equal_keys_counts() {
    let mut bytes = pb::MapValue { fields: [("x".to_owned(), int(1))].into() }.encode_to_vec();
    bytes.extend(pb::MapValue { fields: [("x".to_owned(), int(2))].into() }.encode_to_vec());
    let expected = ArgValue::Map([("x".to_owned(), 2.into())].into());
    assert_eq!(decode(any("taskscheduler.MapValue", bytes)), expected);
}
