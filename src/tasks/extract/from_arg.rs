//! Converts one argument into one value.

use crate::models::ArgValue;

/// Why an argument does not fit a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadArgument {
    /// The place inside the argument: `.values[0].fields["name"]`; empty for the argument itself.
    path: String,
    description: String,
}

impl BadArgument {
    /// An error with this description: what is wrong, and what is accepted.
    pub fn new(description: impl Into<String>) -> Self {
        Self { path: String::new(), description: description.into() }
    }

    /// An error for a value of another kind than [`T::expects`](FromArg::expects).
    pub fn expected<T: FromArg>(found: &ArgValue) -> Self {
        Self::new(format!("expected {}, got {}", T::expects(), found.kind_name()))
    }

    /// The same error, for element `index` of a list.
    #[must_use]
    pub fn in_element(mut self, index: usize) -> Self {
        self.path.insert_str(0, &format!(".values[{index}]"));
        self
    }

    /// The same error, for entry `key` of a map.
    #[must_use]
    pub fn in_entry(mut self, key: &str) -> Self {
        self.path.insert_str(0, &format!(".fields[{key:?}]"));
        self
    }

    /// The place inside the argument: `.values[0].fields["name"]`; empty for the argument itself.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong, and what is accepted.
    pub fn description(&self) -> &str {
        &self.description
    }
}

/// A type that a task can have as a parameter.
///
/// For a type that implements `Deserialize`, use [`Json<T>`](crate::tasks::Json) instead of
/// implementing this.
#[diagnostic::on_unimplemented(
    message = "a task cannot take `{Self}`",
    label = "no argument becomes `{Self}`",
    note = "a type that implements `serde::Deserialize` is taken as `Json<…>`",
    note = "others are `bool`, integers, `f64`, `String`, `Vec<T>`, `BTreeMap<String, T>`, `Option<T>`, `Rest<T>` at the end, `ArgValue`, timestamps and durations"
)]
pub trait FromArg: Sized {
    /// The accepted type in words: `text`, `list of text`.
    fn expects() -> String;

    /// Converts an argument.
    ///
    /// # Errors
    /// [`BadArgument`] when `arg` does not fit.
    fn from_arg(arg: ArgValue) -> Result<Self, BadArgument>;

    /// Checks an argument before its task is accepted. Override it where a clone of the argument is
    /// expensive.
    ///
    /// # Errors
    /// [`BadArgument`] when [`from_arg`](Self::from_arg) would fail.
    fn check(arg: &ArgValue) -> Result<(), BadArgument> {
        Self::from_arg(arg.clone()).map(drop)
    }

    /// The value of a parameter whose argument is left out; `None` if an argument is required.
    fn absent() -> Option<Self> {
        None
    }

    /// Converts bytes into a list: only for `u8`.
    #[doc(hidden)]
    fn list_from_bytes(_bytes: Vec<u8>) -> Option<Vec<Self>> {
        None
    }
}

/// [`FromArg::check`], unless the value is not known yet.
pub(super) fn check<T: FromArg>(arg: &ArgValue) -> Result<(), BadArgument> {
    match arg {
        ArgValue::ResultOf(_) => Ok(()),
        known => T::check(known),
    }
}
