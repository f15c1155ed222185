//! [`ArgValue`] to and from Rust types.
//!
//! The value matters, not the type in which it was sent: a Rust integer accepts every integer that fits,
//! and a number without a fraction (protobuf's `Value` has no integers). `Vec<u8>` is bytes, never a list of
//! integers; that is why `u8` alone does not convert.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::ArgValue;
use super::wrappers::{DURATION_SECONDS, TIMESTAMP_SECONDS};

/// An error: a value cannot be converted to a Rust type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}expected {expected}, got {got}")]
pub struct Mismatch {
    /// The path within a list or a map: `.values[3]: `; empty for the value itself.
    place: String,
    expected: String,
    got: String,
}

impl Mismatch {
    fn new(expected: impl Into<String>, got: &ArgValue) -> Self {
        Self { place: String::new(), expected: expected.into(), got: got.kind_name().into() }
    }

    fn within(mut self, step: &str) -> Self {
        if self.place.is_empty() {
            self.place.push_str(": ");
        }
        self.place.insert_str(0, step);
        self
    }
}

/// 2⁵³: a double represents every integer up to it exactly.
const EXACT_IN_DOUBLE: f64 = 9_007_199_254_740_992.0;

fn integer(value: &ArgValue) -> Option<i128> {
    let whole = |number: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
        (number.fract() == 0.0 && number.abs() <= EXACT_IN_DOUBLE).then_some(number as i128)
    };
    match *value {
        ArgValue::Int32(number) => Some(number.into()),
        ArgValue::Int64(number) => Some(number.into()),
        ArgValue::UInt32(number) => Some(number.into()),
        ArgValue::UInt64(number) => Some(number.into()),
        ArgValue::Float(number) => whole(number.into()),
        ArgValue::Double(number) => whole(number),
        _ => None,
    }
}

macro_rules! integers {
    ($($type:ty => $variant:ident),* $(,)?) => {$(
        impl From<$type> for ArgValue {
            fn from(number: $type) -> Self {
                // `usize` and `isize` are at most 64 bits wide; the rest widen.
                Self::$variant(number as _)
            }
        }

        impl TryFrom<ArgValue> for $type {
            type Error = Mismatch;

            fn try_from(value: ArgValue) -> Result<Self, Mismatch> {
                integer(&value).and_then(|number| Self::try_from(number).ok()).ok_or_else(|| {
                    let expected = format!("an integer from {} to {}", Self::MIN, Self::MAX);
                    let mut mismatch = Mismatch::new(expected, &value);
                    if integer(&value).is_some() || value.kind_name() == "number" {
                        mismatch.got = value.to_string();
                    }
                    mismatch
                })
            }
        }
    )*};
}

integers! {
    i8 => Int32, i16 => Int32, i32 => Int32, i64 => Int64, isize => Int64,
    u16 => UInt32, u32 => UInt32, u64 => UInt64, usize => UInt64,
}

/// Converts the content of a variant, unchanged.
macro_rules! as_is {
    ($($type:ty => $variant:ident, $expected:literal);* $(;)?) => {$(
        impl From<$type> for ArgValue {
            fn from(value: $type) -> Self {
                Self::$variant(value)
            }
        }

        impl TryFrom<ArgValue> for $type {
            type Error = Mismatch;

            fn try_from(value: ArgValue) -> Result<Self, Mismatch> {
                match value {
                    ArgValue::$variant(value) => Ok(value),
                    other => Err(Mismatch::new($expected, &other)),
                }
            }
        }
    )*};
}

as_is! {
    bool => Bool, "a boolean";
    String => String, "text";
    Vec<u8> => Bytes, "bytes";
    prost_types::Timestamp => Timestamp, "a timestamp";
    prost_types::Duration => Duration, "a duration";
}

impl From<()> for ArgValue {
    fn from((): ()) -> Self {
        Self::Null
    }
}

impl From<&str> for ArgValue {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<f32> for ArgValue {
    fn from(number: f32) -> Self {
        Self::Float(number)
    }
}

impl From<f64> for ArgValue {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl TryFrom<ArgValue> for f64 {
    type Error = Mismatch;

    /// Accepts integers up to 2⁵³, which a double represents exactly.
    fn try_from(value: ArgValue) -> Result<Self, Mismatch> {
        match value {
            ArgValue::Double(number) => Ok(number),
            ArgValue::Float(number) => Ok(number.into()),
            #[expect(clippy::cast_precision_loss, reason = "checked to be exact")]
            ref other => match integer(other) {
                Some(number) if number.unsigned_abs() <= 1 << 53 => Ok(number as f64),
                Some(number) => Err(Mismatch {
                    got: number.to_string(),
                    ..Mismatch::new("a number that a double can hold", other)
                }),
                None => Err(Mismatch::new("a number", other)),
            },
        }
    }
}

impl TryFrom<ArgValue> for f32 {
    type Error = Mismatch;

