use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use task_scheduler::models::State;
use task_scheduler::store::sqlite::{backup, restore, verify};
use task_scheduler::store::{Change, Error, SqliteStore, Store as _};

use super::given::{Given, boot, name, now, schedule, webhook};

fn why(outcome: Result<(), Error>) -> String {
    match outcome {
        // A store in use may be free soon.
        Err(Error::Unusable(why) | Error::Unavailable(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_backup_taken_during_inserts_is_complete_and_can_be_restored() {
    let given = Given::new().await;
    given.commit(vec![schedule("s"), webhook("w")]).await;
    given.succeed("early").await;
    let elsewhere = tempfile::tempdir().expect("a directory");
    let copy = elsewhere.path().join("copy.db");
    let over = Arc::new(AtomicBool::new(false));
    let copying = std::thread::spawn({
        let (from, to, over) = (given.directory(), copy.clone(), over.clone());
        move || {
            backup(&from, &to).expect("it is copied");
            over.store(true, Ordering::Release);
        }
    });
    let mut rounds = 0;
    while !over.load(Ordering::Acquire) {
        given.enter((0..100).map(|n| format!("{rounds}.{n}"))).await;
        rounds += 1;
    }
    copying.join().expect("it ends");
    assert_eq!(verify(&copy).expect("it is a store"), Vec::<String>::new());

    let directory = elsewhere.path().join("data");
    restore(&copy, &directory).expect("it is put back");
    let store = SqliteStore::open_dir(&directory).expect("it opens");
    let opened = store.open(boot()).await.expect("it begins");
    assert!(opened.epoch > given.fence().epoch + 1_000, "no fence of the original is used again");
    assert_eq!(opened.events, [], "that the original ran is no sign of a crash");
    let schedules = store.schedules(None, 9).await.expect("it reads");
    assert_eq!(schedules.len(), 1);
    let posted = store.outbox(0, 1_000_000).await.expect("it reads");
    assert_eq!(posted.first().map(|it| it.event.as_str()), Some("task.accepted"));
    let last = posted.last().expect("there is one").position;
    store.commit([Change::Stop].into(), now()).await.expect("it commits");
    let latest = store.outbox(last, 9).await.expect("it reads");
    assert!(latest[0].position > last + 1_000, "no place of the original is used again");
    let waiting = opened.queues.first().map_or(0, |queue| queue.waiting());
    assert_eq!(waiting % 100, 0, "no half of a commit is in it");
    let found = store.find(&[name("early")]).await.expect("it reads");
    assert_eq!(found[0].as_ref().map(|found| found.state), Some(State::Succeeded));
    let names: Vec<_> = elsewhere.path().read_dir().expect("it lists").collect();
    assert_eq!(names.len(), 2, "nothing is left beside the copy: {names:?}");
}

#[tokio::test]
async fn nothing_is_ever_overwritten() {
    let given = Given::new().await;
    let elsewhere = tempfile::tempdir().expect("a directory");
    let copy = elsewhere.path().join("copy.db");
    std::fs::write(&copy, "mine").expect("it writes");
    let said = why(backup(&given.directory(), &copy));
    assert!(said.contains("exists; name a new file"), "{said}");
    assert_eq!(std::fs::read(&copy).expect("it reads"), b"mine");

    std::fs::remove_file(&copy).expect("it goes");
    backup(&given.directory(), &copy).expect("it is copied");
    let Err(Error::Unavailable(said)) = restore(&copy, &given.directory()) else {
        panic!("it was put back, or is not said to be possible later");
    };
    assert!(said.contains("is in use by process"), "{said}");
    let mut given = given;
    given.close();
    let said = why(restore(&copy, &given.directory()));
    assert!(said.contains("there is a store in"), "{said}");
}

#[test]
fn a_file_that_is_no_store_is_neither_backed_up_nor_restored() {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let copy = elsewhere.path().join("copy.db");
    let said = why(backup(elsewhere.path(), &copy));
    assert!(said.contains("there is no store at"), "{said}");
    assert!(!copy.exists());
    std::fs::write(&copy, [7; 9_000]).expect("it writes");
    let said = why(restore(&copy, &elsewhere.path().join("data")));
    assert!(said.contains("file is not a database"), "{said}");
    assert!(!elsewhere.path().join("data").exists());
}

/// Changes a valid file, and returns the problems found.
async fn spoil(sql: &str) -> Vec<String> {
    let mut given = Given::new().await;
    given.succeed("ended").await;
    given.commit(vec![schedule("s"), webhook("w")]).await;
    given.run("running").await;
    given.enter(["waiting".to_owned()]).await;
    given.close();
    assert_eq!(verify(&given.directory()).expect("it is a store"), Vec::<String>::new());
    plant(&given.directory(), sql);
    verify(&given.directory()).expect("it is a store")
}

fn plant(directory: &Path, sql: &str) {
    let file = Connection::open(directory.join("tasks.db")).expect("it opens");
    file.execute_batch(sql).expect("it is planted");
}

#[tokio::test]
async fn verify_finds_every_inconsistency() {
    for (sql, expected) in [
        ("UPDATE counts SET n = n + 1 WHERE state = 4", "the counters of queues are"),
        ("UPDATE meta SET spent_well = 7", "the counter spent_well is 7; expected 1"),
        (
            "INSERT INTO live SELECT 1, queue, priority, key, state, line, held, alarm, holds,
            suspicion, child, body FROM live LIMIT 1",
            "task 1 is both unfinished and ended",
        ),
        ("DELETE FROM ended", "task 1 has no state"),
        (
            "DELETE FROM ids WHERE seq = 1; UPDATE meta SET watermark = 9",
            "cannot be found by its id",
        ),
        ("UPDATE live SET body = x'ffff'", "cannot be read"),
        ("UPDATE live SET line = NULL", "task 3 disagrees with its columns"),
        ("UPDATE ended SET at = 1", "task 1 disagrees with its columns"),
        ("INSERT INTO logs VALUES (99, 1, 0, 0, 1, 'x')", "table logs refers to task 99"),
        ("INSERT INTO waits VALUES (1, 77)", "table waits refers to task 77"),
        ("DELETE FROM definitions", "schedule s lacks its definition"),
        ("UPDATE schedules SET standing = x'ffff'", "schedule s: a schedule cannot be read"),
        ("UPDATE definitions SET data = x'0a0131'", "schedule s: a schedule cannot be read"),
        ("UPDATE schedules SET standing = x''", "schedule s is disabled, but has a next time"),
        ("UPDATE webhooks SET data = x'ffff'", "a webhook cannot be read"),
        ("DELETE FROM webhooks", "outbox entry 1 is for a webhook that does not exist"),
        ("UPDATE meta SET posted = 0", "outbox entry 1 has a position that was never used"),
    ] {
        let problems = spoil(sql).await;
        assert!(problems.iter().any(|line| line.contains(expected)), "{sql}: {problems:?}");
    }
}

#[tokio::test]
async fn verify_finds_a_page_that_was_overwritten() {
    let mut given = Given::new().await;
    given.enter((0..500).map(|n| format!("task {n}"))).await;
    given.close();
    let path = given.directory().join("tasks.db");
    let mut bytes = std::fs::read(&path).expect("it reads");
    let middle = bytes.len() / 2 / 4_096 * 4_096;
    bytes[middle..middle + 4_096].fill(0xa5);
    std::fs::write(&path, bytes).expect("it writes");
    match verify(&given.directory()) {
        Ok(problems) => assert!(!problems.is_empty()),
        Err(Error::Unusable(why)) => assert!(why.contains("is damaged"), "{why}"),
        Err(other) => panic!("{other:?}"),
    }
}
