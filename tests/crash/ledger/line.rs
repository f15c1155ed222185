//! Writes a line of the ledger whole, even if its writer is killed. Handlers and tests share it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// A power of two, so that no line crosses a page: a kill can cut a `write` only between pages.
pub(crate) const LINE_BYTES: usize = 128;

/// Appends to a ledger. Every line is one `write` to a file opened for appending, so the lines of
/// all processes are in the order of their writes, and the kernel has a line when `write` returns.
pub(crate) struct LineWriter(File);

impl LineWriter {
    /// Opens the ledger; creates it if it does not exist.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(OpenOptions::new().create(true).append(true).open(path)?))
    }

    /// Appends a line.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] when `words` do not fit into [`LINE_BYTES`]; errors of
    /// `write`.
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

/// Milliseconds since 1970.
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
