//! A few values, and names that are never wrong.

use std::collections::{BTreeMap, HashMap};

use crate::error::Error;

#[derive(Clone, Debug, PartialEq)]
pub enum ArgValue {
    Null,
    Bool(bool),
    Int(i64),
    UInt32(u32),
    String(String),
    Array(Vec<ArgValue>),
    ResultOf(()),
}

impl ArgValue {
    pub fn kind_name(&self) -> &'static str {
        "value"
    }
}

impl From<bool> for ArgValue {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i64> for ArgValue {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<&str> for ArgValue {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for ArgValue {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl<T: Into<ArgValue>> From<Vec<T>> for ArgValue {
    fn from(values: Vec<T>) -> Self {
        Self::Array(values.into_iter().map(Into::into).collect())
    }
}

/// Only there for the impls to compile.
macro_rules! not_called {
    ($($type:ty),*) => {$(
        impl From<$type> for ArgValue {
            fn from(_: $type) -> Self {
                Self::Null
            }
        }
    )*};
}

not_called!((), i8, i16, i32, isize, u16, u32, u64, usize, f32, f64, Vec<u8>);

impl<T: Into<ArgValue>> From<BTreeMap<String, T>> for ArgValue {
    fn from(_: BTreeMap<String, T>) -> Self {
        Self::Null
    }
}

impl<T: Into<ArgValue>, S> From<HashMap<String, T, S>> for ArgValue {
    fn from(_: HashMap<String, T, S>) -> Self {
        Self::Null
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Durability {
    Durable,
    Ephemeral,
}

#[derive(Clone, Debug, PartialEq)]
pub struct QueueName(pub String);

impl QueueName {
    pub fn parse(name: &str, _field: &str) -> Result<Self, Error> {
        Ok(Self(name.into()))
    }
}
