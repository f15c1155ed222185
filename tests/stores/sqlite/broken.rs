use std::process::Command;

use task_scheduler::store::{Error, SqliteStore, Store as _};

use super::given::{boot, name, now, task};
use task_scheduler::store::{Change, Insert};

/// The directory of the child's store.
const DIRECTORY: &str = "SQLITE_TEST_DIRECTORY";

/// A write fails in the middle of a commit, as on a broken disk: the kernel refuses files longer
/// than a megabyte.
#[tokio::test]
async fn a_commit_that_cannot_be_written_is_refused_and_acknowledged_tasks_stay() {
    let directory = tempfile::tempdir().expect("a directory");
    let limited = r#"trap "" XFSZ; ulimit -f 2048; exec "$0" "$@""#;
    let child = Command::new("sh")
        .args(["-c", limited])
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "sqlite::broken::child", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory.path())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
    let acknowledged = said.lines().find_map(|line| line.strip_prefix("acknowledged "));
    let acknowledged: u64 = acknowledged.and_then(|n| n.parse().ok()).expect("a number");
    assert!(acknowledged > 10, "{acknowledged}");

    let store = SqliteStore::open_dir(directory.path()).expect("it opens");
    store.open(boot()).await.expect("it begins");
    for n in 0..acknowledged {
        let found = store.find(&[name(&format!("task {n}"))]).await.expect("it reads");
        assert!(found[0].is_some(), "task {n} was acknowledged");
    }
}

#[tokio::test]
#[ignore = "is run by the test above, with a limit"]
async fn child() {
    let directory = std::env::var_os(DIRECTORY).expect("the test above sets it");
    let store = SqliteStore::open_dir(directory.as_ref()).expect("it opens");
    let opened = store.open(boot()).await.expect("it begins");
    let mut acknowledged = 0;
    let error = loop {
        let mut task = task(name(&format!("task {acknowledged}")));
        task.args.push(vec![7u8; 20_000].into());
        let sequence = task_scheduler::models::Sequence(opened.next_sequence.0 + acknowledged);
        let (task, deps, foreign) = (task.into(), Vec::new(), Vec::new());
        let insert = Insert { sequence, task, deps, foreign, claim: None };
        match store.commit([Change::Insert(insert)].into(), now()).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    // Acknowledged tasks can be read.
    for n in 0..acknowledged {
        let found = store.find(&[name(&format!("task {n}"))]).await.expect("it reads");
        assert!(found[0].is_some(), "task {n} was acknowledged");
    }
    assert_eq!(store.queues().await.expect("it reads")[0].waiting(), acknowledged);
    println!("acknowledged {acknowledged}");
}
