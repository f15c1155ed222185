//! Backup and restore. A backup can be taken while a server runs.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::error::{Result, SqliteError};
use super::lock::DirectoryLock;
use super::{DATABASE, connection, schema, verify};
use crate::store::Error;

/// How many epochs and outbox positions a restored store skips: boots after the backup may have
/// used those that follow, and neither a fencing token nor a position may be used twice.
const SKIPPED_EPOCHS: i64 = 1 << 32;
/// How many problems of a bad backup the error message lists.
const MAX_PROBLEMS_SHOWN: usize = 3;

/// Copies the store in `directory` into the new file `to`, as one snapshot. A server may run on the
/// store meanwhile; its log grows until the copy is complete. The copy is on the disk when this
/// returns.
///
/// # Errors
/// [`Error::Unusable`]: there is no store, `to` exists, or it cannot be written. `to` is unchanged
/// then.
pub fn backup(directory: &Path, to: &Path) -> std::result::Result<(), Error> {
    let from = directory.join(DATABASE);
    let source = connection::existing(&from)?;
    schema::check(&from, &source)?;
    // Reserves the name against other programs.
    OpenOptions::new().write(true).create_new(true).open(to).map_err(|error| {
        let to = to.display();
        Error::Unusable(match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                format!("{to} exists; name a new file")
            }
            _ => format!("{to} cannot be created: {error}"),
        })
    })?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let part = beside(to, ".part");
    let copied = copy(&source, &part, |_| Ok(())).and_then(|()| {
        schema::place(&part, to, folder.unwrap_or(Path::new("."))).map_err(SqliteError::Io)
    });
    copied.map_err(|error| {
        remove(&part);
        remove(to);
        Error::Unusable(format!("{} cannot be copied to {}: {error}", from.display(), to.display()))
    })
}

/// Restores the backup `from` as a store in `directory`, after verifying it.
///
/// # Errors
/// [`Error::Unavailable`] while a server runs in `directory`; [`Error::Unusable`]: `from` is no
/// valid backup, or `directory` has a store already.
pub fn restore(from: &Path, directory: &Path) -> std::result::Result<(), Error> {
    let problems = verify(from)?;
    if !problems.is_empty() {
        let problems: Vec<&str> =
            problems.iter().take(MAX_PROBLEMS_SHOWN).map(String::as_str).collect();
        return Err(Error::Unusable(format!(
            "{} is no valid backup, and nothing was restored: {}",
            from.display(),
            problems.join("; ")
        )));
    }
    let cannot = |why: &dyn std::fmt::Display| {
        Error::Unusable(format!("no store can be created in {}: {why}", directory.display()))
    };
    std::fs::create_dir_all(directory).map_err(|error| cannot(&error))?;
    let _lock = DirectoryLock::take(directory)?;
    let path = directory.join(DATABASE);
    if path.exists() || beside(&path, "-wal").exists() {
        return Err(Error::Unusable(format!(
            "there is a store in {} already; name another directory, or \
             move {DATABASE} and {DATABASE}-wal away",
            directory.display()
        )));
    }
    let part = beside(&path, "-new");
    remove(&part);
    let leave_out = |copy: &Connection| {
        schema::migrate(copy)?;
        // A backup of a running boot is no sign of a crash.
        let sql = "UPDATE meta SET epoch = epoch + ?1, stopped = epoch + ?1, posted = posted + ?1";
        copy.execute(sql, [SKIPPED_EPOCHS])?;
        Ok(())
    };
    let copied = connection::inspect(from)
        .and_then(|source| copy(&source, &part, leave_out))
        .and_then(|()| schema::place(&part, &path, directory).map_err(SqliteError::Io));
    copied.map_err(|error| {
        remove(&part);
        cannot(&error)
    })
}

fn copy(
    source: &Connection,
    to: &Path,
    finish: impl FnOnce(&Connection) -> Result<()>,
) -> Result<()> {
    let mut copy = connection::copy(to)?;
    // All pages in one step, which is one transaction: between steps, each commit of a server would
    // restart the copy.
    let step = Backup::new(source, &mut copy)?.step(-1)?;
    if step != StepResult::Done {
        return Err(SqliteError::Io(std::io::Error::other("another program holds its lock")));
    }
    // Makes the copy a single file.
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    finish(&copy)?;
    copy.close().map_err(|(_, error)| error)?;
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "could not remove a file");
    }
}
