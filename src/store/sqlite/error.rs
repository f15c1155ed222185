//! Errors of SQLite and of stored data, and what each means for the caller.

use rusqlite::ErrorCode;

use crate::models::Sequence;
use crate::store::Error;

pub(super) type Result<T> = std::result::Result<T, SqliteError>;

/// Why SQLite failed, or why stored data cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SqliteError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A stored task cannot be decoded.
    #[error("task {0} cannot be read: {1}")]
    UndecodableTask(u64, String),
    /// Something else that is stored cannot be decoded.
    #[error("{0} cannot be read: {1}")]
    Undecodable(&'static str, String),
    #[error("the store's meta row is missing")]
    NoMeta,
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    #[error(transparent)]
    Io(std::io::Error),
}

impl From<rusqlite::types::FromSqlError> for SqliteError {
    fn from(error: rusqlite::types::FromSqlError) -> Self {
        Self::Sqlite(error.into())
    }
}

impl SqliteError {
    pub(super) fn undecodable(sequence: Sequence, why: impl ToString) -> Self {
        Self::UndecodableTask(sequence.0, why.to_string())
    }

    /// The meaning of an error before the commit: the transaction is rolled back and has no effect.
    /// A full disk, a read-only file and a lock of another program can pass; damage does not.
    pub(super) fn before_commit(&self) -> Error {
        if self.is_failed_fsync() {
            self.at_commit()
        } else if self.is_damage() {
            Error::Broken(format!("{self}; the file is damaged: run `verify`, restore a backup"))
        } else {
            Error::Unavailable(self.to_string())
        }
    }

    /// The meaning of an error of the commit itself. SQLite reports `FULL` before it writes the
    /// commit's last frame, so nothing of the commit is stored; nor is it after another failed
    /// write, as on a disk that turned read-only: the last frame is written last. After a failed
    /// fsync it is unknown what the disk holds, and a second fsync may report success for pages
    /// that the kernel dropped.
    pub(super) fn at_commit(&self) -> Error {
        match self.code() {
            _ if self.is_failed_write() => Error::Unavailable(self.to_string()),
            Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::ReadOnly) => {
                Error::Unavailable(self.to_string())
            }
            _ => Error::Broken(format!("a commit failed: {self}")),
        }
    }

    /// The meaning of an error of a read: only this read fails.
    pub(super) fn while_reading(&self) -> Error {
        Error::Unavailable(self.to_string())
    }

    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Sqlite(_) => {
                matches!(self.code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
            }
            Self::UndecodableTask(..) | Self::Undecodable(..) | Self::NoMeta => true,
            Self::Thread(_) | Self::Io(_) => false,
        }
    }

    /// Whether the disk did not confirm what was written.
    pub(super) fn is_failed_fsync(&self) -> bool {
        use rusqlite::ffi::{SQLITE_IOERR_DIR_FSYNC, SQLITE_IOERR_FSYNC};
        let Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) = self else { return false };
        [SQLITE_IOERR_FSYNC, SQLITE_IOERR_DIR_FSYNC].contains(&failure.extended_code)
    }

    fn is_failed_write(&self) -> bool {
        let Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) = self else { return false };
        failure.extended_code == rusqlite::ffi::SQLITE_IOERR_WRITE
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            Self::UndecodableTask(..)
            | Self::Undecodable(..)
            | Self::NoMeta
            | Self::Thread(_)
            | Self::Io(_) => None,
        }
    }
}
