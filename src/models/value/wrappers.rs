//! `google.protobuf.Any` ⇄ [`ArgValue`], for every type of the wire contract.
//!
//! Decoding checks [`MAX_DEPTH`] and [`MAX_VALUES`] before it allocates, and its errors name the bad part of the
//! argument. Encoding writes lists and maps as this project's own `ListValue` and `MapValue`, the only lossless
//! ones.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use prost::Message;
use prost_types::{Any, Duration, Timestamp};

use super::ArgValue;
use super::wire::{Fields, Malformed, Wire};
use crate::error::Error;
use crate::models::TaskId;
use crate::pb;

/// How deep lists and maps may nest.
pub const MAX_DEPTH: usize = 64;
/// The most values in the arguments of one request, including those in lists and maps.
pub const MAX_VALUES: usize = 1 << 18;

/// The longest part of an unknown type URL or a map's key that an error shows, in characters.
const MAX_SHOWN: usize = 60;
/// The longest path that an error shows, in bytes; the middle is left out.
const MAX_PATH_BYTES: usize = 1_000;

const HOST: &str = "type.googleapis.com";
const KNOWN_TYPES: &str = "google.protobuf.{Int32Value, Int64Value, UInt32Value, UInt64Value, \
    FloatValue, DoubleValue, BoolValue, StringValue, BytesValue, Empty, Timestamp, Duration, \
    Struct, Value, ListValue} or taskscheduler.{ListValue, MapValue, ResultOf}";

/// The years 1 to 9999.
pub(super) const TIMESTAMP_SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// 10,000 years, either way.
pub(super) const DURATION_SECONDS: RangeInclusive<i64> = -315_576_000_000..=315_576_000_000;
const NANOS: RangeInclusive<i32> = 0..=999_999_999;

/// Decodes a request's arguments.
///
/// # Errors
/// `INVALID_ARGUMENT`, whose violation names the path as `args[2].fields["x"].values[0]`: a type
/// URL that is not known, bytes that are not that type, a time out of range, or more than
/// [`MAX_DEPTH`] or [`MAX_VALUES`].
pub fn decode_args(args: Vec<Any>) -> Result<Vec<ArgValue>, Error> {
    if args.len() > MAX_VALUES {
        return Err(Error::invalid("args", too_many_values()));
    }
    let mut decoder = Decoder { left: MAX_VALUES };
    let mut values = Vec::with_capacity(args.len());
    for (index, any) in args.iter().enumerate() {
        let value = decoder.any(&any.type_url, &any.value, 0);
        values.push(
            value.map_err(|fault| {
                Error::invalid(format!("args[{index}]{}", fault.path), fault.why)
            })?,
        );
    }
    Ok(values)
}

/// Decodes one value from the field `field` of a request.
///
/// # Errors
/// As [`decode_args`], with the path as `result.values[0]`.
pub fn decode_value(any: &Any, field: &str) -> Result<ArgValue, Error> {
    let value = Decoder { left: MAX_VALUES }.any(&any.type_url, &any.value, 0);
    value.map_err(|fault| Error::invalid(format!("{field}{}", fault.path), fault.why))
}

/// Why an argument could not be decoded. Each level adds its step at the front of the path.
struct Fault {
    path: String,
    why: String,
}

impl Fault {
    fn new(why: impl Into<String>) -> Self {
        Self { path: String::new(), why: why.into() }
    }

    fn malformed(type_name: &str, error: impl Into<Malformed>) -> Self {
        Self::new(format!("these bytes are no {type_name}: {}", error.into()))
    }

    fn within(mut self, step: &str) -> Self {
        if self.path.len() < MAX_PATH_BYTES {
            self.path.insert_str(0, step);
        } else if !self.path.starts_with('…') {
            self.path.insert(0, '…');
        }
        self
    }

    fn within_list(self, index: usize) -> Self {
        self.within(&format!(".values[{index}]"))
    }

    fn within_map(self, key: &str) -> Self {
        self.within(&format!(".fields[{:?}]", shown(key)))
    }
}

struct Decoder {
    /// How many more values are accepted.
    left: usize,
}

