//! A list of arguments, taken one by one into a list of parameters.

use std::slice;
use std::vec;

use super::from_arg::{self, BadArgument, FromArg};
use crate::error::Error;
use crate::models::ArgValue;
use crate::tasks::{Parameter, TaskError};

/// The last parameter of a task that takes any number of arguments: all that are left.
///
/// ```ignore
/// #[sync_task]
/// fn total(Rest(prices): Rest<f64>) -> f64 {
///     prices.iter().sum()
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rest<T>(pub Vec<T>);

/// Fills one parameter from the arguments that are left. Written for every [`FromArg`], which takes
/// one of them, and for [`Rest`], which takes them all.
#[diagnostic::on_unimplemented(
    message = "a task cannot take `{Self}`",
    label = "no argument becomes `{Self}`",
    note = "a type that implements `serde::Deserialize` is taken as `Json<…>`",
    note = "others are `bool`, integers, `f64`, `String`, `Vec<T>`, `BTreeMap<String, T>`, `Option<T>`, `Rest<T>` at the end, `ArgValue`, timestamps and durations"
)]
pub trait FromArgs: Sized {
    /// The parameter, for those who list methods.
    fn describe(name: &'static str) -> Parameter;

    /// Moves past what the parameter takes.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` naming the argument that the parameter cannot take, or misses.
    fn check(name: &str, args: &mut ArgumentCheck<'_>) -> Result<(), Error>;

    /// Takes the parameter.
    ///
    /// # Errors
    /// A permanent error with the same words: a retry finds the same arguments.
    fn take(name: &str, args: &mut Arguments) -> Result<Self, TaskError>;
}

/// Arguments that a typed method is asked to take; nobody has run it yet.
#[derive(Debug)]
pub struct ArgumentCheck<'a> {
    left: slice::Iter<'a, ArgValue>,
    taken: usize,
}

impl<'a> ArgumentCheck<'a> {
    /// Before the first.
    pub fn new(args: &'a [ArgValue]) -> Self {
        Self { left: args.iter(), taken: 0 }
    }

    /// After the last parameter.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when arguments are left.
    pub fn end(self) -> Result<(), Error> {
        if self.left.len() == 0 { Ok(()) } else { Err(too_many(self.taken, self.left.len())) }
    }

    fn next(&mut self) -> Option<(usize, &'a ArgValue)> {
        let arg = self.left.next()?;
        self.taken += 1;
        Some((self.taken - 1, arg))
    }
}

/// Arguments on their way into a body.
#[derive(Debug)]
pub struct Arguments {
    left: vec::IntoIter<ArgValue>,
    taken: usize,
}

impl Arguments {
    /// Before the first.
    pub fn new(args: Vec<ArgValue>) -> Self {
        Self { left: args.into_iter(), taken: 0 }
    }

    /// After the last parameter.
    ///
    /// # Errors
    /// A permanent error when arguments are left.
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

/// An `Error` would convert into a `TaskError` that is retried.
fn permanent(error: Error) -> TaskError {
    TaskError::permanent(error.message)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Checks and takes; both have to agree. The message of the refusal.
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
    fn a_refused_argument_is_named_by_its_place() {
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
    fn a_result_that_is_not_known_yet_passes_the_check_wherever_it_stands() {
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
        assert!(check::<Vec<bool>>(mixed).is_err(), "what is known is checked");
    }

    #[test]
    fn a_body_that_gets_bad_arguments_fails_for_good() {
        let error = bool::take("p", &mut Arguments::new(vec![1.into()])).unwrap_err();
        assert_eq!(
            error,
            TaskError::permanent("args[0]: expected a boolean, got integer (parameter `p`)")
        );
    }
}
