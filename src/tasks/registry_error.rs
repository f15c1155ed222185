//! Why a method cannot be registered or found.

use semver::Version;

use crate::error::{Code, Error, Violation};
use crate::models::{MAX_METHOD_BYTES, MethodName};
use crate::tasks::{Location, Method};

/// Why a registry refused a registration or a look-up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A method without a name.
    #[error(
        "the method declared at {at} has no name; give it one: [namespace/]name[@version], such as \"charge\" or \"payments/charge@1.0.0\""
    )]
    NoName {
        /// The place of the declaration.
        at: Location,
    },
    /// A name or namespace has invalid characters.
    #[error(
        "the method declared at {at} cannot be called {name:?}: names and namespaces have letters, digits, `_`, `-` and `.` only; try {suggestion:?}"
    )]
    BadName {
        /// The name or version as it was written.
        name: String,
        /// A valid one.
        suggestion: String,
        /// The place of the declaration.
        at: Location,
    },
    /// A name that is longer than a request can have.
    #[error(
        "the name of the method declared at {at} is {bytes} bytes long with its namespace and version; shorten it to at most {MAX_METHOD_BYTES}"
    )]
    LongName {
        /// Its size in bytes.
        bytes: usize,
        /// The place of the declaration.
        at: Location,
    },
    /// A version that is not `major.minor.patch`.
    #[error(
        "the method {name} declared at {at} cannot have the version {version:?}: expected major.minor.patch; try \"{suggestion}\""
    )]
    BadVersion {
        /// `namespace/name`.
        name: String,
        /// The name or version as it was written.
        version: String,
        /// A valid one.
        suggestion: Version,
        /// The place of the declaration.
        at: Location,
    },
    /// Another method has the same name and version.
    #[error(
        "{name} is declared at {first} and at {second}; give one of them another name or version, or write `replace = true` at the one to keep"
    )]
    Taken {
        /// The name of both.
        name: MethodName,
        /// The place of the registered method.
        first: Location,
        /// The place of the refused method.
        second: Location,
    },
    /// No such method or version is registered.
    #[error("Method not found: {written}{}", or_nearest(.nearest))]
    NotFound {
        /// As the caller wrote it.
        written: String,
        /// Similar names.
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

    /// One error for all problems, with a violation for each.
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