impl Decoder {
    /// `depth` is the number of lists and maps around the value.
    fn any(&mut self, type_url: &str, bytes: &[u8], depth: usize) -> Result<ArgValue, Fault> {
        self.count_value()?;
        let type_name = type_url.rsplit('/').next().unwrap_or(type_url);
        Ok(match type_name {
            "google.protobuf.Int32Value" => ArgValue::Int32(message(type_name, bytes)?),
            "google.protobuf.Int64Value" => ArgValue::Int64(message(type_name, bytes)?),
            "google.protobuf.UInt32Value" => ArgValue::UInt32(message(type_name, bytes)?),
            "google.protobuf.UInt64Value" => ArgValue::UInt64(message(type_name, bytes)?),
            "google.protobuf.FloatValue" => ArgValue::Float(message(type_name, bytes)?),
            "google.protobuf.DoubleValue" => ArgValue::Double(message(type_name, bytes)?),
            "google.protobuf.BoolValue" => ArgValue::Bool(message(type_name, bytes)?),
            "google.protobuf.StringValue" => ArgValue::String(message(type_name, bytes)?),
            "google.protobuf.BytesValue" => ArgValue::Bytes(message(type_name, bytes)?),
            "google.protobuf.Empty" => {
                message::<()>(type_name, bytes)?;
                ArgValue::Null
            }
            "google.protobuf.Timestamp" => ArgValue::Timestamp(timestamp(type_name, bytes)?),
            "google.protobuf.Duration" => ArgValue::Duration(duration(type_name, bytes)?),
            "google.protobuf.Struct" => self.map(type_name, bytes, depth, Self::json)?,
            "google.protobuf.ListValue" => self.list(type_name, bytes, depth, Self::json)?,
            "google.protobuf.Value" => self.json_kind(bytes, depth)?,
            "taskscheduler.ListValue" => self.list(type_name, bytes, depth, Self::nested_any)?,
            "taskscheduler.MapValue" => self.map(type_name, bytes, depth, Self::nested_any)?,
            "taskscheduler.ResultOf" => result_of(type_name, bytes)?,
            _ => {
                let url = shown(type_url);
                return Err(Fault::new(format!(
                    "unknown type URL {url:?}; expected {KNOWN_TYPES}"
                )));
            }
        })
    }

    /// A list's elements are field 1, each read by `element`.
    fn list(
        &mut self,
        type_name: &str,
        bytes: &[u8],
        depth: usize,
        element: fn(&mut Self, &[u8], usize) -> Result<ArgValue, Fault>,
    ) -> Result<ArgValue, Fault> {
        check_depth(depth)?;
        let mut values = Vec::new();
        for field in Fields(bytes) {
            let field = field.map_err(|error| Fault::malformed(type_name, error))?;
            if field.number == 1 {
                let bytes = field.bytes().map_err(|error| Fault::malformed(type_name, error))?;
                let value = element(self, bytes, depth + 1);
                values.push(value.map_err(|fault| fault.within_list(values.len()))?);
            }
        }
        Ok(ArgValue::Array(values))
    }

    /// A map's entries are field 1: the key is field 1 in it, the value field 2, read by `element`.
    /// Of entries with equal keys, the last one counts.
    fn map(
        &mut self,
        type_name: &str,
        bytes: &[u8],
        depth: usize,
        element: fn(&mut Self, &[u8], usize) -> Result<ArgValue, Fault>,
    ) -> Result<ArgValue, Fault> {
        check_depth(depth)?;
        let mut fields = BTreeMap::new();
        for entry in Fields(bytes) {
            let malformed = |error| Fault::malformed(type_name, error);
            let entry = entry.map_err(malformed)?;
            if entry.number != 1 {
                continue;
            }
            let (mut key, mut value) = ("", &[][..]);
            for part in Fields(entry.bytes().map_err(malformed)?) {
                let part = part.map_err(malformed)?;
                match part.number {
                    1 => key = part.text().map_err(malformed)?,
                    2 => value = part.bytes().map_err(malformed)?,
                    _ => {}
                }
            }
            let value = element(self, value, depth + 1).map_err(|fault| fault.within_map(key))?;
            fields.insert(key.to_owned(), value);
        }
        Ok(ArgValue::Map(fields))
    }

    /// An element of our own list or map.
    fn nested_any(&mut self, bytes: &[u8], depth: usize) -> Result<ArgValue, Fault> {
        let malformed = |error| Fault::malformed("google.protobuf.Any", error);
        let (mut type_url, mut value) = ("", &[][..]);
        for field in Fields(bytes) {
            let field = field.map_err(malformed)?;
            match field.number {
                1 => type_url = field.text().map_err(malformed)?,
                2 => value = field.bytes().map_err(malformed)?,
                _ => {}
            }
        }
        self.any(type_url, value, depth)
    }

    /// An element of a `Struct` or of protobuf's `ListValue`.
    fn json(&mut self, bytes: &[u8], depth: usize) -> Result<ArgValue, Fault> {
        self.count_value()?;
        self.json_kind(bytes, depth)
    }

    /// A `Value`. An empty one is null.
    fn json_kind(&mut self, bytes: &[u8], depth: usize) -> Result<ArgValue, Fault> {
        const NAME: &str = "google.protobuf.Value";
        let malformed = |error| Fault::malformed(NAME, error);
        let mut kind = ArgValue::Null;
        for field in Fields(bytes) {
            let field = field.map_err(malformed)?;
            kind = match (field.number, &field.wire) {
                (1, Wire::Varint(_)) => ArgValue::Null,
                (2, Wire::Fixed64(bits)) => ArgValue::Double(f64::from_bits(*bits)),
                (3, Wire::Bytes(_)) => ArgValue::String(field.text().map_err(malformed)?.into()),
                (4, Wire::Varint(truth)) => ArgValue::Bool(*truth != 0),
                (5, Wire::Bytes(bytes)) => self.map(NAME, bytes, depth, Self::json)?,
                (6, Wire::Bytes(bytes)) => self.list(NAME, bytes, depth, Self::json)?,
                (1..=6, _) => return Err(malformed(field.wrong())),
                _ => continue,
            };
        }
        Ok(kind)
    }

