//! Lists, bytes and maps as parameters.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use super::from_arg::{self, BadArgument, FromArg};
use crate::models::ArgValue;

/// A list; for `Vec<u8>` also bytes.
impl<T: FromArg> FromArg for Vec<T> {
    fn expects() -> String {
        match T::list_from_bytes(Vec::new()) {
            Some(_) => "bytes".into(),
            None => format!("list of {}", T::expects()),
        }
    }

    fn from_arg(arg: ArgValue) -> Result<Self, BadArgument> {
        match arg {
            ArgValue::Array(values) => {
                let values = values.into_iter().enumerate();
                values
                    .map(|(index, value)| T::from_arg(value).map_err(|bad| bad.in_element(index)))
                    .collect()
            }
            ArgValue::Bytes(bytes) => T::list_from_bytes(bytes)
                .ok_or_else(|| BadArgument::expected::<Self>(&ArgValue::Bytes(Vec::new()))),
            other => Err(BadArgument::expected::<Self>(&other)),
        }
    }

    fn check(arg: &ArgValue) -> Result<(), BadArgument> {
        match arg {
            ArgValue::Array(values) => values.iter().enumerate().try_for_each(|(index, value)| {
                from_arg::check::<T>(value).map_err(|bad| bad.in_element(index))
            }),
            ArgValue::Bytes(_) if T::list_from_bytes(Vec::new()).is_some() => Ok(()),
            other => Err(BadArgument::expected::<Self>(other)),
        }
    }
}

/// Both kinds of maps are converted alike.
macro_rules! map {
    ($map:ty, [$($generics:tt)*]) => {
        impl<T: FromArg, $($generics)*> FromArg for $map {
            fn expects() -> String {
                format!("map of {}", T::expects())
            }

            fn from_arg(arg: ArgValue) -> Result<Self, BadArgument> {
                let ArgValue::Map(entries) = arg else {
                    return Err(BadArgument::expected::<Self>(&arg));
                };
                let entries = entries.into_iter();
                entries
                    .map(|(key, value)| match T::from_arg(value) {
                        Ok(value) => Ok((key, value)),
                        Err(bad) => Err(bad.in_entry(&key)),
                    })
                    .collect()
            }

            fn check(arg: &ArgValue) -> Result<(), BadArgument> {
                let ArgValue::Map(entries) = arg else {
                    return Err(BadArgument::expected::<Self>(arg));
                };
                entries
                    .iter()
                    .try_for_each(|(key, value)| from_arg::check::<T>(value).map_err(|bad| bad.in_entry(key)))
            }
        }
    };
}

map!(BTreeMap<String, T>, []);
map!(HashMap<String, T, S>, [S: BuildHasher + Default]);

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: FromArg + PartialEq + std::fmt::Debug>(
        arg: impl Into<ArgValue>,
        expected: Result<T, &str>,
    ) {
        let arg = arg.into();
        let said = T::check(&arg).map_err(|bad| format!("{}: {}", bad.path(), bad.description()));
        let read = T::from_arg(arg).map_err(|bad| format!("{}: {}", bad.path(), bad.description()));
        assert_eq!(said.err(), expected.as_ref().err().map(ToString::to_string));
        assert_eq!(read, expected.map_err(ToOwned::to_owned));
    }

    #[test]
    fn a_list_of_u8_is_bytes_and_no_other_list_is() {
        check::<Vec<u8>>(vec![1_u8, 2], Ok(vec![1, 2]));
        check::<Vec<u8>>(vec![1, 255], Ok(vec![1, 255]));
        check::<Vec<u8>>(
            vec![1, 256],
            Err(".values[1]: expected an integer from 0 to 255, got 256"),
        );
        check::<Vec<u8>>("x", Err(": expected bytes, got text"));
        check::<Vec<i64>>(vec![1_u8, 2], Err(": expected list of integer of 64 bits, got bytes"));
    }

    #[test]
    fn a_map_is_converted_or_refused_with_the_bad_key() {
        let ages = || BTreeMap::from([("a".to_owned(), 1_i64), ("b".to_owned(), 300)]);
        check::<BTreeMap<String, i64>>(ages(), Ok(ages()));
        check::<HashMap<String, i64>>(ages(), Ok(ages().into_iter().collect()));
        check::<HashMap<String, u8>>(
            ages(),
            Err(".fields[\"b\"]: expected an integer from 0 to 255, got 300"),
        );
        check::<BTreeMap<String, i64>>(
            true,
            Err(": expected map of integer of 64 bits, got boolean"),
        );
    }
}
