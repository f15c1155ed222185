use std::path::Path;

use rusqlite::Connection;
use task_scheduler::store::{Error, SqliteStore};

use super::given::Given;

/// The error for a directory that cannot be opened.
fn refusal(directory: &Path) -> String {
    match SqliteStore::open_dir(directory) {
        Ok(_) => panic!("it opened"),
        // A store in use may be free soon.
        Err(Error::Unusable(why) | Error::Unavailable(why)) => why,
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_directory_cannot_be_opened_twice() {
    let mut given = Given::new().await;
    let Err(Error::Unavailable(why)) = SqliteStore::open_dir(&given.directory()) else {
        panic!("it opened, or is not said to be free later");
    };
    let process = format!("is in use by process {}", std::process::id());
    assert!(why.contains(&process), "{why}");
    given.close();
    given.open().await;
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let mut given = Given::new().await;
    given.close();
    let file = Connection::open(given.directory().join("tasks.db")).expect("it opens");
    file.pragma_update(None, "user_version", 99).expect("it writes");
    drop(file);
    let why = refusal(&given.directory());
    assert!(
        why.contains("has schema version 99, and this program knows versions up to 3"),
        "{why}"
    );
    assert!(why.contains("use the newer program"), "{why}");
}

#[test]
fn a_file_that_is_no_store_is_refused_and_not_changed() {
    let garbage = |bytes: &[u8], expected: &str| {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("tasks.db");
        std::fs::write(&file, bytes).expect("it writes");
        let why = refusal(directory.path());
        assert!(why.contains(expected), "{why}");
        assert_eq!(std::fs::read(&file).expect("it reads"), bytes);
    };
    garbage(b"", "is damaged: it is empty; restore a backup");
    garbage(&[7; 10_000], "is damaged: file is not a database; restore a backup");
}

#[test]
fn a_database_of_another_program_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = Connection::open(directory.path().join("tasks.db")).expect("it opens");
    file.execute_batch("CREATE TABLE birds (name TEXT)").expect("it writes");
    drop(file);
    let why = refusal(directory.path());
    assert!(why.contains("is a database, but no task store"), "{why}");
}

#[tokio::test]
async fn a_file_that_was_cut_is_refused() {
    let mut given = Given::new().await;
    given.enter((0..2_000).map(|n| format!("task {n}"))).await;
    given.close();
    let path = given.directory().join("tasks.db");
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("it opens");
    file.set_len(file.metadata().expect("a size").len() / 2).expect("it is cut");
    drop(file);
    let why = refusal(&given.directory());
    assert!(why.contains("is damaged: database disk image is malformed"), "{why}");
}

#[tokio::test]
async fn a_log_without_its_file_is_refused() {
    let mut given = Given::new().await;
    given.close();
    let directory = given.directory();
    std::fs::remove_file(directory.join("tasks.db")).expect("it goes");
    std::fs::write(directory.join("tasks.db-wal"), [0; 32]).expect("it writes");
    let why = refusal(&directory);
    assert!(why.contains("tasks.db is missing, but its log"), "{why}");
}

#[test]
fn a_directory_that_cannot_be_created_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    std::fs::write(&file, "").expect("it writes");
    let why = refusal(&file.join("data"));
    assert!(why.contains("cannot be created"), "{why}");
}
