//! Faults of the disk, with limits that SQLite enforces itself.

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::models::{
    ArgValue, Digest, Durability, OnDependencyFailure, Options, QueueName, RetryPolicy, Sequence,
    Task, TaskId,
};
use crate::store::sqlite::{self, id_filter, id_key, schema};
use crate::store::{ChangeResult, Insert};

fn file() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = schema::prepare(directory.path()).expect("a file");
    (directory, path)
}

fn writer(connection: &Connection) -> Writer<'_> {
    writer_with(connection, &sqlite::Options::default())
}

fn writer_with<'c>(connection: &'c Connection, options: &sqlite::Options) -> Writer<'c> {
    let keys = id_key::Keys::load(connection).expect("a seed");
    let known = Arc::new(id_filter::IdFilter::new(true, options.ids_per_filter));
    let write_txn = WriteTxn::new(connection, keys, known, Arc::default(), options.kept_rows);
    Writer::new(connection, write_txn.expect("it reads"), Arc::default(), Arc::default())
}

fn insert(sequence: u64, bytes: usize) -> Change {
    let args = vec![ArgValue::Bytes(vec![7; bytes])];
    let task = Task {
        id: TaskId::parse(&format!("task {sequence}"), "").expect("a good id"),
        method: "add".into(),
        digest: Digest::of("add", &args, &[]),
        args,
        deps: Vec::new(),
        submitted_at: Timestamp::EPOCH,
        parent: None,
        options: Options {
            queue: QueueName::default(),
            priority: 0,
            run_at: None,
            expires_at: None,
            timeout: Duration::from_secs(1),
            retry: RetryPolicy::with_retries(0),
            durability: Durability::Durable,
            wait_for_dependencies: false,
            on_dependency_failure: OnDependencyFailure::Fail,
            labels: None,
            keys: None,
        },
    };
    let sequence = Sequence(sequence);
    let (task, deps, foreign) = (Arc::new(task), Vec::new(), Vec::new());
    Change::Insert(Insert { sequence, task, deps, foreign, claim: None })
}

fn committed(written: std::result::Result<Written, Error>) -> std::result::Result<Commit, Error> {
    written.map(|written| match written {
        Written::Commit(commit) => commit,
        Written::Open(_) | Written::Claim(_) => panic!("a commit is answered with a commit"),
    })
}

fn commit(writer: &mut Writer<'_>, change: Change) -> std::result::Result<Commit, Error> {
    let (reply, mut replied) = oneshot::channel();
    let write = Write::Commit(Arc::new([change]), Timestamp::EPOCH);
    writer.serve(&mut vec![Request { write, reply }]);
    committed(replied.try_recv().expect("a reply"))
}

fn waiting(connection: &Connection) -> i64 {
    let sql = "SELECT count(*) FROM tasks JOIN live USING (seq) JOIN counts ON n > 0";
    connection.query_one(sql, [], |row| row.get(0)).expect("it reads")
}

#[test]
fn a_full_disk_refuses_writes_and_keeps_what_is_stored() {
    let (_directory, path) = file();
    let connection = super::super::connection::writer(&path).expect("it opens");
    let mut writer = writer(&connection);
    let limit = |pages: i64| {
        let sql = format!("PRAGMA max_page_count = {pages}");
        connection.query_one(&sql, [], |row| row.get::<_, i64>(0)).expect("a limit");
    };
    commit(&mut writer, insert(1, 1_000)).expect("there is room");
    limit(60);
    let mut entered = 1;
    let full = loop {
        match commit(&mut writer, insert(entered + 1, 20_000)) {
            Ok(_) => entered += 1,
            Err(error) => break error,
        }
        assert!(entered < 100, "it is full at some time");
    };
    assert!(matches!(&full, Error::Unavailable(why) if why.contains("full")), "{full:?}");
    for again in 0..3 {
        let error = commit(&mut writer, insert(entered + 1, 20_000)).expect_err("it is still full");
        assert!(matches!(error, Error::Unavailable(_)), "{again}: {error:?}");
        assert_eq!(waiting(&connection), entered.cast_signed());
    }
    limit(10_000);
    let applied = commit(&mut writer, insert(entered + 1, 20_000)).expect("there is room").applied;
    assert!(matches!(applied[0].result, ChangeResult::Inserted(_)), "{applied:?}");
    assert_eq!(waiting(&connection), entered.cast_signed() + 1);
    let queues = writer.txn.queues().expect("it reads");
    assert_eq!(queues[0].waiting(), entered + 1, "counters were taken back, too");
}