    /// Rounds a double to the nearest float; one that is out of range is an error.
    fn try_from(value: ArgValue) -> Result<Self, Mismatch> {
        let number = f64::try_from(value)?;
        #[expect(clippy::cast_possible_truncation, reason = "rounding is intended")]
        let rounded = number as f32;
        if number.is_finite() && rounded.is_infinite() {
            return Err(Mismatch {
                got: number.to_string(),
                ..Mismatch::new("a number that a float can hold", &ArgValue::Double(number))
            });
        }
        Ok(rounded)
    }
}

impl TryFrom<ArgValue> for () {
    type Error = Mismatch;

    fn try_from(value: ArgValue) -> Result<Self, Mismatch> {
        match value {
            ArgValue::Null => Ok(()),
            other => Err(Mismatch::new("nothing", &other)),
        }
    }
}

impl From<Duration> for ArgValue {
    /// Saturates at 10,000 years, protobuf's limit.
    fn from(length: Duration) -> Self {
        let longest = Duration::from_secs(DURATION_SECONDS.end().unsigned_abs());
        let length = length.min(longest);
        Self::Duration(prost_types::Duration {
            seconds: length.as_secs().cast_signed(),
            nanos: length.subsec_nanos().cast_signed(),
        })
    }
}

impl TryFrom<ArgValue> for Duration {
    type Error = Mismatch;

    fn try_from(value: ArgValue) -> Result<Self, Mismatch> {
        let length = prost_types::Duration::try_from(value)?;
        let got = ArgValue::Duration(length);
        Self::try_from(length).map_err(|_| Mismatch {
            got: got.to_string(),
            ..Mismatch::new("a duration that is not negative", &got)
        })
    }
}

impl From<SystemTime> for ArgValue {
    /// Saturates at the years 1 and 9999, protobuf's limits.
    fn from(time: SystemTime) -> Self {
        let (earliest, latest) = TIMESTAMP_SECONDS.into_inner();
        let since_earliest = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Duration::from_secs(earliest.unsigned_abs()).saturating_add(after),
            Err(before) => {
                Duration::from_secs(earliest.unsigned_abs()).saturating_sub(before.duration())
            }
        };
        let whole = Duration::from_secs((latest - earliest).unsigned_abs())
            + Duration::from_nanos(999_999_999);
        let since_earliest = since_earliest.min(whole);
        Self::Timestamp(prost_types::Timestamp {
            seconds: since_earliest.as_secs().cast_signed() + earliest,
            nanos: since_earliest.subsec_nanos().cast_signed(),
        })
    }
}

impl TryFrom<ArgValue> for SystemTime {
    type Error = Mismatch;

    fn try_from(value: ArgValue) -> Result<Self, Mismatch> {
        let time = prost_types::Timestamp::try_from(value)?;
        Self::try_from(time).map_err(|_| {
            Mismatch::new("a timestamp that this machine can hold", &ArgValue::Timestamp(time))
        })
    }
}

impl<T: Into<ArgValue>> From<Option<T>> for ArgValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<ArgValue>> From<Vec<T>> for ArgValue {
    fn from(values: Vec<T>) -> Self {
        Self::Array(values.into_iter().map(Into::into).collect())
    }
}

impl<T: TryFrom<ArgValue, Error = Mismatch>> TryFrom<ArgValue> for Vec<T> {
    type Error = Mismatch;

    fn try_from(value: ArgValue) -> Result<Self, Mismatch> {
        let ArgValue::Array(values) = value else {
            return Err(Mismatch::new("a list", &value));
        };
        let elements = values.into_iter().enumerate();
        elements
            .map(|(index, value)| {
                T::try_from(value).map_err(|error| error.within(&format!(".values[{index}]")))
            })
            .collect()
    }
}

impl<T: Into<ArgValue>> From<BTreeMap<String, T>> for ArgValue {
    fn from(fields: BTreeMap<String, T>) -> Self {
        Self::Map(fields.into_iter().map(|(key, value)| (key, value.into())).collect())
    }
}

impl<T: Into<ArgValue>, S> From<HashMap<String, T, S>> for ArgValue {
    fn from(fields: HashMap<String, T, S>) -> Self {
        Self::Map(fields.into_iter().map(|(key, value)| (key, value.into())).collect())
    }
}

impl<T: TryFrom<ArgValue, Error = Mismatch>> TryFrom<ArgValue> for BTreeMap<String, T> {
    type Error = Mismatch;

