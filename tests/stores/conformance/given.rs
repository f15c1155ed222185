//! A store with a clock and numbers of its own, and helpers for tests.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use task_scheduler::clock::Timestamp;
use task_scheduler::error::Code;
use task_scheduler::models::{
    ArgValue, Digest, Durability, Ended, Ending, Event, Failure, Fence, Keys, OnDependencyFailure,
    Options, Outcome, QueueLimits, QueueName, RetryPolicy, Sequence, Snapshot, State, Task, TaskId,
};
use task_scheduler::store::{
    Applied, Change, ChangeResult, ClaimRequest, ClaimableTask, Claimed, Claims, Commit, Insert,
    MemoryStore, NOTIFY_SLICE, OpenOptions, OpenReport, Position, SqliteStore, Store,
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// The default of `OpenOptions::quarantine_after` in tests.
pub(crate) const QUARANTINE_AFTER: u32 = 2;

/// An open store. Its clock only moves when a test moves it.
pub(crate) struct Given {
    pub(crate) store: Arc<dyn Store>,
    /// The events of its first boot.
    pub(crate) first: Vec<Event>,
    kept: Kept,
    now: Cell<Timestamp>,
    epoch: Cell<u64>,
    sequences: Cell<u64>,
    fences: Cell<u64>,
}

/// What a store keeps between two processes.
enum Kept {
    Nothing,
    Directory(tempfile::TempDir),
}

impl Kept {
    /// Opens the store, as the next process does.
    fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Nothing => Arc::new(MemoryStore::default()),
            Self::Directory(directory) => {
                Arc::new(SqliteStore::open_dir(directory.path()).expect("it opens"))
            }
        }
    }
}

impl Given {
    pub(crate) async fn memory() -> Self {
        Self::kept(Kept::Nothing).await
    }

    pub(crate) async fn sqlite() -> Self {
        Self::kept(Kept::Directory(tempfile::tempdir().expect("a directory"))).await
    }

    async fn kept(kept: Kept) -> Self {
        let mut given = Self {
            store: kept.open(),
            first: Vec::new(),
            kept,
            now: Cell::new(Timestamp::EPOCH.plus(Duration::from_secs(1_800_000_000))),
            epoch: Cell::new(0),
            sequences: Cell::new(0),
            fences: Cell::new(0),
        };
        given.first = given.open().await.events;
        given
    }

    /// Begins another boot of the same store.
    pub(crate) async fn open(&self) -> OpenReport {
        self.open_with(QUARANTINE_AFTER).await
    }

    pub(crate) async fn open_with(&self, quarantine_after: u32) -> OpenReport {
        let boot = OpenOptions { now: self.now(), quarantine_after, notify_slice: NOTIFY_SLICE };
        let opened = self.store.open(boot).await.expect("it opens");
        self.epoch.set(opened.epoch);
        opened
    }

    /// Ends the process, and opens the store again.
    pub(crate) async fn restart(&mut self) -> OpenReport {
        self.restart_with(QUARANTINE_AFTER).await
    }

    pub(crate) async fn restart_with(&mut self, quarantine_after: u32) -> OpenReport {
        // The old store is closed first.
        self.store = Kept::Nothing.open();
        self.store = self.kept.open();
        self.open_with(quarantine_after).await
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now.get()
    }

    pub(crate) fn after(&self, wait: Duration) -> Timestamp {
        self.now().plus(wait)
    }

    pub(crate) fn wait(&self, wait: Duration) {
        self.now.set(self.after(wait));
    }

    pub(crate) fn sequence(&self) -> Sequence {
        self.sequences.set(self.sequences.get() + 1);
        Sequence(self.sequences.get())
    }

    pub(crate) fn fence(&self) -> Fence {
        self.fences.set(self.fences.get() + 1);
        Fence { epoch: self.epoch.get(), counter: self.fences.get() }
    }

    pub(crate) async fn commit_all(&self, changes: Arc<[Change]>) -> Commit {
        self.store.commit(changes, self.now()).await.expect("it commits")
    }

    /// Commits a change, and returns its result without events; see [`tell`](Self::tell). A refused
    /// change emits none.
    pub(crate) async fn commit(&self, change: Change) -> Applied {
        let applied = self.tell(change).await;
        if refused(&applied.result) {
            assert_eq!(applied.events, [], "{:?}", applied.result);
        }
        Applied { events: Vec::new(), ..applied }
    }

    /// Commits a change, and returns its result with events.
    pub(crate) async fn tell(&self, change: Change) -> Applied {
        self.commit_all(Arc::new([change])).await.applied.remove(0)
    }