#[test]
fn a_read_only_file_refuses_writes_and_can_be_read() {
    let (_directory, path) = file();
    let connection = super::super::connection::writer(&path).expect("it opens");
    let mut writer = writer(&connection);
    commit(&mut writer, insert(1, 10)).expect("it commits");
    connection.pragma_update(None, "query_only", true).expect("a switch");
    let error = commit(&mut writer, insert(2, 10)).expect_err("it is read-only");
    assert!(matches!(&error, Error::Unavailable(why) if why.contains("readonly")), "{error:?}");
    assert_eq!(waiting(&connection), 1);
    connection.pragma_update(None, "query_only", false).expect("a switch");
    commit(&mut writer, insert(2, 10)).expect("it commits");
    assert_eq!(waiting(&connection), 2);
}

#[test]
fn a_repeated_commit_returns_its_first_result() {
    let (_directory, path) = file();
    let connection = super::super::connection::writer(&path).expect("it opens");
    let mut writer = writer(&connection);
    let changes: Arc<[Change]> = Arc::new([insert(1, 10), insert(2, 10)]);
    let mut repeat = || {
        let (reply, mut replied) = oneshot::channel();
        let write = Write::Commit(changes.clone(), Timestamp::EPOCH);
        writer.serve(&mut vec![Request { write, reply }]);
        committed(replied.try_recv().expect("a reply")).expect("it commits")
    };
    assert_eq!(repeat(), repeat());
}

#[test]
fn claims_beside_a_commit_share_its_transaction() {
    let (_directory, path) = file();
    let connection = super::super::connection::writer(&path).expect("it opens");
    let mut writer = writer(&connection);
    commit(&mut writer, insert(1, 10)).expect("it commits");
    let (reply, mut commit_reply) = oneshot::channel();
    let write = Write::Commit(Arc::new([insert(2, 10)]), Timestamp::EPOCH);
    let commit = Request { write, reply };
    let (reply, mut claim_reply) = oneshot::channel();
    let fence = crate::models::Fence { epoch: 1, counter: 1 };
    let wanted = vec![ClaimRequest { sequence: Sequence(1), fence }];
    let claim = Request { write: Write::Claim(wanted, Timestamp::EPOCH), reply };
    let before = connection.total_changes();
    writer.serve(&mut vec![claim, commit]);
    let Ok(Written::Claim(claims)) = claim_reply.try_recv().expect("a reply") else {
        panic!("it claims")
    };
    assert!(claims.claimed[0].is_some());
    committed(commit_reply.try_recv().expect("a reply")).expect("it commits");
    let meta_writes = connection.total_changes() - before;
    assert!(meta_writes < 12, "one transaction writes the counters once: {meta_writes} rows");
    assert_eq!(waiting(&connection), 2 * 2, "two tasks, two counters that are not zero");
}

#[test]
fn a_failed_fsync_breaks_the_store_and_a_failed_write_does_not() {
    let meaning = |code| {
        let error = rusqlite::ffi::Error::new(code);
        SqliteError::Sqlite(rusqlite::Error::SqliteFailure(error, None)).at_commit()
    };
    use rusqlite::ffi;
    assert!(matches!(meaning(ffi::SQLITE_IOERR_FSYNC), Error::Broken(_)));
    assert!(matches!(meaning(ffi::SQLITE_IOERR_WRITE), Error::Unavailable(_)));
    assert!(matches!(meaning(ffi::SQLITE_FULL), Error::Unavailable(_)));
}

#[test]
fn claimable_rows_stay_in_memory_up_to_a_limit() {
    let (_directory, path) = file();
    let connection = super::super::connection::writer(&path).expect("it opens");
    let mut writer =
        writer_with(&connection, &sqlite::Options { kept_rows: 10, ..sqlite::Options::default() });
    for sequence in 1..=100 {
        commit(&mut writer, insert(sequence, 10)).expect("it commits");
        let kept = writer.txn.cached_rows();
        let expected = usize::try_from(sequence).expect("few").min(11);
        assert!((10.min(expected)..=11).contains(&kept), "{kept} rows after {sequence}");
    }
}
