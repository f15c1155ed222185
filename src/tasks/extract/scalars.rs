//! Numbers, booleans, text, optional values and plain `ArgValue`s as parameters.

use std::fmt::Display;

use super::from_arg::{self, BadArgument, FromArg};
use crate::models::{ArgValue, Mismatch};

impl From<Mismatch> for BadArgument {
    fn from(mismatch: Mismatch) -> Self {
        Self::new(mismatch.to_string())
    }
}

/// Types that `ArgValue` converts into. To clone a scalar is cheap, so `check` is not overridden.
macro_rules! converted {
    ($($type:ty => $expects:literal),* $(,)?) => {$(
        impl FromArg for $type {
            fn expects() -> String {
                $expects.into()
            }

            fn from_arg(arg: ArgValue) -> Result<Self, BadArgument> {
                Ok(Self::try_from(arg)?)
            }
        }
    )*};
}

converted! {
    i8 => "integer of 8 bits",
    i16 => "integer of 16 bits",
    i32 => "integer of 32 bits",
    i64 => "integer of 64 bits",
    isize => "integer of 64 bits",
    u16 => "unsigned integer of 16 bits",
    u32 => "unsigned integer of 32 bits",
    u64 => "unsigned integer of 64 bits",
    usize => "unsigned integer of 64 bits",
    f32 => "number",
    f64 => "number",
    bool => "boolean",
}

impl FromArg for u8 {
    fn expects() -> String {
        "unsigned integer of 8 bits".into()
    }

    fn from_arg(arg: ArgValue) -> Result<Self, BadArgument> {
        let wrong = |got: &dyn Display| {
            BadArgument::new(format!("expected an integer from 0 to 255, got {got}"))
        };
        let kind = arg.kind_name();
        let wide = i64::try_from(arg).map_err(|_| wrong(&kind))?;
        Self::try_from(wide).map_err(|_| wrong(&wide))
    }

    fn list_from_bytes(bytes: Vec<u8>) -> Option<Vec<u8>> {
        Some(bytes)
    }
}

impl FromArg for String {
    fn expects() -> String {
        "text".into()
    }

    fn from_arg(arg: ArgValue) -> Result<Self, BadArgument> {
        Ok(Self::try_from(arg)?)
    }

    fn check(arg: &ArgValue) -> Result<(), BadArgument> {
        match arg {
            ArgValue::String(_) => Ok(()),
            other => Err(BadArgument::expected::<Self>(other)),
        }
    }
}

impl FromArg for ArgValue {
    fn expects() -> String {
        "anything".into()
    }

    fn from_arg(arg: ArgValue) -> Result<Self, BadArgument> {
        Ok(arg)
    }

    fn check(_: &ArgValue) -> Result<(), BadArgument> {
        Ok(())
    }
}

impl<T: FromArg> FromArg for Option<T> {
    fn expects() -> String {
        format!("{} or nothing", T::expects())
    }

    fn from_arg(arg: ArgValue) -> Result<Self, BadArgument> {
        match arg {
            ArgValue::Null => Ok(None),
            arg => T::from_arg(arg).map(Some),
        }
    }

    fn check(arg: &ArgValue) -> Result<(), BadArgument> {
        match arg {
            ArgValue::Null => Ok(()),
            arg => from_arg::check::<T>(arg),
        }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: FromArg + PartialEq + std::fmt::Debug>(
        arg: impl Into<ArgValue>,
        expected: Option<T>,
    ) {
        let arg = arg.into();
        assert_eq!(T::check(&arg).is_ok(), expected.is_some(), "check {arg:?} as {}", T::expects());
        assert_eq!(T::from_arg(arg.clone()).ok(), expected, "{arg:?} as {}", T::expects());
    }

    #[test]
    fn an_integer_is_accepted_from_any_type_if_it_fits() {
        check::<i8>(127_u64, Some(127));
        check::<i8>(128, None);
        check::<i16>(-40_000_i64, None);
        check::<i32>(3.0, Some(3));
        check::<i32>(3.5, None);
        check::<i32>(f64::NAN, None);
        check::<i64>(u64::MAX, None);
        check::<i64>(1e300, None);
        check::<isize>(-1, Some(-1));
        check::<u8>(255_i64, Some(255));
        check::<u8>(256, None);
        check::<u16>(-1, None);
        check::<u32>(7_i64, Some(7));
        check::<u64>(u64::MAX, Some(u64::MAX));
        check::<usize>("5", None);
        check::<i64>(true, None);
    }

    #[test]
    fn other_scalars_are_accepted_as_they_are() {
        check::<f64>(1_i32, Some(1.0));
        check::<f64>("1", None);
        check::<f32>(0.1_f64, Some(0.1));
        check::<f32>(1e300, None);
        check::<bool>(true, Some(true));
        check::<bool>(1, None);
        check::<String>("x", Some("x".to_owned()));
        check::<String>(1, None);
        check::<ArgValue>((), Some(ArgValue::Null));
        check::<Option<bool>>((), Some(None));
        check::<Option<bool>>(1, None);
    }
}
