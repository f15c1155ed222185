//! Method names and references: `[namespace/]name[@version]`.

use std::fmt;
use std::sync::Arc;

use semver::Version;

use crate::error::Error;

/// The namespace of a method without one.
pub const DEFAULT_NAMESPACE: &str = "default";
/// The longest method reference, in bytes.
pub const MAX_METHOD_BYTES: usize = 255;

/// The full name of a registered method. Displays as `namespace/name@version`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MethodName {
    /// The namespace: letters, digits, `_`, `-`, `.`.
    pub namespace: Arc<str>,
    /// The name: letters, digits, `_`, `-`, `.`.
    pub name: Arc<str>,
    /// The semantic version; `0.0.0` for a method that declares none.
    pub version: Version,
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.namespace, self.name, self.version)
    }
}

/// Which versions of a method a caller accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionReq {
    /// The highest registered version.
    Highest,
    /// The highest version with this major number, and this minor number if given: `@2`, `@2.1`.
    HighestOf(u64, Option<u64>),
    /// Exactly this version: `@2.1.0`.
    Exactly(Version),
}

/// A method as a caller refers to it. Borrows from the caller's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodRef<'a> {
    /// The namespace; [`DEFAULT_NAMESPACE`] if the text has none.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
    /// The accepted versions.
    pub version: VersionReq,
}

impl<'a> MethodRef<'a> {
    /// Parses `[namespace/]name[@version]`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` on field `method` if it is empty, longer than [`MAX_METHOD_BYTES`] or malformed.
    pub fn parse(text: &'a str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::invalid("method", "empty; expected [namespace/]name[@version]"));
        }
        if text.len() > MAX_METHOD_BYTES {
            return Err(Error::invalid(
                "method",
                format!("{} bytes long; at most {MAX_METHOD_BYTES} are accepted", text.len()),
            ));
        }
        let malformed = |what: &str| {
            Error::invalid(
                "method",
                format!("{text:?}: {what}; expected [namespace/]name[@version]"),
            )
        };
        let (path, version) = match text.split_once('@') {
            Some((path, version)) => (path, Some(version)),
            None => (text, None),
        };
        let (namespace, name) = path.split_once('/').unwrap_or((DEFAULT_NAMESPACE, path));
        if !is_word(namespace) || !is_word(name) {
            return Err(malformed("a name has letters, digits, `_`, `-` and `.` only"));
        }
        let version = match version {
            None => VersionReq::Highest,
            Some(text) => parse_version(text).ok_or_else(|| malformed("no semantic version"))?,
        };
        Ok(Self { namespace, name, version })
    }
}

/// Whether `text` is valid as a namespace or as the name of a method.
pub fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

fn parse_version(text: &str) -> Option<VersionReq> {
    if let Ok(version) = Version::parse(text) {
        return Some(VersionReq::Exactly(version));
    }
    let mut numbers = text.splitn(2, '.').map(str::parse::<u64>);
    let major = numbers.next()?.ok()?;
    match numbers.next() {
        None => Some(VersionReq::HighestOf(major, None)),
        Some(minor) => Some(VersionReq::HighestOf(major, Some(minor.ok()?))),
    }
}