    /// The insert of a task.
    pub(crate) fn insert(&self, task: Task) -> Insert {
        let deps = task.deps.clone();
        let sequence = self.sequence();
        Insert { sequence, task: Arc::new(task), deps, foreign: Vec::new(), claim: None }
    }

    /// Inserts a task.
    pub(crate) async fn enter(&self, task: Task) -> Sequence {
        let insert = self.insert(task);
        let sequence = insert.sequence;
        let applied = self.commit(Change::Insert(insert)).await;
        assert!(matches!(applied.result, ChangeResult::Inserted(_)), "{applied:?}");
        sequence
    }

    /// Inserts many tasks at once.
    pub(crate) async fn enter_all(&self, tasks: impl IntoIterator<Item = Task>) {
        let changes = tasks.into_iter().map(|task| Change::Insert(self.insert(task))).collect();
        for applied in self.commit_all(changes).await.applied {
            assert!(matches!(applied.result, ChangeResult::Inserted(_)), "{applied:?}");
        }
    }

    /// Inserts and claims a task.
    pub(crate) async fn run(&self, task: Task) -> (Sequence, Fence) {
        let sequence = self.enter(task).await;
        let claimed = self.claim(sequence).await.expect("it can be claimed");
        (sequence, claimed.fence)
    }

    pub(crate) async fn claim(&self, sequence: Sequence) -> Option<Claimed> {
        self.claim_under(sequence, self.fence()).await
    }

    pub(crate) async fn claim_under(&self, sequence: Sequence, fence: Fence) -> Option<Claimed> {
        let wanted = vec![ClaimRequest { sequence, fence }];
        self.claim_all(wanted).await.claimed.pop().expect("one answer for each wish")
    }

    pub(crate) async fn claim_all(&self, wanted: Vec<ClaimRequest>) -> Claims {
        let requests = wanted.len();
        let claims = self.store.claim(wanted, self.now()).await.expect("it claims");
        assert_eq!(claims.claimed.len(), requests);
        claims
    }

    /// Inserts a task, runs it, and completes it.
    pub(crate) async fn succeed(&self, task: Task) -> Sequence {
        let (sequence, fence) = self.run(task).await;
        self.commit(complete(sequence, fence)).await;
        sequence
    }

    /// Inserts a task, runs it, and fails it.
    pub(crate) async fn fail(&self, task: Task) -> Sequence {
        let (sequence, fence) = self.run(task).await;
        self.commit(fail(sequence, fence)).await;
        sequence
    }

    pub(crate) async fn known(&self, id: &str) -> Option<Snapshot> {
        let found = self.store.find(&[name(id)]).await.expect("it reads");
        assert_eq!(found.len(), 1);
        let found = found.into_iter().next().flatten();
        if found.is_some() {
            assert!(self.store.may_know(&name(id)), "{id} is known");
        }
        found
    }

    pub(crate) async fn find(&self, id: &str) -> Snapshot {
        self.known(id).await.unwrap_or_else(|| panic!("{id} is not known"))
    }

    pub(crate) async fn state(&self, id: &str) -> State {
        self.find(id).await.state
    }

    pub(crate) async fn states<const N: usize>(&self, ids: [&str; N]) -> [State; N] {
        let names: Vec<TaskId> = ids.into_iter().map(name).collect();
        let found = self.store.find(&names).await.expect("it reads");
        let states = found.into_iter().map(|it| it.expect("all are known").state);
        states.collect::<Vec<_>>().try_into().expect("one answer for each id")
    }

    pub(crate) async fn window(&self, after: Option<Position>, limit: usize) -> Vec<ClaimableTask> {
        self.store.window(&queue("default"), after, limit).await.expect("it reads")
    }

    /// The sequence numbers of all claimable tasks, in order.
    pub(crate) async fn claimable(&self) -> Vec<u64> {
        self.window(None, usize::MAX).await.into_iter().map(|it| it.position.sequence.0).collect()
    }

    /// Notifies all dependants, `limit` of them at a time. Returns how many slices it took.
    pub(crate) async fn notify_dependants(&self, limit: usize) -> usize {
        for slices in 1.. {
            if !self.commit(Change::NotifyDependants { limit }).await.more {
                return slices;
            }
        }
        unreachable!("more than all there are")
    }
}

