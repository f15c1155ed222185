//! The decoded form of an argument or a result.

use std::collections::BTreeMap;

use crate::models::TaskId;

/// One argument or result.
#[derive(Clone, Debug, PartialEq)]
pub enum ArgValue {
    /// Nothing: `Empty`, a null `Value`, what a body without a result returns.
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
    /// `MapValue` or `Struct`; sorted, so that equal maps are written alike.
    Map(BTreeMap<String, ArgValue>),
    /// Replaced by that dependency's result before the body sees it.
    ResultOf(TaskId),
}
