//! Converts the arguments of a task into the parameters of a typed method.
//!
//! [`FromArg`] converts one argument into one value; [`FromArgs`] fills one parameter from the remaining
//! arguments. The expansion of the attributes visits the parameters twice: with an [`ArgumentCheck`]
//! before the task is accepted, with [`Arguments`] when its handler starts.
//!
//! | parameter | argument |
//! |---|---|
//! | `i8` … `i64`, `u8` … `u64`, `isize`, `usize` | any integer type whose value fits; a number without a fraction, because JSON has no integers |
//! | `f64`, `f32` | a number |
//! | `bool`, `String` | the same |
//! | `Vec<u8>` | bytes, or a list of integers from 0 to 255 |
//! | `Vec<T>` | a list |
//! | `BTreeMap<String, T>`, `HashMap<String, T>` | a map |
//! | `Option<T>` | nothing, or `T`; may be left out at the end |
//! | `Rest<T>` | all remaining arguments |
//! | `Json<T>` | what `T`'s `Deserialize` accepts |
//! | `prost_types::Timestamp`, `SystemTime` | a timestamp, or RFC 3339 text |
//! | `prost_types::Duration`, `std::time::Duration` | a duration, or text like `1.5s` |
//! | `ArgValue` | anything |
//!
//! `ArgValue`'s `TryFrom` decides what a scalar accepts. This module adds lists of parameters, conversions
//! for types that JSON lacks, and the place of the argument in each error.

mod arguments;
mod collections;
mod from_arg;
mod json;
mod json_source;
mod scalars;
mod times;

pub use arguments::{ArgumentCheck, Arguments, FromArgs, Rest};
pub use from_arg::{BadArgument, FromArg};
pub use json::Json;
