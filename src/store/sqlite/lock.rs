//! The lock of a store's directory, held while the store is open.
//!
//! It has a file of its own: SQLite locks the database itself, and a process that opens and closes
//! that file a second time loses those locks.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::store::Error;

/// The lock's file. It contains the process id of the holder.
pub(super) const LOCK_FILE: &str = "LOCK";

/// Releases the lock when dropped.
#[derive(Debug)]
pub(super) struct DirectoryLock(#[expect(dead_code, reason = "held, not read")] File);

impl DirectoryLock {
    /// Locks the directory.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while another process or store holds the lock, [`Error::Unusable`] if
    /// the file cannot be created.
    pub(super) fn take(directory: &Path) -> Result<Self, Error> {
        let unusable = |why: &dyn std::fmt::Display| {
            Error::Unusable(format!(
                "{} cannot be locked: {why}; choose a directory that this user may write to",
                directory.display()
            ))
        };
        let path = directory.join(LOCK_FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| unusable(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(blocked_by(directory, &mut file)),
            Err(TryLockError::Error(error)) => return Err(unusable(&error)),
        }
        let pid_written = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| write!(file, "{}", std::process::id()));
        // The process id only serves a message: a full disk must not keep a server from starting.
        if let Err(error) = pid_written {
            tracing::warn!(%error, path = %path.display(), "cannot write the process id");
        }
        Ok(Self(file))
    }
}

fn blocked_by(directory: &Path, file: &mut File) -> Error {
    let mut text = String::new();
    let holder = match file.read_to_string(&mut text) {
        Ok(_) if text.parse::<u32>().is_ok() => format!("process {text}"),
        _ => "another process".to_owned(),
    };
    Error::Unavailable(format!(
        "{} is in use by {holder}; stop it, or choose another directory",
        directory.display()
    ))
}
