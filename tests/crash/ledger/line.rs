//! How a line gets into the ledger: whole, whenever its writer is killed. Bodies and tests share it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// A power of two, so that no line crosses a page: a kill can cut one `write` in two only between
/// pages.
pub(crate) const LINE_BYTES: usize = 128;

/// Appends to a ledger. Every line is one `write` to a file opened for appending, so lines of
/// different processes stand in the order in which they were written, and the kernel has a line
/// as soon as `write` returns.
pub(crate) struct Pen(File);

impl Pen {
    /// Opens the ledger, or makes it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(OpenOptions::new().create(true).append(true).open(path)?))
    }

    /// Appends a line.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] when `words` do not fit into [`LINE_BYTES`], and what `write`
    /// says.
    pub(crate) fn write(&self, words: &str) -> io::Result<()> {
        if words.len() >= LINE_BYTES || words.contains('\n') {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{words:?} does not fit into a line of {LINE_BYTES} bytes"),
            ));
        }
        let mut line = [b' '; LINE_BYTES];
        line[..words.len()].copy_from_slice(words.as_bytes());
        line[LINE_BYTES - 1] = b'\n';
        (&self.0).write_all(&line)
    }
}

/// Milliseconds since 1970, as lines have them.
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
