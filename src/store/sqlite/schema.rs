//! The tables, and migrations from older versions.
//!
//! A released step is never edited: a change is one more step.
//!
//! Stored names stay as the first version has them, because a rename would need a migration. Where
//! they differ from the names in the code: `tasks.asked` is the request; `live` has the unfinished
//! tasks; `live.line` is the queue of a claimable task, `live.held` that of one blocked by its
//! concurrency key, `live.holds` that of one that holds the key; `alarm` is a timer, `suspicion`
//! the quarantine state, `child` the parent of a child, `body` the encoded row; `ended.spent` tells
//! that no task needs the row, `spent_well` and `spent_badly` count such rows; `abroad` has the
//! waits for tasks of another store; `marks` has the tasks with pending dependants; `decisions` has
//! resolved arguments; `schedules.standing` is the encoded state of a schedule; `meta.posted` is
//! the last outbox position.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::error::{Result, SqliteError};
use super::{DATABASE, connection};
use crate::store::Error;

/// The file's application id, in its header: "TaSk".
pub(super) const APPLICATION_ID: i32 = i32::from_be_bytes(*b"TaSk");

/// The version that this program writes.
pub(super) const VERSION: usize = STEPS.len();

/// The migrations, each from one version to the next, in a transaction of its own.
///
/// A request (`tasks`) is written once. An unfinished task has a small row in `live`, which one in
/// `ended` replaces, so that neither is updated in place: this takes less of the writer's time than
/// updating one row. All three are clustered by sequence number, so that new rows and old ones that
/// are deleted are at the ends.
///
/// Indexes are few and partial: `line`, `alarm`, `child` and the like are null in nearly every row.
/// `ids` is filled late and in the order of its keys; see [`pending_ids`](super::pending_ids).
const STEPS: [&str; 3] = [
    "
    CREATE TABLE meta (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id_seed BLOB NOT NULL,
        epoch INTEGER NOT NULL,
        last_sequence INTEGER NOT NULL,
        last_alive INTEGER NOT NULL,
        watermark INTEGER NOT NULL,
        waits INTEGER NOT NULL,
        abroad INTEGER NOT NULL,
        alarms INTEGER NOT NULL,
        children INTEGER NOT NULL,
        failed_for INTEGER NOT NULL,
        uniques INTEGER NOT NULL,
        spent_well INTEGER NOT NULL,
        spent_badly INTEGER NOT NULL
    );
    INSERT INTO meta VALUES (1, randomblob(16), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

    CREATE TABLE tasks (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        queue INTEGER NOT NULL,
        method TEXT NOT NULL,
        submitted INTEGER NOT NULL,
        parent TEXT,
        asked BLOB NOT NULL
    );
    CREATE TABLE live (
        seq INTEGER PRIMARY KEY,
        queue INTEGER NOT NULL,
        priority INTEGER NOT NULL,
        key TEXT,
        state INTEGER NOT NULL,
        line INTEGER,
        held INTEGER,
        alarm INTEGER,
        holds INTEGER,
        suspicion INTEGER,
        child INTEGER,
        body BLOB NOT NULL
    );
    CREATE INDEX live_line ON live (line, priority DESC) WHERE line IS NOT NULL;
    CREATE INDEX live_running ON live (state) WHERE state = 2;
    CREATE INDEX live_alarm ON live (alarm) WHERE alarm IS NOT NULL;
    CREATE INDEX live_held ON live (held, queue, key, priority DESC) WHERE held IS NOT NULL;
    CREATE INDEX live_holds ON live (holds, key, line) WHERE holds IS NOT NULL;
    CREATE INDEX live_suspicion ON live (suspicion) WHERE suspicion IS NOT NULL;
    CREATE INDEX live_child ON live (child) WHERE child IS NOT NULL;
    CREATE TABLE ended (
        seq INTEGER PRIMARY KEY,
        state INTEGER NOT NULL,
        at INTEGER NOT NULL,
        spent INTEGER NOT NULL,
        keep_until INTEGER,
        failed_for INTEGER,
        body BLOB NOT NULL
    );
    CREATE INDEX ended_failed_for ON ended (failed_for) WHERE failed_for IS NOT NULL;

    CREATE TABLE checkpoints (seq INTEGER PRIMARY KEY, data BLOB NOT NULL);
    CREATE TABLE decisions (seq INTEGER PRIMARY KEY, data BLOB NOT NULL);
    CREATE TABLE logs (
        seq INTEGER NOT NULL,
        number INTEGER NOT NULL,
        at INTEGER NOT NULL,
        level INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (seq, number)
    ) WITHOUT ROWID;

    CREATE TABLE ids (
        key INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (key, seq)
    ) WITHOUT ROWID;
    CREATE TABLE waits (
        parent INTEGER NOT NULL,
        child INTEGER NOT NULL,
        PRIMARY KEY (parent, child)
    ) WITHOUT ROWID;
    CREATE TABLE abroad (
        parent TEXT NOT NULL,
        child INTEGER NOT NULL,
        PRIMARY KEY (parent, child)
    ) WITHOUT ROWID;
    CREATE TABLE marks (position INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
    CREATE TABLE uniques (key TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE queues (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, settings BLOB);
    CREATE TABLE counts (
        queue INTEGER NOT NULL,
        state INTEGER NOT NULL,
        n INTEGER NOT NULL,
        PRIMARY KEY (queue, state)
    ) WITHOUT ROWID;
    ",
    // Rate limits of concurrency keys.
    "
    CREATE TABLE paces (
        queue INTEGER NOT NULL,
        key TEXT NOT NULL,
        next INTEGER NOT NULL,
        wake INTEGER,
        PRIMARY KEY (queue, key)
    ) WITHOUT ROWID;
    CREATE INDEX paces_wake ON paces (wake) WHERE wake IS NOT NULL;
    ALTER TABLE meta ADD COLUMN paces INTEGER NOT NULL DEFAULT 0;
    ",
    // Schedules, whose rows are small where every run changes them; webhooks and their outbox; and
    // how boots end. How earlier boots ended is unknown, and none counts as crashed.
    "
    CREATE TABLE schedules (
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        due INTEGER,
        standing BLOB NOT NULL
    );
    CREATE INDEX schedules_due ON schedules (due, name) WHERE due IS NOT NULL;
    CREATE TABLE definitions (schedule INTEGER PRIMARY KEY, data BLOB NOT NULL);
    CREATE TABLE webhooks (name TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE outbox (
        position INTEGER PRIMARY KEY,
        webhook TEXT NOT NULL,
        event TEXT NOT NULL,
        at INTEGER NOT NULL,
        payload TEXT NOT NULL
    );
    CREATE INDEX outbox_webhook ON outbox (webhook);
    ALTER TABLE meta ADD COLUMN stopped INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE meta ADD COLUMN posted INTEGER NOT NULL DEFAULT 0;
    UPDATE meta SET stopped = epoch;
    ",
];

/// The version of an open file; 0: it has no tables yet.
pub(super) fn version(connection: &Connection) -> Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

/// Migrates an open file, whose version is not newer, to this version.
pub(super) fn migrate(connection: &Connection) -> Result<()> {
    migrate_to(connection, VERSION)
}

/// Migrates an open file to `target`.
fn migrate_to(connection: &Connection, target: usize) -> Result<()> {
    let from = version(connection)?;
    for (done, step) in STEPS.iter().enumerate().take(target).skip(from) {
        let transaction = connection.unchecked_transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", done as i64 + 1)?;
        if done == 0 {
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        }
        transaction.commit()?;
    }
    Ok(())
}

/// Creates or checks the file in `directory`, which is locked. Returns its path.
///
/// A new file gets its final name when it is complete: an empty file of that name is damaged.
///
/// # Errors
/// [`Error::Unusable`].
pub(super) fn prepare(directory: &Path) -> std::result::Result<PathBuf, Error> {
    let path = directory.join(DATABASE);
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.len() == 0 => {
            let why = "it is empty";
            return Err(damaged(&path, &why));
        }
        Ok(_) => {
            let connection = connection::reader(&path).map_err(|error| unusable(&path, &error))?;
            check(&path, &connection)?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let log = directory.join(format!("{DATABASE}-wal"));
            if log.exists() {
                return Err(Error::Unusable(format!(
                    "{} is missing, but its log {} is there; put the file back, or move the log away",
                    path.display(),
                    log.display()
                )));
            }
            create(directory, &path).map_err(|error| unusable(&path, &error))?;
        }
        Err(error) => {
            return Err(Error::Unusable(format!("{} cannot be read: {error}", path.display())));
        }
    }
    Ok(path)
}

fn create(directory: &Path, path: &Path) -> Result<()> {
    let new = directory.join(format!("{DATABASE}-new"));
    for left in [format!("{DATABASE}-new"), format!("{DATABASE}-new-wal")] {
        match std::fs::remove_file(directory.join(left)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(SqliteError::Io(error));
            }
            _ => {}
        }
    }
    let connection = connection::create(&new)?;
    migrate(&connection)?;
    connection.close().map_err(|(_, error)| error)?;
    // Closing has copied the log back and removed it.
    place(&new, path, directory).map_err(SqliteError::Io)
}

/// Renames a complete file to its final name, durably: syncs the file, then the directory.
pub(super) fn place(new: &Path, path: &Path, directory: &Path) -> std::io::Result<()> {
    place_with(new, path, directory, |path| File::open(path)?.sync_all())
}

fn place_with(
    new: &Path,
    path: &Path,
    directory: &Path,
    mut sync: impl FnMut(&Path) -> std::io::Result<()>,
) -> std::io::Result<()> {
    sync(new)?;
    std::fs::rename(new, path)?;
    sync(directory)
}

/// Checks that an open file is a store of no newer version. Returns its version.
///
/// # Errors
/// [`Error::Unusable`].
pub(super) fn check(path: &Path, connection: &Connection) -> std::result::Result<usize, Error> {
    let look = || {
        let application =
            connection.pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0))?;
        // A read that fails on a damaged file.
        let sql = "SELECT count(*) FROM sqlite_schema";
        connection.query_one(sql, [], |row| row.get::<_, i64>(0))?;
        Ok((application, version(connection)?))
    };
    let (application, version) = look().map_err(|error| unusable(path, &error))?;
    if application != APPLICATION_ID || version == 0 {
        return Err(Error::Unusable(format!(
            "{} is a database, but no task store; choose another directory",
            path.display()
        )));
    }
    if version > VERSION {
        return Err(Error::Unusable(format!(
            "{} has schema version {version}, and this program knows versions up to {VERSION}; use \
             the newer program that wrote it",
            path.display()
        )));
    }
    Ok(version)
}

/// The meaning of an error while a store is opened.
pub(super) fn unusable(path: &Path, error: &SqliteError) -> Error {
    if error.is_damage() {
        return damaged(path, error);
    }
    Error::Unusable(format!("{} cannot be opened: {error}", path.display()))
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::Unusable(format!(
        "{} is damaged: {why}; restore a backup, or move the file away to start empty",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_synced_before_its_rename_and_the_directory_after_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let (new, path) = (directory.path().join("new"), directory.path().join("file"));
        std::fs::write(&new, "whole").expect("it writes");
        let mut synced = Vec::new();
        let sync = |at: &Path| {
            synced.push((at.to_owned(), path.exists()));
            Ok(())
        };
        place_with(&new, &path, directory.path(), sync).expect("it is placed");
        assert_eq!(synced, [(new.clone(), false), (directory.path().to_owned(), true)]);
        assert!(!new.exists());
    }
}
