//! Where something was declared.

use std::fmt;

/// A place in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// The source file, as the compiler was given it.
    pub file: &'static str,
    /// From 1.
    pub line: u32,
}

impl Location {
    /// The place from which this is called, as far as it is marked with `#[track_caller]`.
    #[track_caller]
    pub fn caller() -> Self {
        let place = std::panic::Location::caller();
        Self { file: place.file(), line: place.line() }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
