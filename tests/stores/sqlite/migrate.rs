use rusqlite::Connection;
use task_scheduler::models::{Event, State};
use task_scheduler::store::sqlite::verify;
use task_scheduler::store::{SqliteStore, Store as _};

use super::given::{boot, name};

/// What version 1 wrote: tasks in every state, one with a log and a checkpoint.
const VERSION_1: &str = include_str!("version_1.sql");

#[tokio::test]
async fn a_file_of_an_older_version_is_migrated_with_all_its_tasks() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tasks.db");
    let file = Connection::open(&path).expect("it opens");
    file.execute_batch(VERSION_1).expect("it is written");
    drop(file);

    let store = SqliteStore::open_dir(directory.path()).expect("it opens");
    let opened = store.open(boot()).await.expect("it begins");
    assert_eq!(opened.rescued, 1);
    let told: Vec<&str> = opened.events.iter().map(Event::name).collect();
    assert_eq!(told, ["task.rescued"], "nobody knows whether the boot before it crashed");
    assert_eq!(store.schedules(None, 9).await.expect("it reads"), []);
    assert_eq!(
        (store.webhooks().await.expect("it reads"), store.outbox(0, 9).await.expect("it reads")),
        (vec![], vec![])
    );
    for (id, state) in [
        ("succeeded", State::Succeeded),
        ("failed", State::Failed),
        ("cancelled", State::Cancelled),
        ("waiting", State::Queued),
        ("later", State::Pending),
        ("running", State::Queued),
        ("dependant", State::Pending),
    ] {
        let found = store.find(&[name(id)]).await.expect("it reads");
        let found = found[0].as_ref().unwrap_or_else(|| panic!("{id} is not there"));
        assert_eq!(found.state, state, "{id}");
    }
    let found = store.find(&[name("running")]).await.expect("it reads");
    assert_eq!(found[0].as_ref().map(|found| found.checkpoint_bytes), Some(3));
    let lines = store.logs(&name("running"), 0, 9).await.expect("it reads");
    assert_eq!(lines.iter().map(|line| &*line.text).collect::<Vec<_>>(), ["it runs"]);
    drop(store);
    let version: i64 = Connection::open(&path)
        .and_then(|file| file.pragma_query_value(None, "user_version", |row| row.get(0)))
        .expect("it reads");
    assert_eq!(version, 3);
    assert_eq!(verify(directory.path()).expect("it is a store"), Vec::<String>::new());
}
