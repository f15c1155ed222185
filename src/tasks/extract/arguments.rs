//! Fills the parameters of a task from its arguments, one by one.

use std::slice;
use std::vec;

use super::from_arg::{self, BadArgument, FromArg};
use crate::error::Error;
use crate::models::ArgValue;
use crate::tasks::{Parameter, TaskError};

/// All remaining arguments: the last parameter of a task with any number of arguments.
///
/// ```ignore
/// #[sync_task]
/// fn total(Rest(prices): Rest<f64>) -> f64 {
///     prices.iter().sum()
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rest<T>(pub Vec<T>);

/// Fills one parameter from the remaining arguments. Implemented for every [`FromArg`], which takes one
/// argument, and for [`Rest`], which takes all.
#[diagnostic::on_unimplemented(
    message = "a task cannot take `{Self}`",
    label = "no argument becomes `{Self}`",
    note = "a type that implements `serde::Deserialize` is taken as `Json<…>`",
    note = "others are `bool`, integers, `f64`, `String`, `Vec<T>`, `BTreeMap<String, T>`, `Option<T>`, `Rest<T>` at the end, `ArgValue`, timestamps and durations"
)]
pub trait FromArgs: Sized {
    /// The description of the parameter, for listings of methods.
    fn describe(name: &'static str) -> Parameter;

    /// Checks the arguments of the parameter and moves past them.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with the argument that is missing or does not fit.
    fn check(name: &str, args: &mut ArgumentCheck<'_>) -> Result<(), Error>;

    /// Converts the arguments of the parameter.
    ///
    /// # Errors
    /// A permanent error with the same message: a retry has the same arguments.
    fn take(name: &str, args: &mut Arguments) -> Result<Self, TaskError>;
}

/// The arguments of a task, to check before it is accepted.
#[derive(Debug)]
pub struct ArgumentCheck<'a> {
    left: slice::Iter<'a, ArgValue>,
    taken: usize,
}

impl<'a> ArgumentCheck<'a> {
    /// At the first argument.
    pub fn new(args: &'a [ArgValue]) -> Self {
        Self { left: args.iter(), taken: 0 }
    }

    /// Ends after the last parameter.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when arguments remain.
    pub fn end(self) -> Result<(), Error> {
        if self.left.len() == 0 { Ok(()) } else { Err(too_many(self.taken, self.left.len())) }
    }

    fn next(&mut self) -> Option<(usize, &'a ArgValue)> {
        let arg = self.left.next()?;
        self.taken += 1;
        Some((self.taken - 1, arg))
    }
}

/// The arguments of a task, to convert when its handler starts.
#[derive(Debug)]
pub struct Arguments {
    left: vec::IntoIter<ArgValue>,
    taken: usize,
}

impl Arguments {
    /// At the first argument.
    pub fn new(args: Vec<ArgValue>) -> Self {
        Self { left: args.into_iter(), taken: 0 }
    }

    /// Ends after the last parameter.
    ///
    /// # Errors
    /// A permanent error when arguments remain.
    pub fn end(self) -> Result<(), TaskError> {
        if self.left.len() == 0 {
            Ok(())
        } else {
            Err(permanent(too_many(self.taken, self.left.len())))
        }
    }

    fn next(&mut self) -> Option<(usize, ArgValue)> {
        let arg = self.left.next()?;
        self.taken += 1;
        Some((self.taken - 1, arg))
    }
}

impl<T: FromArg> FromArgs for T {
    fn describe(name: &'static str) -> Parameter {
        Parameter { name, expects: T::expects(), optional: T::absent().is_some(), rest: false }
    }

    fn check(name: &str, args: &mut ArgumentCheck<'_>) -> Result<(), Error> {
        match args.next() {
            Some((index, arg)) => {
                from_arg::check::<T>(arg).map_err(|bad| refusal(index, name, &bad))
            }
            None if T::absent().is_some() => Ok(()),
            None => Err(missing::<T>(args.taken, name)),
        }
    }

    fn take(name: &str, args: &mut Arguments) -> Result<Self, TaskError> {
        match args.next() {
            Some((index, arg)) => {
                T::from_arg(arg).map_err(|bad| permanent(refusal(index, name, &bad)))
            }
            None => T::absent().ok_or_else(|| permanent(missing::<T>(args.taken, name))),
        }
    }
}

impl<T: FromArg> FromArgs for Rest<T> {
    fn describe(name: &'static str) -> Parameter {
        Parameter { name, expects: T::expects(), optional: true, rest: true }
    }

    fn check(name: &str, args: &mut ArgumentCheck<'_>) -> Result<(), Error> {
        while let Some((index, arg)) = args.next() {
            from_arg::check::<T>(arg).map_err(|bad| refusal(index, name, &bad))?;
        }
        Ok(())
    }

