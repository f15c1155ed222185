//! Why a method cannot be registered, or is not there.

use semver::Version;

use crate::error::{Code, Error, Violation};
use crate::models::{MAX_METHOD_BYTES, MethodName};
use crate::tasks::{Location, Method};

/// What a registry refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A method without a name.
    #[error(
        "the method declared at {at} has no name; give it one: [namespace/]name[@version], such as \"charge\" or \"payments/charge@1.0.0\""
    )]
    NoName {
        /// Where it was declared or registered.
        at: Location,
    },
    /// A name or namespace with characters that it cannot have.
    #[error(
        "the method declared at {at} cannot be called {name:?}: names and namespaces have letters, digits, `_`, `-` and `.` only; try {suggestion:?}"
    )]
    BadName {
        /// As it was given.
        name: String,
        /// One that would do.
        suggestion: String,
        /// Where it was declared or registered.
        at: Location,
    },
    /// A name that no request could say.
    #[error(
        "the name of the method declared at {at} is {bytes} bytes long with its namespace and version; shorten it to at most {MAX_METHOD_BYTES}"
    )]
    LongName {
        /// How long it is.
        bytes: usize,
        /// Where it was declared or registered.
        at: Location,
    },
    /// A version that is not `major.minor.patch`.
    #[error(
        "the method {name} declared at {at} cannot have the version {version:?}: a registered version is whole; try \"{suggestion}\""
    )]
    BadVersion {
        /// `namespace/name`.
        name: String,
        /// As it was given.
        version: String,
        /// One that would do.
        suggestion: Version,
        /// Where it was declared or registered.
        at: Location,
    },
    /// Another method has that name and version.
    #[error(
        "{name} is declared at {first} and at {second}; give one of them another name or version, or say `replace = true` on the one that shall stand"
    )]
    Taken {
        /// What both are called.
        name: MethodName,
        /// Where the one that is registered was declared.
        first: Location,
        /// Where the one that is refused was declared.
        second: Location,
    },
    /// No such method, or no such version of it.
    #[error("Method not found: {written}{}", or_nearest(.nearest))]
    NotFound {
        /// As the caller wrote it.
        written: String,
        /// What may have been meant.
        nearest: Vec<String>,
    },
}

impl RegistryError {
    pub(super) fn taken(refused: &Method, registered: &Method) -> Self {
        Self::Taken {
            name: refused.name.clone(),
            first: registered.declared_at,
            second: refused.declared_at,
        }
    }

    /// All that is wrong with the declarations, one violation for each.
    pub(super) fn all(problems: Vec<(Location, Self)>) -> Error {
        let violations: Vec<_> = problems
            .into_iter()
            .map(|(at, problem)| Violation {
                field: at.to_string(),
                description: problem.to_string(),
            })
            .collect();
        let lines: Vec<_> = violations.iter().map(|one| one.description.as_str()).collect();
        let message = lines.join("\n");
        Error { violations, ..Error::new(Code::InvalidArgument, message) }
    }
}

fn or_nearest(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        names => format!("; did you mean {}?", names.join(", ")),
    }
}

impl From<RegistryError> for Error {
    fn from(error: RegistryError) -> Self {
        let code = match error {
            RegistryError::NotFound { .. } => Code::MethodNotFound,
            _ => Code::InvalidArgument,
        };
        Self::new(code, error.to_string())
    }
}
