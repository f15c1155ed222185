use std::path::Path;

use task_scheduler::models::State;
use task_scheduler::store::{SqliteStore, Store as _};

use super::given::{Given, boot, complete, name};

/// Copies the files as they are after a process that ends now.
fn copy_files(from: &Path, to: &Path) {
    for file in ["tasks.db", "tasks.db-wal"] {
        if from.join(file).exists() {
            std::fs::copy(from.join(file), to.join(file)).expect("it is copied");
        }
    }
}

#[tokio::test]
async fn acknowledged_tasks_survive_a_process_that_ends_at_any_point() {
    let given = Given::new().await;
    for round in 0..20 {
        let (first, fence) = given.run(&format!("done {round}")).await;
        given.run(&format!("running {round}")).await;
        given.enter((0..40).map(|n| format!("waiting {round}.{n}"))).await;
        given.commit(vec![complete(first, fence)]).await;

        let copy = tempfile::tempdir().expect("a directory");
        copy_files(&given.directory(), copy.path());
        let store = SqliteStore::open_dir(copy.path()).expect("it opens");
        let opened = store.open(boot()).await.expect("it begins");
        assert_eq!(opened.rescued, round + 1);
        for (id, state) in [("done", State::Succeeded), ("running", State::Queued)] {
            for earlier in 0..=round {
                let found =
                    store.find(&[name(&format!("{id} {earlier}"))]).await.expect("it reads");
                assert_eq!(found[0].as_ref().map(|found| found.state), Some(state));
            }
        }
        let queues = store.queues().await.expect("it reads");
        assert_eq!(queues[0].waiting(), (round + 1) * 41);
        drop(store);
        let problems = task_scheduler::store::sqlite::verify(copy.path()).expect("it is a store");
        assert!(problems.is_empty(), "{problems:?}");
    }
}

#[tokio::test]
async fn a_torn_last_page_of_the_log_loses_only_unacknowledged_writes() {
    let given = Given::new().await;
    given.enter(["kept".to_owned()]).await;
    let copy = tempfile::tempdir().expect("a directory");
    copy_files(&given.directory(), copy.path());
    let kept = std::fs::metadata(copy.path().join("tasks.db-wal")).expect("a log").len();
    given.enter(["torn".to_owned()]).await;
    copy_files(&given.directory(), copy.path());
    let log = std::fs::OpenOptions::new().write(true).open(copy.path().join("tasks.db-wal"));
    log.expect("a log").set_len(kept + 1_000).expect("it is cut");
    let store = SqliteStore::open_dir(copy.path()).expect("it opens");
    let found = store.find(&[name("kept"), name("torn")]).await.expect("it reads");
    assert_eq!([found[0].is_some(), found[1].is_some()], [true, false]);
}

#[tokio::test]
async fn epochs_grow_from_one_process_to_the_next() {
    let mut given = Given::new().await;
    let first = given.fence().epoch;
    given.open().await;
    assert_eq!(given.fence().epoch, first + 1);
}

#[tokio::test]
async fn the_log_stays_short_under_load() {
    let given = Given::new().await;
    for round in 0..200 {
        given.enter((0..256).map(|n| format!("{round}.{n}"))).await;
    }
    let log = std::fs::metadata(given.directory().join("tasks.db-wal")).expect("a log").len();
    assert!(log < 64 << 20, "{log} bytes");
}
