//! A buffer for JSON: keeps bytes up to a limit, and counts those beyond it.

use std::io;

pub(super) struct Bounded {
    most: usize,
    kept: Vec<u8>,
    bytes: usize,
}

impl Bounded {
    /// A buffer that keeps at most this many bytes.
    pub(super) fn to(most: usize) -> Self {
        Self { most, kept: Vec::new(), bytes: 0 }
    }

    /// The written bytes.
    ///
    /// # Errors
    /// The number of bytes, if it exceeds the limit.
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
