//! A few of the types that are `FromArg` in the main crate.

use super::from_arg::{BadArgument, FromArg};
use crate::models::ArgValue;
use crate::tasks::{HandlerResult, IntoReturn};

macro_rules! values {
    ($([$($generics:tt)*] $type:ty, $expects:literal, $pattern:pat => $value:expr;)*) => {$(
        impl<$($generics)*> FromArg for $type {
            fn expects() -> String {
                $expects.into()
            }

            fn from_arg(arg: ArgValue) -> Result<Self, BadArgument> {
                match arg {
                    $pattern => Ok($value),
                    #[allow(unreachable_patterns)]
                    other => Err(BadArgument::expected::<Self>(&other)),
                }
            }
        }
    )*};
}

values! {
    [] i64, "integer", ArgValue::Int(number) => number;
    [] bool, "boolean", ArgValue::Bool(truth) => truth;
    [] String, "text", ArgValue::String(text) => text;
    [] ArgValue, "anything", any => any;
    [T: FromArg] Vec<T>, "list", ArgValue::Array(values) => values.into_iter().flat_map(T::from_arg).collect();
    [T: Default] Json<T>, "JSON", _ => Json(T::default());
}

impl<T: FromArg> FromArg for Option<T> {
    fn expects() -> String {
        "maybe".into()
    }

    fn from_arg(arg: ArgValue) -> Result<Self, BadArgument> {
        T::from_arg(arg).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// Needs `Default` where the real one needs serde's traits.
pub struct Json<T>(pub T);

impl<T> IntoReturn for Json<T> {
    fn into_return(self) -> HandlerResult {
        Ok(ArgValue::Null)
    }
}
