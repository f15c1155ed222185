//! [`ArgValue`] to and from JSON, for people, REST and `Json<T>`.
//!
//! | value | JSON |
//! |---|---|
//! | nothing, boolean, text, list, map | `null`, boolean, string, array, object |
//! | every integer and finite number | number |
//! | NaN and the infinities | `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | bytes | string, base64 (standard alphabet, padded) |
//! | timestamp, duration | string: `"2026-11-01T00:00:00Z"`, `"1.500s"` |
//! | the result of a task | `{"result_of": "id"}` |
//!
//! JSON to `ArgValue` and back is lossless. `ArgValue` to JSON and back is not: strings become text, and
//! integers become the first of `Int32`, `Int64` and `UInt64` that holds them, so that a handler that expects
//! `Int32` gets a small number however it was sent. `Any` is the lossless form: see [`wrappers`](crate::models::wrappers).

use std::collections::BTreeMap;
use std::fmt;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{ArgValue, Seconds};

impl ArgValue {
    /// The value as JSON, as its `Serialize` writes it.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("keys are text and numbers are finite")
    }
}

impl From<serde_json::Value> for ArgValue {
    fn from(json: serde_json::Value) -> Self {
        use serde_json::Value;
        match json {
            Value::Null => Self::Null,
            Value::Bool(truth) => Self::Bool(truth),
            Value::Number(number) => {
                if let Some(number) = number.as_i64() {
                    signed(number)
                } else if let Some(number) = number.as_u64() {
                    Self::UInt64(number)
                } else {
                    Self::Double(number.as_f64().unwrap_or(f64::NAN))
                }
            }
            Value::String(text) => Self::String(text),
            Value::Array(values) => Self::Array(values.into_iter().map(Self::from).collect()),
            Value::Object(fields) => {
                Self::Map(fields.into_iter().map(|(key, value)| (key, value.into())).collect())
            }
        }
    }
}

/// The narrowest of `Int32` and `Int64` that holds the number.
fn signed(number: i64) -> ArgValue {
    i32::try_from(number).map_or(ArgValue::Int64(number), ArgValue::Int32)
}

impl Serialize for ArgValue {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Bool(truth) => to.serialize_bool(*truth),
            Self::Int32(number) => to.serialize_i32(*number),
            Self::Int64(number) => to.serialize_i64(*number),
            Self::UInt32(number) => to.serialize_u32(*number),
            Self::UInt64(number) => to.serialize_u64(*number),
            Self::Float(number) if number.is_finite() => to.serialize_f32(*number),
            Self::Float(number) => to.serialize_str(not_finite(f64::from(*number))),
            Self::Double(number) if number.is_finite() => to.serialize_f64(*number),
            Self::Double(number) => to.serialize_str(not_finite(*number)),
            Self::String(text) => to.serialize_str(text),
            Self::Bytes(bytes) => to.collect_str(&Base64Display::new(bytes, &STANDARD)),
            Self::Timestamp(time) => to.collect_str(time),
            Self::Duration(length) => to.collect_str(&Seconds(length)),
            Self::Array(values) => to.collect_seq(values),
            Self::Map(fields) => to.collect_map(fields),
            Self::ResultOf(id) => {
                let mut map = to.serialize_map(Some(1))?;
                map.serialize_entry("result_of", id.as_str())?;
                map.end()
            }
        }
    }
}

/// JSON has no such numbers; protobuf's JSON mapping writes them as these strings.
fn not_finite(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

impl<'de> Deserialize<'de> for ArgValue {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = ArgValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<ArgValue, E> {
        Ok(ArgValue::Null)
    }

    fn visit_none<E>(self) -> Result<ArgValue, E> {
        Ok(ArgValue::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<ArgValue, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<ArgValue, E> {
        Ok(ArgValue::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<ArgValue, E> {
        Ok(signed(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<ArgValue, E> {
        Ok(i64::try_from(number).map_or(ArgValue::UInt64(number), signed))
    }

    fn visit_f64<E>(self, number: f64) -> Result<ArgValue, E> {
        Ok(ArgValue::Double(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<ArgValue, E> {
        Ok(ArgValue::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<ArgValue, E> {
        Ok(ArgValue::String(text))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<ArgValue, E> {
        Ok(ArgValue::Bytes(bytes.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<ArgValue, A::Error> {
        // The sender controls the size hint: do not reserve memory for it.
        let mut values = Vec::new();
        while let Some(value) = from.next_element()? {
            values.push(value);
        }
        Ok(ArgValue::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<ArgValue, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((key, value)) = from.next_entry()? {
            fields.insert(key, value);
        }
        Ok(ArgValue::Map(fields))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_to_a_value_and_back_is_lossless() {
        let whole = json!({
            "null": null, "yes": true, "text": "a\u{0}é", "list": [1, [], {}, "x"],
            "integers": [0, -1, i32::MAX, i64::from(i32::MAX) + 1, i64::MIN, i64::MAX, u64::MAX],
            "numbers": [1.0, -0.0, 0.1, 1e300],
        });
        let value = ArgValue::from(whole.clone());
        assert_eq!(value.to_json(), whole);
        let text = whole.to_string();
        let read: ArgValue = serde_json::from_str(&text).expect("reads");
        assert_eq!(read, value);
        assert_eq!(serde_json::to_string(&read).expect("writes"), text);
    }

    #[test]
    fn an_integer_becomes_the_narrowest_type_that_holds_it() {
        let rows = [
            (json!(5), ArgValue::Int32(5)),
            (json!(i32::MIN), ArgValue::Int32(i32::MIN)),
            (json!(i64::from(i32::MAX) + 1), ArgValue::Int64(i64::from(i32::MAX) + 1)),
            (json!(u64::MAX), ArgValue::UInt64(u64::MAX)),
            (json!(5.0), ArgValue::Double(5.0)),
        ];
        for (json, expected) in rows {
            assert_eq!(ArgValue::from(json.clone()), expected);
            assert_eq!(serde_json::from_value::<ArgValue>(json).expect("reads"), expected);
        }
    }

    #[test]
    fn values_without_a_json_type_are_written_as_documented() {
        let rows = [
            (ArgValue::from(f64::NAN), json!("NaN")),
            (f64::INFINITY.into(), json!("Infinity")),
            (f32::NEG_INFINITY.into(), json!("-Infinity")),
            (vec![0u8, 255].into(), json!("AP8=")),
            (std::time::Duration::from_millis(1_500).into(), json!("1.500s")),
            (std::time::UNIX_EPOCH.into(), json!("1970-01-01T00:00:00Z")),
        ];
        for (value, expected) in rows {
            assert_eq!(value.to_json(), expected);
        }
    }
}
