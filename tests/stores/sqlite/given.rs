//! A store in a directory of its own, and helpers for tests.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use task_scheduler::clock::Timestamp;
use task_scheduler::models::{
    ArgValue, CatchUp, Digest, Durability, EventFilter, Fence, Name, OnDependencyFailure, Options,
    Overlap, QueueName, RetryPolicy, Rule, Schedule, Secret, Sequence, Task, TaskId, Webhook,
};
use task_scheduler::store::{
    Change, ChangeResult, ClaimRequest, Commit, Error, Insert, NOTIFY_SLICE, OpenOptions,
    SqliteStore, Store as _, sqlite,
};

pub(crate) struct Given {
    options: sqlite::Options,
    /// `None` while it is closed.
    store: Option<SqliteStore>,
    epoch: Cell<u64>,
    counter: Cell<u64>,
    next: Cell<u64>,
    directory: tempfile::TempDir,
}

pub(crate) const NOW: Duration = Duration::from_secs(1_800_000_000);

pub(crate) fn now() -> Timestamp {
    Timestamp::EPOCH.plus(NOW)
}

impl Given {
    pub(crate) async fn new() -> Self {
        Self::with(sqlite::Options::default()).await
    }

    pub(crate) async fn with(options: sqlite::Options) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (epoch, counter, next) = (Cell::new(0), Cell::new(0), Cell::new(0));
        let mut given = Self { options, store: None, epoch, counter, next, directory };
        given.open().await;
        given
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    pub(crate) fn store(&self) -> &SqliteStore {
        self.store.as_ref().expect("it is open")
    }

    pub(crate) fn close(&mut self) {
        self.store = None;
    }

    /// Opens the file again, as the next process does.
    pub(crate) async fn open(&mut self) {
        self.close();
        let store = SqliteStore::open_with(self.directory.path(), &self.options).expect("it opens");
        let opened = store.open(boot()).await.expect("it begins");
        self.epoch.set(opened.epoch);
        self.next.set(opened.next_sequence.0);
        self.store = Some(store);
    }

    pub(crate) fn fence(&self) -> Fence {
        self.counter.set(self.counter.get() + 1);
        Fence { epoch: self.epoch.get(), counter: self.counter.get() }
    }

    pub(crate) fn insert(&self, id: &str) -> Insert {
        self.insert_task(task(name(id)))
    }

    pub(crate) fn insert_task(&self, task: Task) -> Insert {
        let sequence = Sequence(self.next.get());
        self.next.set(sequence.0 + 1);
        let deps = task.deps.clone();
        Insert { sequence, task: Arc::new(task), deps, foreign: Vec::new(), claim: None }
    }

    pub(crate) async fn try_commit(&self, changes: Vec<Change>) -> Result<Commit, Error> {
        self.store().commit(changes.into(), now()).await
    }

    pub(crate) async fn commit(&self, changes: Vec<Change>) -> Commit {
        self.try_commit(changes).await.expect("it commits")
    }

    /// Inserts tasks.
    pub(crate) async fn enter(&self, ids: impl IntoIterator<Item = String>) {
        let inserts = ids.into_iter().map(|id| Change::Insert(self.insert(&id))).collect();
        for applied in self.commit(inserts).await.applied {
            assert!(matches!(applied.result, ChangeResult::Inserted(_)), "{applied:?}");
        }
    }

    /// Inserts a task and completes it.
    pub(crate) async fn succeed(&self, id: &str) {
        let (insert, fence) = (self.insert(id), self.fence());
        let sequence = insert.sequence;
        let insert = Change::Insert(Insert { claim: Some(fence), ..insert });
        self.commit(vec![insert, complete(sequence, fence)]).await;
    }

    pub(crate) async fn run(&self, id: &str) -> (Sequence, Fence) {
        let (insert, fence) = (self.insert(id), self.fence());
        let sequence = insert.sequence;
        self.commit(vec![Change::Insert(insert)]).await;
        let wanted = vec![ClaimRequest { sequence, fence }];
        let claims = self.store().claim(wanted, now()).await.expect("it claims");
        assert!(claims.claimed[0].is_some());
        (sequence, fence)
    }
}

pub(crate) fn boot() -> OpenOptions {
    OpenOptions { now: now(), quarantine_after: 2, notify_slice: NOTIFY_SLICE }
}

pub(crate) fn name(id: &str) -> TaskId {
    TaskId::parse(id, "task_id").expect("a good id")
}

/// A schedule that is due now.
pub(crate) fn schedule(called: &str) -> Change {
    let schedule = Arc::new(Schedule {
        name: Name::parse(called, "name").expect("a good name"),
        description: String::new(),
        rule: Rule::Every { interval: Duration::from_secs(60), anchor: now() },
        task: Arc::new(task(name("template"))),
        overlap: Overlap::Skip,
        catch_up: CatchUp::Last,
        jitter: Duration::ZERO,
    });
    Change::SetSchedule { schedule, enabled: true, next: Some(now()) }
}

/// A webhook for every event.
pub(crate) fn webhook(called: &str) -> Change {
    Change::SetWebhook(Arc::new(Webhook {
        name: Name::parse(called, "name").expect("a good name"),
        description: String::new(),
        url: "http://localhost/".into(),
        filter: EventFilter::default(),
        secret: Secret::new("sixteen bytes and more"),
        timeout: Duration::from_secs(5),
        retries: 3,
        enabled: true,
        updated_at: now(),
    }))
}

pub(crate) fn complete(sequence: Sequence, fence: Fence) -> Change {
    Change::Complete { sequence, fence, result: Arc::new(ArgValue::Int32(3)) }
}

pub(crate) fn task(id: TaskId) -> Task {
    let args = vec![ArgValue::Int32(1), ArgValue::Int32(2)];
    Task {
        id,
        method: "add".into(),
        digest: Digest::of("add", &args, &[]),
        args,
        deps: Vec::new(),
        submitted_at: now(),
        parent: None,
        options: Options {
            queue: QueueName::default(),
            priority: 0,
            run_at: None,
            expires_at: None,
            timeout: Duration::from_secs(300),
            retry: RetryPolicy::with_retries(3),
            durability: Durability::Durable,
            wait_for_dependencies: true,
            on_dependency_failure: OnDependencyFailure::Fail,
            labels: None,
            keys: None,
        },
    }
}
