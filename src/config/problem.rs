//! Problems of a configuration.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there is no [`Config`](crate::config::Config).
#[derive(Debug)]
pub enum Refusal {
    /// Wrong flags, `--help` or `--version`. Print it with clap.
    Flags(clap::Error),
    /// Problems in the environment or the file; print each on a line of its own.
    Configuration(Vec<Problem>),
}

impl From<clap::Error> for Refusal {
    fn from(error: clap::Error) -> Self {
        Self::Flags(error)
    }
}

/// A problem in the environment or the configuration file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is too large.
    #[error("the configuration file {} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The path of the file.
        path: PathBuf,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The file is no valid TOML.
    #[error("{at}: {message}")]
    Syntax {
        /// The source of the problem.
        at: Source,
        /// The parser's message.
        message: String,
    },
    /// The file contains an unknown key.
    #[error("{at}: unknown key {key:?}{hint}")]
    UnknownKey {
        /// The source of the problem.
        at: Source,
        /// The full key.
        key: String,
        /// `; did you mean …?`, or empty.
        hint: String,
    },
    /// A value is not accepted.
    #[error("{at}: {what} is {value}; {expected}")]
    BadValue {
        /// The source of the problem.
        at: Source,
        /// The key or the variable.
        what: String,
        /// The value as written.
        value: String,
        /// What is accepted.
        expected: String,
    },
}

impl Problem {
    /// The source; `None` if the problem concerns the whole file.
    pub(super) fn source(&self) -> Option<&Source> {
        match self {
            Self::Unreadable { .. } | Self::TooLarge { .. } => None,
            Self::Syntax { at, .. } | Self::UnknownKey { at, .. } | Self::BadValue { at, .. } => {
                Some(at)
            }
        }
    }
}

/// The source of a value. Ordered by line, the file before the environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A line of the configuration file.
    File {
        /// The path of the file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The environment.
    Environment,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("environment"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
        }
    }
}
