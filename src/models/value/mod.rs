//! The decoded form of an argument or a result.
//!
//! [`wrappers`] encodes and decodes it as `google.protobuf.Any`, without loss; `json` maps it to and
//! from JSON; `convert` maps it to and from Rust types.

mod convert;
mod json;
mod wire;
pub mod wrappers;

use std::collections::BTreeMap;
use std::fmt;
use std::mem::size_of;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;

pub use convert::Mismatch;

use crate::models::TaskId;
use crate::models::digest::{put, put_count};

/// One argument or result.
///
/// `Display` writes the text that callers get as a result: text as it is, null as empty text, bytes as
/// base64, times as RFC 3339 (`2026-11-01T00:00:00Z`), durations as `1.500s`, lists and maps as JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ArgValue {
    /// Null: `Empty`, a null `Value`, or the result of a handler that returns none.
    #[default]
    Null,
    /// `BoolValue`.
    Bool(bool),
    /// `Int32Value`.
    Int32(i32),
    /// `Int64Value`.
    Int64(i64),
    /// `UInt32Value`.
    UInt32(u32),
    /// `UInt64Value`.
    UInt64(u64),
    /// `FloatValue`.
    Float(f32),
    /// `DoubleValue`.
    Double(f64),
    /// `StringValue`.
    String(String),
    /// `BytesValue`.
    Bytes(Vec<u8>),
    /// `Timestamp`.
    Timestamp(prost_types::Timestamp),
    /// `Duration`.
    Duration(prost_types::Duration),
    /// `ListValue`, ours or protobuf's.
    Array(Vec<ArgValue>),
    /// `MapValue` or `Struct`; sorted, so that equal maps have equal encodings.
    Map(BTreeMap<String, ArgValue>),
    /// The result of this dependency, which replaces the value before the handler gets it.
    ResultOf(TaskId),
}

impl ArgValue {
    /// The kind of the value, for people: `integer`, `text`, `list`.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "boolean",
            Self::Int32(_) | Self::Int64(_) | Self::UInt32(_) | Self::UInt64(_) => "integer",
            Self::Float(_) | Self::Double(_) => "number",
            Self::String(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Timestamp(_) => "timestamp",
            Self::Duration(_) => "duration",
            Self::Array(_) => "list",
            Self::Map(_) => "map",
            Self::ResultOf(_) => "result of a task",
        }
    }

    /// An estimate of the heap memory of the value, in bytes: allocators round up, and the nodes of a map are
    /// rarely full.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::String(text) => text.capacity(),
            Self::Bytes(bytes) => bytes.capacity(),
            Self::Array(values) => {
                let nested: usize = values.iter().map(Self::heap_bytes).sum();
                values.capacity() * size_of::<Self>() + nested
            }
            Self::Map(fields) => {
                let entry = size_of::<String>() + size_of::<Self>();
                fields.iter().map(|(key, value)| entry + key.capacity() + value.heap_bytes()).sum()
            }
            Self::ResultOf(id) => id.as_str().len(),
            _ => 0,
        }
    }

    /// Whether lists and maps nest deeper than `levels`. Does not look deeper than that.
    pub fn is_deeper_than(&self, levels: usize) -> bool {
        let inside = |value: &Self| match levels.checked_sub(1) {
            Some(left) => value.is_deeper_than(left),
            None => true,
        };
        match self {
            Self::Array(values) => levels == 0 || values.iter().any(inside),
            Self::Map(fields) => levels == 0 || fields.values().any(inside),
            _ => false,
        }
    }

    /// Appends a canonical encoding of the value: equal values have equal encodings, different values have
    /// different ones. A type's tag comes before the content; maps are sorted by key. Numbers of different
    /// types differ; all NaNs are equal.
    pub fn write_canonical(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(0),
            Self::Bool(truth) => out.extend([1, u8::from(*truth)]),
            Self::Int32(number) => tagged(out, 2, &number.to_le_bytes()),
            Self::Int64(number) => tagged(out, 3, &number.to_le_bytes()),
            Self::UInt32(number) => tagged(out, 4, &number.to_le_bytes()),
            Self::UInt64(number) => tagged(out, 5, &number.to_le_bytes()),
            Self::Float(number) => {
                let number = if number.is_nan() { f32::NAN } else { *number };
                tagged(out, 6, &number.to_le_bytes());
            }
            Self::Double(number) => {
                let number = if number.is_nan() { f64::NAN } else { *number };
                tagged(out, 7, &number.to_le_bytes());
            }
            Self::String(text) => {
                out.push(8);
                put(out, text.as_bytes());
            }
            Self::Bytes(bytes) => {
                out.push(9);
                put(out, bytes);
            }
            Self::Timestamp(time) => {
                tagged(out, 10, &time.seconds.to_le_bytes());
                out.extend(time.nanos.to_le_bytes());
            }
            Self::Duration(length) => {
                tagged(out, 11, &length.seconds.to_le_bytes());
                out.extend(length.nanos.to_le_bytes());
            }
            Self::Array(values) => {
                out.push(12);
                put_count(out, values.len());
                for value in values {
                    value.write_canonical(out);
                }
            }
            Self::Map(fields) => {
                out.push(13);
                put_count(out, fields.len());
                for (key, value) in fields {
                    put(out, key.as_bytes());
                    value.write_canonical(out);
                }
            }
            Self::ResultOf(id) => {
                out.push(14);
                put(out, id.as_str().as_bytes());
            }
        }
    }
}

