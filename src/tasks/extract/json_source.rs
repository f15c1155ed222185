//! A serde deserializer over `ArgValue`.
//!
//! A detour through `serde_json` would copy every text, lose the place of an error and refuse the doubles
//! that protobuf's `Struct` has for integers.

use std::collections::btree_map;
use std::fmt;
use std::slice;

use serde::de::value::{BorrowedStrDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer as _, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};

use super::from_arg::BadArgument;
use crate::models::ArgValue;

/// The deserializer.
pub(super) struct Source<'de>(pub(super) &'de ArgValue);

/// serde's trait requires its own error type.
#[derive(Debug)]
pub(super) struct Refused(BadArgument);

impl From<Refused> for BadArgument {
    fn from(refused: Refused) -> Self {
        refused.0
    }
}

impl de::Error for Refused {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(BadArgument::new(message.to_string()))
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {expected}, got {found}"))
    }
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.path(), self.0.description())
    }
}

impl<'de> Deserializer<'de> for Source<'de> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.0 {
            ArgValue::Null => visitor.visit_unit(),
            ArgValue::Bool(truth) => visitor.visit_bool(*truth),
            ArgValue::Int32(number) => visitor.visit_i32(*number),
            ArgValue::Int64(number) => visitor.visit_i64(*number),
            ArgValue::UInt32(number) => visitor.visit_u32(*number),
            ArgValue::UInt64(number) => visitor.visit_u64(*number),
            // A float without a fraction may be an integer sent as protobuf's `Value`, and a field of type
            // float accepts an integer, too.
            ArgValue::Float(number) => match i64::try_from(self.0.clone()) {
                Ok(whole) => visitor.visit_i64(whole),
                Err(_) => visitor.visit_f32(*number),
            },
            ArgValue::Double(number) => match i64::try_from(self.0.clone()) {
                Ok(whole) => visitor.visit_i64(whole),
                Err(_) => visitor.visit_f64(*number),
            },
            ArgValue::String(text) => visitor.visit_borrowed_str(text),
            // In JSON both are text.
            other @ (ArgValue::Bytes(_) | ArgValue::Timestamp(_) | ArgValue::Duration(_)) => {
                visitor.visit_string(other.to_string())
            }
            ArgValue::Array(values) => {
                visitor.visit_seq(Elements { values: values.iter(), next: 0 })
            }
            ArgValue::Map(entries) => {
                visitor.visit_map(Entries { entries: entries.iter(), current: None })
            }
            ArgValue::ResultOf(id) => {
                Err(de::Error::custom(format_args!("the result of task {id} is not known yet")))
            }
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.0 {
            ArgValue::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.0 {
            ArgValue::Bytes(bytes) => {
                visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied()))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.0 {
            ArgValue::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        match self.0 {
            ArgValue::String(variant) => visitor.visit_enum(BorrowedStrDeserializer::new(variant)),
            ArgValue::Map(entries) if entries.len() == 1 => match entries.first_key_value() {
                Some((variant, content)) => visitor.visit_enum(Variant { variant, content }),
                None => self.deserialize_any(visitor),
            },
            other => Err(de::Error::custom(format_args!(
                "expected a variant's name or a map of one entry, got {}",
                other.kind_name()
            ))),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string unit unit_struct map struct identifier ignored_any
    }
}

struct Elements<'de> {
    values: slice::Iter<'de, ArgValue>,
    next: usize,
}

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refused> {
        let Some(value) = self.values.next() else {
            return Ok(None);
        };
        let index = self.next;
        self.next += 1;
        seed.deserialize(Source(value))
            .map(Some)
            .map_err(|Refused(bad)| Refused(bad.in_element(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.values.len())
    }
}

struct Entries<'de> {
    entries: btree_map::Iter<'de, String, ArgValue>,
    current: Option<(&'de str, &'de ArgValue)>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refused> {
        self.current = self.entries.next().map(|(key, value)| (key.as_str(), value));
        match self.current {
            Some((key, _)) => seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        let (key, value) = self
            .current
            .ok_or_else(|| de::Error::custom("a value was asked for before its key"))?;
        seed.deserialize(Source(value)).map_err(|Refused(bad)| Refused(bad.in_entry(key)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// `{"variant": content}`.
struct Variant<'de> {
    variant: &'de str,
    content: &'de ArgValue,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Refused;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Refused> {
        let name: StrDeserializer<'_, Refused> = self.variant.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> Variant<'de> {
    fn content<T>(
        &self,
        read: impl FnOnce(Source<'de>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        read(Source(self.content)).map_err(|Refused(bad)| Refused(bad.in_entry(self.variant)))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Refused;

    fn unit_variant(self) -> Result<(), Refused> {
        self.content(de::Deserialize::deserialize)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Refused> {
        self.content(|source| seed.deserialize(source))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Refused> {
        self.content(|source| source.deserialize_seq(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.content(|source| source.deserialize_any(visitor))
    }
}
