//! From a task's arguments to a typed method's parameters.
//!
//! [`FromArg`] makes one value of one argument, [`FromArgs`] fills one parameter from the arguments
//! that are left. The attributes' expansion goes through the parameters twice: with an
//! [`ArgumentCheck`] before the task is accepted, with [`Arguments`] when its body starts.
//!
//! | parameter | argument |
//! |---|---|
//! | `i8` … `i64`, `u8` … `u64`, `isize`, `usize` | any integer that fits, however wide it was sent; a number without a fraction, since JSON has no other |
//! | `f64`, `f32` | a number |
//! | `bool`, `String` | that |
//! | `Vec<u8>` | bytes, or a list of integers from 0 to 255 |
//! | `Vec<T>` | a list |
//! | `BTreeMap<String, T>`, `HashMap<String, T>` | a map |
//! | `Option<T>` | nothing, or `T`; may be left out at the end |
//! | `Rest<T>` | all that is left |
//! | `Json<T>` | whatever `T`'s `Deserialize` takes |
//! | `prost_types::Timestamp`, `SystemTime` | a timestamp, or RFC 3339 text |
//! | `prost_types::Duration`, `std::time::Duration` | a duration, or text like `1.5s` |
//! | `ArgValue` | anything |
//!
//! What each scalar takes is decided by `ArgValue`'s `TryFrom`; this module adds lists of parameters,
//! lenience where JSON has no type, and the argument's place in each error.

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