fn tagged(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    out.extend_from_slice(content);
}

impl fmt::Display for ArgValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Int32(number) => write!(f, "{number}"),
            Self::Int64(number) => write!(f, "{number}"),
            Self::UInt32(number) => write!(f, "{number}"),
            Self::UInt64(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Double(number) => write!(f, "{number}"),
            Self::String(text) => f.write_str(text),
            Self::Bytes(bytes) => write!(f, "{}", Base64Display::new(bytes, &STANDARD)),
            Self::Timestamp(time) => write!(f, "{time}"),
            Self::Duration(length) => write!(f, "{}", Seconds(length)),
            Self::Array(_) | Self::Map(_) => {
                f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
            }
            Self::ResultOf(id) => write!(f, "result of {id}"),
        }
    }
}

/// A duration as protobuf's JSON mapping writes it: `1s`, `-1.500s`. The `Display` of `prost-types` overflows
/// for extreme values, which a handler may return.
pub(super) struct Seconds<'a>(pub(super) &'a prost_types::Duration);

impl fmt::Display for Seconds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prost_types::Duration { seconds, nanos } = *self.0;
        let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
        write!(f, "{sign}{}", seconds.unsigned_abs())?;
        match nanos.unsigned_abs() {
            0 => {}
            nanos if nanos % 1_000_000 == 0 => write!(f, ".{:03}", nanos / 1_000_000)?,
            nanos if nanos % 1_000 == 0 => write!(f, ".{:06}", nanos / 1_000)?,
            nanos => write!(f, ".{nanos:09}")?,
        }
        f.write_str("s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, ArgValue)]) -> ArgValue {
        ArgValue::Map(fields.iter().map(|(key, value)| ((*key).into(), value.clone())).collect())
    }

    #[test]
    fn the_text_of_a_value_is_the_documented_one() {
        let id = TaskId::parse("t1", "").expect("an id");
        let time = prost_types::Timestamp { seconds: 1_793_491_200, nanos: 0 };
        let length = prost_types::Duration { seconds: 1, nanos: 500_000_000 };
        let nested = map(&[
            ("b", vec![ArgValue::Null, "a\"b".into()].into()),
            ("a", map(&[("n", f64::NAN.into())])),
            ("c", vec![1u8, 2].into()),
        ]);
        let rows = [
            (ArgValue::Null, ""),
            (true.into(), "true"),
            (6.into(), "6"),
            (u64::MAX.into(), "18446744073709551615"),
            (0.1f32.into(), "0.1"),
            (6.0.into(), "6"),
            (f64::INFINITY.into(), "inf"),
            ("a\"b".into(), "a\"b"),
            (vec![0u8, 255].into(), "AP8="),
            (ArgValue::Timestamp(time), "2026-11-01T00:00:00Z"),
            (ArgValue::Duration(length), "1.500s"),
            (ArgValue::Array(vec![]), "[]"),
            (nested, r#"{"a":{"n":"NaN"},"b":[null,"a\"b"],"c":"AQI="}"#),
            (vec![ArgValue::Timestamp(time)].into(), r#"["2026-11-01T00:00:00Z"]"#),
            (ArgValue::ResultOf(id.clone()), "result of t1"),
            (vec![ArgValue::ResultOf(id)].into(), r#"[{"result_of":"t1"}]"#),
        ];
        for (value, expected) in rows {
            assert_eq!(value.to_string(), expected, "{value:?}");
        }
    }

    #[test]
    fn durations_are_written_as_protobuf_does() {
        let rows = [
            (0, 0, "0s"),
            (1, 500_000_000, "1.500s"),
            (-1, -500_000, "-1.000500s"),
            (0, -1, "-0.000000001s"),
            (i64::MIN, 0, "-9223372036854775808s"),
        ];
        for (seconds, nanos, expected) in rows {
            let length = prost_types::Duration { seconds, nanos };
            assert_eq!(ArgValue::Duration(length).to_string(), expected);
        }
    }

    #[test]
    fn times_out_of_range_have_a_text() {
        for seconds in [i64::MIN, i64::MAX] {
            for nanos in [i32::MIN, i32::MAX] {
                let time = ArgValue::Timestamp(prost_types::Timestamp { seconds, nanos });
                let length = ArgValue::Duration(prost_types::Duration { seconds, nanos });
                assert!(!time.to_string().is_empty() && !length.to_string().is_empty());
            }
        }
    }

    fn canonical(value: &ArgValue) -> Vec<u8> {
        let mut out = Vec::new();
        value.write_canonical(&mut out);
        out
    }

    #[test]
    fn different_values_have_different_encodings() {
        let time = prost_types::Timestamp { seconds: 1, nanos: 2 };
        let length = prost_types::Duration { seconds: 1, nanos: 2 };
        let list = |values: Vec<ArgValue>| ArgValue::Array(values);
        let different = [
            ArgValue::Null,
            false.into(),
            true.into(),
            1.into(),
            1i64.into(),
            1u32.into(),
            1u64.into(),
            1f32.into(),
            1f64.into(),
            0.0.into(),
            (-0.0).into(),
            f32::NAN.into(),
            f64::NAN.into(),
            "1".into(),
            b"1".to_vec().into(),
            ArgValue::Timestamp(time),
            ArgValue::Duration(length),
            ArgValue::ResultOf(TaskId::parse("1", "").expect("an id")),
            list(vec![]),
            map(&[]),
            list(vec!["a".into(), "b".into()]),
            list(vec!["ab".into(), "".into()]),
            list(vec!["ab".into()]),
            list(vec![list(vec!["a".into()]), "b".into()]),
            list(vec![list(vec!["a".into(), "b".into()])]),
            map(&[("a", "b".into())]),
            map(&[("a", "b".into()), ("c", ArgValue::Null)]),
            map(&[("a", map(&[("b", ArgValue::Null)])), ("c", ArgValue::Null)]),
            map(&[("a", map(&[("b", ArgValue::Null), ("c", ArgValue::Null)]))]),
        ];
        for (index, one) in different.iter().enumerate() {
            for other in &different[..index] {
                assert_ne!(canonical(one), canonical(other), "{one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn all_nans_have_one_encoding() {
        let odd = f64::from_bits(f64::NAN.to_bits() ^ 1);
        assert!(odd.is_nan());
        assert_eq!(canonical(&odd.into()), canonical(&f64::NAN.into()));
        let odd = f32::from_bits(f32::NAN.to_bits() ^ 1);
        assert!(odd.is_nan());
        assert_eq!(canonical(&odd.into()), canonical(&f32::NAN.into()));
    }

    #[test]
    fn the_heap_estimate_follows_the_content() {
        assert_eq!(ArgValue::Int32(1).heap_bytes(), 0);
        assert_eq!(ArgValue::String("a".repeat(1_000)).heap_bytes(), 1_000);
        let texts: ArgValue = vec!["a".repeat(1_000); 10].into();
        assert!((10_000..11_000).contains(&texts.heap_bytes()), "{}", texts.heap_bytes());
        let deep = map(&[("key", vec![texts].into())]);
        assert!((10_000..12_000).contains(&deep.heap_bytes()), "{}", deep.heap_bytes());
    }
}