    fn count_value(&mut self) -> Result<(), Fault> {
        self.left = self.left.checked_sub(1).ok_or_else(|| Fault::new(too_many_values()))?;
        Ok(())
    }
}

fn check_depth(depth: usize) -> Result<(), Fault> {
    if depth >= MAX_DEPTH {
        return Err(Fault::new(format!(
            "lists and maps nest deeper than {MAX_DEPTH}, the most that is accepted"
        )));
    }
    Ok(())
}

fn too_many_values() -> String {
    format!("the request has more than {MAX_VALUES} values, the most that is accepted")
}

fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

fn message<M: Message + Default>(type_name: &str, bytes: &[u8]) -> Result<M, Fault> {
    M::decode(bytes).map_err(|error| Fault::malformed(type_name, error))
}

fn timestamp(type_name: &str, bytes: &[u8]) -> Result<Timestamp, Fault> {
    let time: Timestamp = message(type_name, bytes)?;
    if TIMESTAMP_SECONDS.contains(&time.seconds) && NANOS.contains(&time.nanos) {
        return Ok(time);
    }
    Err(Fault::new(format!(
        "{} s and {} ns are no timestamp; expected a time in the years 1 to 9999, and 0 to 999999999 ns",
        time.seconds, time.nanos
    )))
}

fn duration(type_name: &str, bytes: &[u8]) -> Result<Duration, Fault> {
    let length: Duration = message(type_name, bytes)?;
    let one_sign =
        (length.seconds >= 0 && length.nanos >= 0) || (length.seconds <= 0 && length.nanos <= 0);
    let nanos = -NANOS.end()..=*NANOS.end();
    if one_sign && DURATION_SECONDS.contains(&length.seconds) && nanos.contains(&length.nanos) {
        return Ok(length);
    }
    Err(Fault::new(format!(
        "{} s and {} ns are no duration; expected at most 10000 years, and less than 1 s of ns with the same sign",
        length.seconds, length.nanos
    )))
}

fn result_of(type_name: &str, bytes: &[u8]) -> Result<ArgValue, Fault> {
    let wanted: pb::ResultOf = message(type_name, bytes)?;
    let id = TaskId::parse(&wanted.task_id, ".task_id").map_err(|mut error| {
        let why = error.violations.pop().map_or(error.message, |violation| violation.description);
        Fault::new(why).within(".task_id")
    })?;
    Ok(ArgValue::ResultOf(id))
}

impl From<&ArgValue> for Any {
    /// Lists become `taskscheduler.ListValue`, maps `taskscheduler.MapValue`, null becomes `Empty`.
    fn from(value: &ArgValue) -> Self {
        match value {
            ArgValue::Null => pack("google.protobuf.Empty", &()),
            ArgValue::Bool(truth) => pack("google.protobuf.BoolValue", truth),
            ArgValue::Int32(number) => pack("google.protobuf.Int32Value", number),
            ArgValue::Int64(number) => pack("google.protobuf.Int64Value", number),
            ArgValue::UInt32(number) => pack("google.protobuf.UInt32Value", number),
            ArgValue::UInt64(number) => pack("google.protobuf.UInt64Value", number),
            ArgValue::Float(number) => pack("google.protobuf.FloatValue", number),
            ArgValue::Double(number) => pack("google.protobuf.DoubleValue", number),
            ArgValue::String(text) => pack("google.protobuf.StringValue", text),
            ArgValue::Bytes(bytes) => pack("google.protobuf.BytesValue", bytes),
            ArgValue::Timestamp(time) => pack("google.protobuf.Timestamp", time),
            ArgValue::Duration(length) => pack("google.protobuf.Duration", length),
            ArgValue::Array(values) => {
                let values = values.iter().map(Any::from).collect();
                pack("taskscheduler.ListValue", &pb::ListValue { values })
            }
            ArgValue::Map(fields) => {
                let fields =
                    fields.iter().map(|(key, value)| (key.clone(), Any::from(value))).collect();
                pack("taskscheduler.MapValue", &pb::MapValue { fields })
            }
            ArgValue::ResultOf(id) => {
                pack("taskscheduler.ResultOf", &pb::ResultOf { task_id: id.as_str().into() })
            }
        }
    }
}

fn pack(type_name: &str, message: &impl Message) -> Any {
    Any { type_url: format!("{HOST}/{type_name}"), value: message.encode_to_vec() }
}

#[cfg(test)]
mod tests;
