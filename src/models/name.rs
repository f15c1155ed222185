//! Names of schedules and webhooks.

use std::fmt;
use std::sync::Arc;

use crate::error::Error;

/// The longest name of a schedule or a webhook, in bytes.
pub const MAX_NAME_BYTES: usize = 80;

/// The name of a schedule or a webhook. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// Checks a name from the field `field` of a request or a file.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` unless it is 1 to [`MAX_NAME_BYTES`] letters, digits, `_`, `-`, `.`.
    pub fn parse(name: &str, field: &str) -> Result<Self, Error> {
        let sound = !name.is_empty()
            && name.len() <= MAX_NAME_BYTES
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        if sound {
            return Ok(Self(name.into()));
        }
        let shown: String = name.chars().take(MAX_NAME_BYTES).collect();
        Err(Error::invalid(
            field,
            format!(
                "{shown:?} is no name; expected 1 to {MAX_NAME_BYTES} letters, digits, `_`, `-` or `.`"
            ),
        ))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}