    fn try_from(value: ArgValue) -> Result<Self, Mismatch> {
        fields(value)
    }
}

impl<T, S> TryFrom<ArgValue> for HashMap<String, T, S>
where
    T: TryFrom<ArgValue, Error = Mismatch>,
    S: BuildHasher + Default,
{
    type Error = Mismatch;

    fn try_from(value: ArgValue) -> Result<Self, Mismatch> {
        fields(value)
    }
}

fn fields<T, M>(value: ArgValue) -> Result<M, Mismatch>
where
    T: TryFrom<ArgValue, Error = Mismatch>,
    M: FromIterator<(String, T)>,
{
    let ArgValue::Map(fields) = value else {
        return Err(Mismatch::new("a map", &value));
    };
    let entries = fields.into_iter();
    entries
        .map(|(key, value)| match T::try_from(value) {
            Ok(value) => Ok((key, value)),
            Err(error) => Err(error.within(&format!(".fields[{key:?}]"))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    fn takes<T>(value: impl Into<ArgValue>, expected: T)
    where
        T: TryFrom<ArgValue, Error = Mismatch> + PartialEq + Debug,
    {
        assert_eq!(T::try_from(value.into()), Ok(expected));
    }

    fn refuses<T>(value: impl Into<ArgValue>, why: &str)
    where
        T: TryFrom<ArgValue, Error = Mismatch> + PartialEq + Debug,
    {
        assert_eq!(T::try_from(value.into()).map_err(|error| error.to_string()), Err(why.into()));
    }

    #[test]
    fn rust_types_convert_to_a_value_and_back() {
        takes((), ());
        takes(true, true);
        takes(i8::MIN, i8::MIN);
        takes(u64::MAX, u64::MAX);
        takes(usize::MAX, usize::MAX);
        takes(f32::MAX, f32::MAX);
        takes(0.1, 0.1);
        takes("é", "é".to_owned());
        takes(vec![1u8, 2], vec![1u8, 2]);
        takes(vec![1, 2], vec![1, 2]);
        takes(Duration::new(1, 5), Duration::new(1, 5));
        takes(UNIX_EPOCH - Duration::new(1, 5), UNIX_EPOCH - Duration::new(1, 5));
        takes(UNIX_EPOCH + Duration::new(1, 5), UNIX_EPOCH + Duration::new(1, 5));
        let fields = BTreeMap::from([("a".to_owned(), vec![1i64])]);
        takes(fields.clone(), fields.clone());
        takes(fields.clone(), fields.into_iter().collect::<HashMap<_, _>>());
        assert_eq!(ArgValue::from(Some(1)), ArgValue::Int32(1));
        assert_eq!(ArgValue::from(None::<i32>), ArgValue::Null);
    }

    #[test]
    fn numbers_convert_if_their_value_fits() {
        takes(5u64, 5i8);
        takes(5.0, 5i32);
        takes(-5.0f32, -5i64);
        takes(5, 5.0f64);
        takes(0.1f64, 0.1f32);
        takes(f64::INFINITY, f32::INFINITY);
        refuses::<i8>(128, "expected an integer from -128 to 127, got 128");
        refuses::<u32>(-1, "expected an integer from 0 to 4294967295, got -1");
        refuses::<i32>(5.5, "expected an integer from -2147483648 to 2147483647, got 5.5");
        refuses::<i16>(f64::NAN, "expected an integer from -32768 to 32767, got NaN");
        refuses::<i16>("5", "expected an integer from -32768 to 32767, got text");
        refuses::<f64>(
            (1i64 << 53) + 1,
            "expected a number that a double can hold, got 9007199254740993",
        );
        refuses::<f64>(true, "expected a number, got boolean");
        let max = f64::MAX.to_string();
        refuses::<f32>(f64::MAX, &format!("expected a number that a float can hold, got {max}"));
    }

    #[test]
    fn a_mismatch_names_the_path() {
        refuses::<Vec<i32>>("a", "expected a list, got text");
        refuses::<Vec<String>>(
            vec![ArgValue::from("a"), 1.into()],
            ".values[1]: expected text, got integer",
        );
        refuses::<BTreeMap<String, Vec<bool>>>(
            BTreeMap::from([("x".to_owned(), vec![()])]),
            r#".fields["x"].values[0]: expected a boolean, got nothing"#,
        );
        refuses::<Vec<u8>>(vec![1, 2], "expected bytes, got list");
        refuses::<Duration>(
            prost_types::Duration { seconds: -1, nanos: 0 },
            "expected a duration that is not negative, got -1s",
        );
    }

    #[test]
    fn times_beyond_protobufs_limits_saturate() {
        let longest = prost_types::Duration { seconds: *DURATION_SECONDS.end(), nanos: 0 };
        assert_eq!(ArgValue::from(Duration::MAX), ArgValue::Duration(longest));
        let century = Duration::from_secs(100 * 365 * 24 * 3600);
        let latest =
            prost_types::Timestamp { seconds: *TIMESTAMP_SECONDS.end(), nanos: 999_999_999 };
        assert_eq!(ArgValue::from(UNIX_EPOCH + century * 100), ArgValue::Timestamp(latest));
        let earliest = prost_types::Timestamp { seconds: *TIMESTAMP_SECONDS.start(), nanos: 0 };
        assert_eq!(ArgValue::from(UNIX_EPOCH - century * 20), ArgValue::Timestamp(earliest));
    }
}
