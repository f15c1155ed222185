//! Connections to the file, and their settings.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::Result;
use super::schema;
use crate::store::Error;

/// The size of a page; fixed when the file is created.
pub(super) const PAGE_BYTES: u32 = 4 << 10;
/// The size of the writer's page cache.
pub(super) const WRITER_CACHE_BYTES: u32 = 16 << 20;
/// The size of each reader's page cache.
pub(super) const READER_CACHE_BYTES: u32 = 2 << 20;
/// A log that restarts is cut to this size.
pub(super) const WAL_BYTES: u32 = 64 << 20;
/// How long a connection waits for a lock of another program.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a checkpoint waits for readers; the writer stands still meanwhile.
const CHECKPOINT_LOCK_TIMEOUT: Duration = Duration::from_millis(5);

/// The connection that writes.
///
/// A commit is on the disk when it returns (`synchronous`), and never copies the log back
/// (`wal_autocheckpoint`): the checkpointer does.
pub(super) fn writer(path: &Path) -> Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_CACHE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES)?;
    Ok(connection)
}

/// A connection that reads.
pub(super) fn reader(path: &Path) -> Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER_CACHE_BYTES)
}

/// A connection that copies the log back into the file.
pub(super) fn checkpointer(path: &Path) -> Result<Connection> {
    let connection = writer(path)?;
    connection.busy_timeout(CHECKPOINT_LOCK_TIMEOUT)?;
    Ok(connection)
}

/// A connection that inspects a file without changing it. It can write where permitted, so that
/// SQLite can remove the log, but queries cannot.
pub(super) fn inspect(path: &Path) -> Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, READER_CACHE_BYTES)
        .or_else(|_| reader(path))?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Opens a file that must exist, to inspect it.
pub(super) fn existing(path: &Path) -> std::result::Result<Connection, Error> {
    if !path.is_file() {
        return Err(Error::Unusable(format!("there is no store at {}", path.display())));
    }
    inspect(path).map_err(|error| schema::unusable(path, &error))
}

/// A connection that writes a copy. An incomplete copy is discarded, so no journal is needed.
pub(super) fn copy(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = open(path, flags, READER_CACHE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "OFF")?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    Ok(connection)
}

/// A connection that creates a file.
pub(super) fn create(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = open(path, flags, WRITER_CACHE_BYTES)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

fn open(path: &Path, flags: OpenFlags, cache_bytes: u32) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(LOCK_TIMEOUT)?;
    // Negative: in KiB, not in pages.
    connection.pragma_update(None, "cache_size", -i64::from(cache_bytes >> 10))?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "foreign_keys", false)?;
    Ok(connection)
}
