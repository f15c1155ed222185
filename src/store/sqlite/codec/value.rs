//! Arguments and results: a tag, then the content, with numbers as varints.
//!
//! Protobuf would take two messages for each level of nesting, and prost decodes at most 100
//! levels. Values are encoded in place, without a copy.

use std::collections::BTreeMap;

use prost::encoding::{decode_varint, encode_varint};

use super::Malformed;
use crate::models::{ArgValue, TaskId};

/// How many levels of nesting are decoded: more than the engine accepts, so that its limit can
/// grow.
const MAX_DEPTH: usize = 512;
/// The highest capacity that is reserved for an encoded count before its items are read.
const MAX_RESERVED: usize = 1 << 10;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT32: u8 = 3;
const INT64: u8 = 4;
const UINT32: u8 = 5;
const UINT64: u8 = 6;
const FLOAT: u8 = 7;
const DOUBLE: u8 = 8;
const STRING: u8 = 9;
const BYTES: u8 = 10;
const TIMESTAMP: u8 = 11;
const DURATION: u8 = 12;
const ARRAY: u8 = 13;
const MAP: u8 = 14;
const RESULT_OF: u8 = 15;

/// Appends values, one after the other.
pub(in super::super) fn write_values<'a>(
    values: impl IntoIterator<Item = &'a ArgValue>,
    out: &mut Vec<u8>,
) {
    for value in values {
        write(value, out);
    }
}

/// Decodes all values.
///
/// # Errors
/// [`Malformed`].
pub(in super::super) fn read_values(mut bytes: &[u8]) -> Result<Vec<ArgValue>, Malformed> {
    let mut values = Vec::new();
    while !bytes.is_empty() {
        values.push(read(&mut bytes, MAX_DEPTH)?);
    }
    Ok(values)
}

fn write(value: &ArgValue, out: &mut Vec<u8>) {
    match value {
        ArgValue::Null => out.push(NULL),
        ArgValue::Bool(false) => out.push(FALSE),
        ArgValue::Bool(true) => out.push(TRUE),
        ArgValue::Int32(number) => write_signed(INT32, i64::from(*number), out),
        ArgValue::Int64(number) => write_signed(INT64, *number, out),
        ArgValue::UInt32(number) => write_number(UINT32, u64::from(*number), out),
        ArgValue::UInt64(number) => write_number(UINT64, *number, out),
        ArgValue::Float(number) => {
            out.push(FLOAT);
            out.extend_from_slice(&number.to_bits().to_le_bytes());
        }
        ArgValue::Double(number) => {
            out.push(DOUBLE);
            out.extend_from_slice(&number.to_bits().to_le_bytes());
        }
        ArgValue::String(text) => write_bytes(STRING, text.as_bytes(), out),
        ArgValue::Bytes(bytes) => write_bytes(BYTES, bytes, out),
        ArgValue::Timestamp(time) => {
            write_signed(TIMESTAMP, time.seconds, out);
            encode_varint(zigzag(i64::from(time.nanos)), out);
        }
        ArgValue::Duration(length) => {
            write_signed(DURATION, length.seconds, out);
            encode_varint(zigzag(i64::from(length.nanos)), out);
        }
        ArgValue::Array(values) => {
            write_number(ARRAY, values.len() as u64, out);
            write_values(values, out);
        }
        ArgValue::Map(fields) => {
            write_number(MAP, fields.len() as u64, out);
            for (key, value) in fields {
                encode_varint(key.len() as u64, out);
                out.extend_from_slice(key.as_bytes());
                write(value, out);
            }
        }
        ArgValue::ResultOf(id) => write_bytes(RESULT_OF, id.as_str().as_bytes(), out),
    }
}

fn write_number(tag: u8, number: u64, out: &mut Vec<u8>) {
    out.push(tag);
    encode_varint(number, out);
}

fn write_signed(tag: u8, number: i64, out: &mut Vec<u8>) {
    write_number(tag, zigzag(number), out);
}

fn write_bytes(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    write_number(tag, bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn read(bytes: &mut &[u8], levels: usize) -> Result<ArgValue, Malformed> {
    let Some(levels) = levels.checked_sub(1) else {
        return Err(Malformed::Wrong("nested too deep"));
    };
    let [tag] = take(bytes)?;
    Ok(match tag {
        NULL => ArgValue::Null,
        FALSE => ArgValue::Bool(false),
        TRUE => ArgValue::Bool(true),
        INT32 => ArgValue::Int32(narrow(signed(bytes)?)?),
        INT64 => ArgValue::Int64(signed(bytes)?),
        UINT32 => ArgValue::UInt32(narrow(decode_varint(bytes)?)?),
        UINT64 => ArgValue::UInt64(decode_varint(bytes)?),
        FLOAT => ArgValue::Float(f32::from_bits(u32::from_le_bytes(take(bytes)?))),
        DOUBLE => ArgValue::Double(f64::from_bits(u64::from_le_bytes(take(bytes)?))),
        STRING => ArgValue::String(text(bytes)?.to_owned()),
        BYTES => ArgValue::Bytes(slice(bytes)?.to_vec()),
        TIMESTAMP => {
            let (seconds, nanos) = (signed(bytes)?, narrow(signed(bytes)?)?);
            ArgValue::Timestamp(prost_types::Timestamp { seconds, nanos })
        }
        DURATION => {
            let (seconds, nanos) = (signed(bytes)?, narrow(signed(bytes)?)?);
            ArgValue::Duration(prost_types::Duration { seconds, nanos })
        }
        ARRAY => {
            let count = count(bytes)?;
            let mut values = Vec::with_capacity(count.min(MAX_RESERVED));
            for _ in 0..count {
                values.push(read(bytes, levels)?);
            }
            ArgValue::Array(values)
        }
        MAP => {
            let mut fields = BTreeMap::new();
            for _ in 0..count(bytes)? {
                let key = text(bytes)?.to_owned();
                fields.insert(key, read(bytes, levels)?);
            }
            ArgValue::Map(fields)
        }
        RESULT_OF => {
            let id = TaskId::parse(text(bytes)?, "result_of");
            ArgValue::ResultOf(id.map_err(|_| Malformed::Wrong("invalid task id"))?)
        }
        _ => return Err(Malformed::Wrong("unknown kind of value")),
    })
}

const TRUNCATED: Malformed = Malformed::Wrong("truncated value");

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (first, rest) = bytes.split_first_chunk().ok_or(TRUNCATED)?;
    *bytes = rest;
    Ok(*first)
}

fn slice<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let length = count(bytes)?;
    let (first, rest) = bytes.split_at_checked(length).ok_or(TRUNCATED)?;
    *bytes = rest;
    Ok(first)
}

fn text<'a>(bytes: &mut &'a [u8]) -> Result<&'a str, Malformed> {
    std::str::from_utf8(slice(bytes)?).map_err(|_| Malformed::Wrong("text is not UTF-8"))
}

fn count(bytes: &mut &[u8]) -> Result<usize, Malformed> {
    narrow(decode_varint(bytes)?)
}

fn signed(bytes: &mut &[u8]) -> Result<i64, Malformed> {
    let number = decode_varint(bytes)?;
    Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

fn narrow<N, T: TryFrom<N>>(number: N) -> Result<T, Malformed> {
    T::try_from(number).map_err(|_| Malformed::Wrong("number out of range"))
}