/// Whether the change was refused.
fn refused(result: &ChangeResult) -> bool {
    matches!(
        result,
        ChangeResult::Stale
            | ChangeResult::NotFound
            | ChangeResult::WrongState(_)
            | ChangeResult::InUse
            | ChangeResult::Unmet { .. }
            | ChangeResult::UniqueRefused
            | ChangeResult::LimitReached
    )
}

pub(crate) fn name(id: &str) -> TaskId {
    TaskId::parse(id, "task_id").expect("a good id")
}

pub(crate) fn queue(name: &str) -> QueueName {
    QueueName::parse(name, "queue").expect("a good name")
}

/// A task that is claimable at once.
pub(crate) fn task(id: &str) -> Task {
    Task {
        id: name(id),
        method: "add".into(),
        args: vec![ArgValue::Int32(1)],
        deps: Vec::new(),
        digest: Digest::of("add", &[ArgValue::Int32(1)], &[]),
        submitted_at: Timestamp::EPOCH,
        parent: None,
        options: Options {
            queue: QueueName::default(),
            priority: 0,
            run_at: None,
            expires_at: None,
            timeout: Duration::from_secs(60),
            retry: RetryPolicy::with_retries(3),
            durability: Durability::Durable,
            wait_for_dependencies: true,
            on_dependency_failure: OnDependencyFailure::Fail,
            labels: None,
            keys: None,
        },
    }
}

pub(crate) fn task_with(id: &str, set: impl FnOnce(&mut Options)) -> Task {
    let mut task = task(id);
    set(&mut task.options);
    task
}

/// A task with a concurrency key.
pub(crate) fn keyed(id: &str, key: &str) -> Task {
    let keys = Keys { concurrency: Some(key.into()), ..Keys::default() };
    task_with(id, |options| options.keys = Some(keys.into()))
}

/// A task with dependencies.
pub(crate) fn waits(id: &str, deps: &[&str]) -> Task {
    Task { deps: deps.iter().map(|dep| name(dep)).collect(), ..task(id) }
}

/// A task with dependencies that runs however they end.
pub(crate) fn waits_and_runs(id: &str, deps: &[&str]) -> Task {
    let mut task = waits(id, deps);
    task.options.on_dependency_failure = OnDependencyFailure::Run;
    task
}

pub(crate) fn result() -> Arc<ArgValue> {
    Arc::new(ArgValue::Int32(6))
}

pub(crate) fn failure() -> Failure {
    Failure { code: Code::HandlerFailed, message: "broken".into() }
}

pub(crate) fn complete(sequence: Sequence, fence: Fence) -> Change {
    Change::Complete { sequence, fence, result: result() }
}

pub(crate) fn fail(sequence: Sequence, fence: Fence) -> Change {
    Change::Fail { sequence, fence, failure: failure() }
}

pub(crate) fn cancel(id: &str) -> Change {
    Change::Cancel { id: name(id), reason: "tired".into() }
}

pub(crate) fn requeue(sequence: Sequence, fence: Fence) -> Change {
    Change::Requeue { sequence, fence }
}

pub(crate) fn set_queue(concurrency: Option<u32>) -> Change {
    limit(QueueLimits { concurrency, ..QueueLimits::default() })
}

pub(crate) fn limit(limits: QueueLimits) -> Change {
    Change::SetQueue { queue: queue("default"), limits }
}

pub(crate) fn again(id: &str) -> Change {
    Change::RetryEnded { id: name(id), reason: "mended".into() }
}

pub(crate) fn rest(sequence: Sequence, fence: Fence, suspended: bool) -> Change {
    Change::Suspend { sequence, fence, suspended }
}

pub(crate) fn ready(sequence: Sequence) -> ClaimableTask {
    let position = Position { priority: 0, sequence };
    ClaimableTask { queue: queue("default"), position, method: "add".into() }
}

/// The outcome of a task after its first attempt.
pub(crate) fn ended(task: Task, ending: Ending, attempts: u32, at: Timestamp) -> Arc<Ended> {
    let started_at = (attempts > 0).then_some(at);
    let outcome = Outcome { ending, attempts, started_at, ended_at: at };
    Arc::new(Ended { task: Arc::new(task), outcome })
}

pub(crate) fn dependency_failed(dependency: &str) -> Ending {
    Ending::Failed(Failure {
        code: Code::DependencyFailed,
        message: format!("dependency {dependency} did not succeed"),
    })
}

/// The ids of ended tasks, sorted.
pub(crate) fn ids(ended: &[Arc<Ended>]) -> Vec<&str> {
    let mut ids: Vec<&str> = ended.iter().map(|it| it.task.id.as_str()).collect();
    ids.sort_unstable();
    ids
}
