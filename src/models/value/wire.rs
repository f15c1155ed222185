//! Reads a protobuf message in place, field by field, without copying or allocating.
//!
//! Nested arguments are read with this instead of being decoded as a whole, so that the limits apply before
//! memory is allocated: a list of two-byte elements would grow twentyfold first.

use std::str::Utf8Error;

use prost::encoding::{WireType, decode_key, decode_varint};

/// Why bytes are not a message of the expected type.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error(transparent)]
    Prost(#[from] prost::DecodeError),
    #[error("it ends in the middle of field {0}")]
    Truncated(u32),
    #[error("field {0} has wire type {1:?}")]
    WrongWireType(u32, WireType),
    #[error("field {0} is no text: {1}")]
    NotUtf8(u32, Utf8Error),
}

/// The content of a field on the wire.
pub(super) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

/// A field's number and content.
pub(super) struct Field<'a> {
    pub(super) number: u32,
    pub(super) wire: Wire<'a>,
}

impl<'a> Field<'a> {
    /// The content of a `bytes` or message field.
    pub(super) fn bytes(&self) -> Result<&'a [u8], Malformed> {
        match self.wire {
            Wire::Bytes(bytes) => Ok(bytes),
            _ => Err(self.wrong()),
        }
    }

    /// The content of a `string` field.
    pub(super) fn text(&self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|error| Malformed::NotUtf8(self.number, error))
    }

    /// The error that the field has another wire type than its number requires.
    pub(super) fn wrong(&self) -> Malformed {
        let wire_type = match self.wire {
            Wire::Varint(_) => WireType::Varint,
            Wire::Fixed64(_) => WireType::SixtyFourBit,
            Wire::Bytes(_) => WireType::LengthDelimited,
            Wire::Fixed32 => WireType::ThirtyTwoBit,
        };
        Malformed::WrongWireType(self.number, wire_type)
    }
}

/// The fields of a message, in their order on the wire. Ends after an error.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn read(&mut self) -> Result<Field<'a>, Malformed> {
        let (number, wire_type) = decode_key(&mut self.0)?;
        let wire = match wire_type {
            WireType::Varint => Wire::Varint(decode_varint(&mut self.0)?),
            WireType::SixtyFourBit => {
                let (bits, rest) =
                    self.0.split_first_chunk().ok_or(Malformed::Truncated(number))?;
                self.0 = rest;
                Wire::Fixed64(u64::from_le_bytes(*bits))
            }
            WireType::LengthDelimited => {
                let length = decode_varint(&mut self.0)?;
                let (bytes, rest) = usize::try_from(length)
                    .ok()
                    .and_then(|length| self.0.split_at_checked(length))
                    .ok_or(Malformed::Truncated(number))?;
                self.0 = rest;
                Wire::Bytes(bytes)
            }
            WireType::ThirtyTwoBit => {
                self.0 = self.0.get(4..).ok_or(Malformed::Truncated(number))?;
                Wire::Fixed32
            }
            // Groups: proto3 has none.
            other => return Err(Malformed::WrongWireType(number, other)),
        };
        Ok(Field { number, wire })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}
