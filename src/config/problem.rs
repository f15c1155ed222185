//! Why a configuration is refused.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why no [`Config`](crate::config::Config) came of what the server was given.
#[derive(Debug)]
pub enum Refusal {
    /// The flags are wrong, or only ask for help or the version. Prints itself.
    Flags(clap::Error),
    /// The environment or the file is wrong, each problem on a line of its own.
    Configuration(Vec<Problem>),
}

impl From<clap::Error> for Refusal {
    fn from(error: clap::Error) -> Self {
        Self::Flags(error)
    }
}

/// One thing that is wrong with the environment or the file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Unreadable {
        /// As it was given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is larger than any configuration.
    #[error("the configuration file {} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// As it was given.
        path: PathBuf,
        /// The most that is read.
        limit: u64,
    },
    /// The file is no TOML.
    #[error("{place}: {message}")]
    Syntax {
        /// Where.
        place: Place,
        /// What the parser says.
        message: String,
    },
    /// The file has a key that means nothing.
    #[error("{place}: unknown key {key:?}{hint}")]
    UnknownKey {
        /// Where.
        place: Place,
        /// The whole key.
        key: String,
        /// `; did you mean …?`, or nothing.
        hint: String,
    },
    /// A value is not accepted.
    #[error("{place}: {what} is {value}; {expected}")]
    BadValue {
        /// Where.
        place: Place,
        /// The key or the variable.
        what: String,
        /// As it was written.
        value: String,
        /// What would be accepted.
        expected: String,
    },
}

impl Problem {
    /// Where, unless it is the file as a whole.
    pub(super) fn place(&self) -> Option<&Place> {
        match self {
            Self::Unreadable { .. } | Self::TooLarge { .. } => None,
            Self::Syntax { place, .. }
            | Self::UnknownKey { place, .. }
            | Self::BadValue { place, .. } => Some(place),
        }
    }
}

/// Where a value was written. Sorts as people would go through it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the file.
    File {
        /// As it was given.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// In the environment.
    Environment,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("environment"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
        }
    }
}
