//! One argument becomes one value.

use crate::models::ArgValue;

/// Why an argument cannot be what a parameter is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadArgument {
    /// Where inside the argument: `.values[0].fields["name"]`; empty for the argument itself.
    path: String,
    description: String,
}

impl BadArgument {
    /// Says what was wrong and what would be accepted.
    pub fn new(description: impl Into<String>) -> Self {
        Self { path: String::new(), description: description.into() }
    }

    /// `found` is of another kind than [`T::expects`](FromArg::expects).
    pub fn expected<T: FromArg>(found: &ArgValue) -> Self {
        Self::new(format!("expected {}, got {}", T::expects(), found.kind_name()))
    }

    /// The same, seen from the list whose element `index` it is about.
    #[must_use]
    pub fn in_element(mut self, index: usize) -> Self {
        self.path.insert_str(0, &format!(".values[{index}]"));
        self
    }

    /// The same, seen from the map whose entry `key` it is about.
    #[must_use]
    pub fn in_entry(mut self, key: &str) -> Self {
        self.path.insert_str(0, &format!(".fields[{key:?}]"));
        self
    }

    /// Where inside the argument it is wrong: `.values[0].fields["name"]`; empty for the argument itself.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong there and what would be accepted.
    pub fn description(&self) -> &str {
        &self.description
    }
}

/// A type that a task can take as a parameter.
///
/// For a type with a `Deserialize` of its own, take [`Json<T>`](crate::tasks::Json) instead of
/// implementing this.
#[diagnostic::on_unimplemented(
    message = "a task cannot take `{Self}`",
    label = "no argument becomes `{Self}`",
    note = "a type that implements `serde::Deserialize` is taken as `Json<…>`",
    note = "others are `bool`, integers, `f64`, `String`, `Vec<T>`, `BTreeMap<String, T>`, `Option<T>`, `Rest<T>` at the end, `ArgValue`, timestamps and durations"
)]
pub trait FromArg: Sized {
    /// What is accepted, in words: `text`, `list of text`.
    fn expects() -> String;

    /// Makes the value.
    ///
    /// # Errors
    /// [`BadArgument`] when `arg` is something else.
    fn from_arg(arg: ArgValue) -> Result<Self, BadArgument>;

    /// Whether [`from_arg`](Self::from_arg) would succeed. Asked before a task is accepted; override
    /// it where a clone of the argument costs much.
    ///
    /// # Errors
    /// [`BadArgument`] when it would not.
    fn check(arg: &ArgValue) -> Result<(), BadArgument> {
        Self::from_arg(arg.clone()).map(drop)
    }

    /// What the parameter is when no argument is left for it; `None` if there has to be one.
    fn absent() -> Option<Self> {
        None
    }

    /// A list of these from bytes: only `u8` has one.
    #[doc(hidden)]
    fn list_from_bytes(_bytes: Vec<u8>) -> Option<Vec<Self>> {
        None
    }
}

/// Asks [`FromArg::check`], unless the value is not known yet.
pub(super) fn check<T: FromArg>(arg: &ArgValue) -> Result<(), BadArgument> {
    match arg {
        ArgValue::ResultOf(_) => Ok(()),
        known => T::check(known),
    }
}
