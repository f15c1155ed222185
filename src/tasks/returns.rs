//! Converts what a task function returns into the result of the task.

use std::collections::{BTreeMap, HashMap};

use crate::models::ArgValue;
use crate::tasks::{HandlerResult, TaskError};

/// A type that a task can return.
///
/// For a type with a `Serialize` of its own, return [`Json<T>`](crate::tasks::Json) instead of
/// implementing this.
#[diagnostic::on_unimplemented(
    message = "a task cannot return `{Self}`",
    label = "no result can be made of `{Self}`",
    note = "a type that implements `serde::Serialize` is returned as `Json<…>`",
    note = "others are `()`, `bool`, numbers, `String`, `&'static str`, `Vec<T>`, `BTreeMap<String, T>`, `Option<T>`, `ArgValue`, and `Result<…, TaskError>` of these"
)]
pub trait IntoReturn {
    /// The result of the task.
    ///
    /// # Errors
    /// The error that the function returned, or that the value cannot be a result.
    fn into_return(self) -> HandlerResult;
}

impl<T: IntoReturn, E: Into<TaskError>> IntoReturn for Result<T, E> {
    fn into_return(self) -> HandlerResult {
        self.map_err(Into::into)?.into_return()
    }
}

/// Types that convert into `ArgValue`.
macro_rules! converted {
    ($($type:ty),* $(,)?) => {$(
        impl IntoReturn for $type {
            fn into_return(self) -> HandlerResult {
                Ok(self.into())
            }
        }
    )*};
}

converted! {
    (), bool, i8, i16, i32, i64, isize, u16, u32, u64, usize, f32, f64, String, &'static str, ArgValue,
}

/// Not by `From<u8>`, which `ArgValue` lacks so that `Vec<u8>` can be bytes.
impl IntoReturn for u8 {
    fn into_return(self) -> HandlerResult {
        Ok(ArgValue::UInt32(self.into()))
    }
}

/// A list; `Vec<u8>` is bytes.
impl<T> IntoReturn for Vec<T>
where
    ArgValue: From<Vec<T>>,
{
    fn into_return(self) -> HandlerResult {
        Ok(self.into())
    }
}

impl<T: Into<ArgValue>> IntoReturn for BTreeMap<String, T> {
    fn into_return(self) -> HandlerResult {
        Ok(self.into())
    }
}

impl<T: Into<ArgValue>, S> IntoReturn for HashMap<String, T, S> {
    fn into_return(self) -> HandlerResult {
        Ok(self.into())
    }
}

/// `Null`, or the value.
impl<T: IntoReturn> IntoReturn for Option<T> {
    fn into_return(self) -> HandlerResult {
        self.map_or(Ok(ArgValue::Null), T::into_return)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(returned: impl IntoReturn, expected: ArgValue) {
        assert_eq!(returned.into_return(), Ok(expected));
    }

    #[test]
    fn the_returned_value_becomes_the_result() {
        check((), ArgValue::Null);
        check(5_u8, ArgValue::UInt32(5));
        check(-5_i64, ArgValue::Int64(-5));
        check(0.5_f32, ArgValue::Float(0.5));
        check("pong", ArgValue::String("pong".into()));
        check(vec![1_u8, 2], ArgValue::Bytes(vec![1, 2]));
        check(vec!["a"], ArgValue::Array(vec!["a".into()]));
        check(None::<bool>, ArgValue::Null);
        check(Ok::<_, TaskError>(Some(true)), ArgValue::Bool(true));
    }

    #[test]
    fn an_error_keeps_its_message_and_its_disposition() {
        let refused = TaskError::permanent("no such account");
        assert_eq!(Err::<(), _>(refused.clone()).into_return(), Err(refused));
        let io = std::io::Error::other("disk full");
        assert_eq!(Err::<(), _>(io).into_return(), Err(TaskError::new("disk full")));
    }
}
