//! What a body has written as JSON: kept up to a bound, measured beyond it.

use std::io;

pub(super) struct Bounded {
    most: usize,
    kept: Vec<u8>,
    bytes: usize,
}

impl Bounded {
    /// Takes at most so many bytes.
    pub(super) fn to(most: usize) -> Self {
        Self { most, kept: Vec::new(), bytes: 0 }
    }

    /// What was written.
    ///
    /// # Errors
    /// So many bytes were, which is too many.
    pub(super) fn written(self) -> Result<Vec<u8>, usize> {
        if self.bytes > self.most { Err(self.bytes) } else { Ok(self.kept) }
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes = self.bytes.saturating_add(bytes.len());
        if self.bytes <= self.most {
            self.kept.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
