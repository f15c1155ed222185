//! What can be wrong with the file, and what each fault means to whoever asked.

use rusqlite::ErrorCode;

use crate::models::Sequence;
use crate::store::Error;

pub(super) type Result<T> = std::result::Result<T, Fault>;

/// Why SQLite, or what it gave back, could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// What stands in the file cannot be read as a task.
    #[error("task {0} cannot be read: {1}")]
    Unreadable(u64, String),
    #[error("the store's meta row is missing")]
    NoMeta,
    #[error("a thread could not be started: {0}")]
    Thread(std::io::Error),
    #[error(transparent)]
    Io(std::io::Error),
}

impl From<rusqlite::types::FromSqlError> for Fault {
    fn from(error: rusqlite::types::FromSqlError) -> Self {
        Self::Sqlite(error.into())
    }
}

impl Fault {
    pub(super) fn unreadable(sequence: Sequence, why: impl ToString) -> Self {
        Self::Unreadable(sequence.0, why.to_string())
    }

    /// What a fault before the commit means: the transaction was rolled back, and nothing of it is
    /// there. A full disk, a read-only file and a lock that somebody else holds can pass; damage
    /// does not.
    pub(super) fn before_commit(&self) -> Error {
        if self.is_damage() {
            Error::Broken(format!("{self}; the file is damaged: run `verify`, restore a backup"))
        } else {
            Error::Unavailable(self.to_string())
        }
    }

    /// What a fault of the commit itself means. SQLite says `FULL` before the commit's last frame
    /// is written, so nothing of it is there. After any other failed write or fsync nobody knows what
    /// the disk holds, and a second fsync may report success for pages that the kernel dropped.
    pub(super) fn at_commit(&self) -> Error {
        match self.code() {
            Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::ReadOnly) => {
                Error::Unavailable(self.to_string())
            }
            _ => Error::Broken(format!("a commit failed: {self}")),
        }
    }

    /// What a fault of a reader means: it alone has no answer.
    pub(super) fn while_reading(&self) -> Error {
        Error::Unavailable(self.to_string())
    }

    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Sqlite(_) => {
                matches!(self.code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
            }
            Self::Unreadable(..) | Self::NoMeta => true,
            Self::Thread(_) | Self::Io(_) => false,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            Self::Unreadable(..) | Self::NoMeta | Self::Thread(_) | Self::Io(_) => None,
        }
    }
}