    fn take(name: &str, args: &mut Arguments) -> Result<Self, TaskError> {
        let mut values = Vec::with_capacity(args.left.len());
        while let Some((index, arg)) = args.next() {
            values.push(T::from_arg(arg).map_err(|bad| permanent(refusal(index, name, &bad)))?);
        }
        Ok(Self(values))
    }
}

fn refusal(index: usize, name: &str, bad: &BadArgument) -> Error {
    Error::invalid(
        format!("args[{index}]{}", bad.path()),
        format!("{} (parameter `{name}`)", bad.description()),
    )
}

fn missing<T: FromArg>(index: usize, name: &str) -> Error {
    let description = format!("missing; expected {} (parameter `{name}`)", T::expects());
    Error::invalid(format!("args[{index}]"), description)
}

fn too_many(accepted: usize, left: usize) -> Error {
    let given = accepted + left;
    let description = match accepted {
        0 => format!("no arguments are accepted, got {given}"),
        1 => format!("at most 1 argument is accepted, got {given}"),
        _ => format!("at most {accepted} arguments are accepted, got {given}"),
    };
    Error::invalid(format!("args[{accepted}]"), description)
}

/// Explicit, because `?` would convert an `Error` into a `TaskError` with a retry.
fn permanent(error: Error) -> TaskError {
    TaskError::permanent(error.message)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Checks and converts, which must agree. Returns the message of the refusal.
    fn fill<T: FromArgs>(args: &[ArgValue]) -> Result<T, String> {
        let mut checked = ArgumentCheck::new(args);
        let check = T::check("p", &mut checked).and_then(|()| checked.end());
        let mut taken = Arguments::new(args.to_vec());
        let value = T::take("p", &mut taken).and_then(|value| taken.end().map(|()| value));
        assert_eq!(
            check.err().map(|error| error.message),
            value.as_ref().err().map(ToString::to_string)
        );
        value.map_err(|error| error.to_string())
    }

    #[test]
    fn a_refusal_has_the_place_of_the_argument() {
        let list: ArgValue = vec![ArgValue::from(1), "two".into()].into();
        assert_eq!(
            fill::<Vec<i32>>(&[list]).unwrap_err(),
            "args[0].values[1]: expected an integer from -2147483648 to 2147483647, got text (parameter `p`)"
        );
        let people: Vec<BTreeMap<String, ArgValue>> =
            vec![[("name".to_owned(), true.into())].into()];
        assert_eq!(
            fill::<Rest<Vec<BTreeMap<String, String>>>>(&[ArgValue::Array(vec![]), people.into()])
                .unwrap_err(),
            "args[1].values[0].fields[\"name\"]: expected text, got boolean (parameter `p`)"
        );
        let odd: BTreeMap<String, ArgValue> = [("a key".to_owned(), ArgValue::Null)].into();
        assert_eq!(
            fill::<BTreeMap<String, String>>(&[odd.into()]).unwrap_err(),
            "args[0].fields[\"a key\"]: expected text, got nothing (parameter `p`)"
        );
    }

    #[test]
    fn too_few_and_too_many_arguments_are_refused() {
        assert_eq!(
            fill::<bool>(&[]).unwrap_err(),
            "args[0]: missing; expected boolean (parameter `p`)"
        );
        assert_eq!(
            fill::<bool>(&[true.into(), true.into()]).unwrap_err(),
            "args[1]: at most 1 argument is accepted, got 2"
        );
    }

    #[test]
    fn an_option_may_be_left_out_or_null_and_rest_takes_any_number() {
        assert_eq!(fill::<Option<i64>>(&[]), Ok(None));
        assert_eq!(fill::<Option<i64>>(&[ArgValue::Null]), Ok(None));
        assert_eq!(fill::<Option<i64>>(&[5.into()]), Ok(Some(5)));
        assert_eq!(fill::<Rest<i64>>(&[]), Ok(Rest(vec![])));
        assert_eq!(fill::<Rest<i64>>(&[1.into(), 2.into()]), Ok(Rest(vec![1, 2])));
    }

    #[test]
    fn a_result_that_is_not_known_yet_passes_the_check_at_any_depth() {
        let unknown = || ArgValue::ResultOf(crate::models::TaskId::generate());
        fn check<T: FromArgs>(arg: ArgValue) -> Result<(), Error> {
            T::check("p", &mut ArgumentCheck::new(&[arg]))
        }
        assert_eq!(check::<i64>(unknown()), Ok(()));
        assert_eq!(check::<Option<String>>(unknown()), Ok(()));
        assert_eq!(check::<Vec<bool>>(ArgValue::Array(vec![unknown(), true.into()])), Ok(()));
        assert_eq!(
            check::<Rest<BTreeMap<String, u8>>>(ArgValue::Map([("a".into(), unknown())].into())),
            Ok(())
        );
        let mixed = ArgValue::Array(vec![unknown(), "no".into()]);
        assert!(check::<Vec<bool>>(mixed).is_err(), "known values are checked");
    }

    #[test]
    fn bad_arguments_fail_the_attempt_without_a_retry() {
        let error = bool::take("p", &mut Arguments::new(vec![1.into()])).unwrap_err();
        assert_eq!(
            error,
            TaskError::permanent("args[0]: expected a boolean, got integer (parameter `p`)")
        );
    }
}
