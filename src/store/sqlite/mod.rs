//! The store in one file: SQLite, for one server.
//!
//! | file | owns |
//! |---|---|
//! | `lock` | the lock of the directory |
//! | `connection`, `schema`, `codec`, `decode` | the format of the file |
//! | `writer`, `write_txn` | the one thread that writes, and its transaction |
//! | `readers`, `reads` | the threads that read, and their queries |
//! | `id_key`, `pending_ids`, `id_filter`, `id_scan` | the index of ids, and filters in front of it |
//! | `checkpoint` | the write-ahead log |
//! | `verify`, `backup` | offline checks, backup and restore |
//! | `error` | what errors mean |
//!
//! Acknowledged writes are on the disk. When a write to the disk fails at a commit, what the disk
//! holds is unknown, and the store acknowledges no more writes ([`Error::Broken`]). On a full or
//! read-only disk it refuses writes, and acknowledged tasks can still be read.

mod backup;
mod checkpoint;
mod codec;
mod connection;
mod decode;
mod error;
mod id_filter;
mod id_key;
mod id_scan;
mod lock;
mod options;
mod pending_ids;
mod readers;
mod reads;
mod schema;
mod verify;
mod write_txn;
mod writer;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

pub use self::backup::{backup, restore};
use self::error::{Result, SqliteError};
pub use self::options::Options;
pub use self::verify::verify;
use self::writer::{Request, Write, Written};
use crate::clock::Timestamp;
use crate::models::{
    LogLine, Name, OutboxEntry, QueueName, ScheduleStatus, Sequence, Snapshot, TaskFilter, TaskId,
    TaskPage, Webhook,
};
use crate::store::{
    Change, ClaimRequest, ClaimableTask, Claims, Commit, DueSchedules, Error, OpenOptions,
    OpenReport, Position, Properties, QueueState, Store,
};

/// Why the writer's reply cannot be of another kind.
const OTHER_KIND: &str = "the writer replies in the kind of the request";

/// The name of the file in a store's directory.
const DATABASE: &str = "tasks.db";

/// What the threads share.
#[derive(Debug)]
struct Shared {
    keys: id_key::Keys,
    known: Arc<id_filter::IdFilter>,
    pending: Arc<pending_ids::Pending>,
    broken: Arc<OnceLock<String>>,
}

/// Stores tasks in a file.
#[derive(Debug)]
pub struct SqliteStore {
    shared: Arc<Shared>,
    /// `None` once the store closes.
    requests: Option<mpsc::Sender<Request>>,
    readers: readers::Readers,
    log: Arc<checkpoint::Log>,
    fill: Arc<id_scan::IdScan>,
    threads: Vec<JoinHandle<()>>,
    _lock: lock::DirectoryLock,
}

impl SqliteStore {
    /// Opens the store in `directory`. Creates both if they are missing.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while another process has it open; [`Error::Unusable`], saying what
    /// to do, if the file is of a newer version, damaged or no store, or if the directory cannot be
    /// written to.
    pub fn open_dir(directory: &Path) -> std::result::Result<Self, Error> {
        Self::open_with(directory, &Options::default())
    }

    /// [`open_dir`](Self::open_dir), with limits other than the defaults.
    ///
    /// # Errors
    /// Those of [`open_dir`](Self::open_dir).
    pub fn open_with(directory: &Path, options: &Options) -> std::result::Result<Self, Error> {
        std::fs::create_dir_all(directory).map_err(|error| {
            let directory = directory.display();
            Error::Unusable(format!("the directory {directory} cannot be created: {error}"))
        })?;
        let lock = lock::DirectoryLock::take(directory)?;
        let path = schema::prepare(directory)?;
        Self::start(&path, lock, options).map_err(|error| schema::unusable(&path, &error))
    }

    fn start(path: &Path, lock: lock::DirectoryLock, options: &Options) -> Result<Self> {
        let mut connection = connection::writer(path)?;
        schema::migrate(&connection)?;
        let log = Arc::new(checkpoint::Log::default());
        let length = log.clone();
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            length.set_length(pages);
            Ok(())
        }))?;
        let empty = !connection.prepare("SELECT 1 FROM tasks")?.exists([])?;
        let shared = Arc::new(Shared {
            keys: id_key::Keys::load(&connection)?,
            known: Arc::new(id_filter::IdFilter::new(empty, options.ids_per_filter)),
            pending: Arc::default(),
            broken: Arc::default(),
        });
        id_scan::pending(&connection, &shared)?;
        let gate = Arc::new(Mutex::new(()));
        let (requests, receiver) = mpsc::channel(writer::REQUESTS);
        let mut store = Self {
            readers: readers::Readers::start(path, shared.keys, options)?,
            shared,
            requests: Some(requests),
            log,
            fill: Arc::default(),
            threads: Vec::new(),
            _lock: lock,
        };
        store.start_writer(connection, gate.clone(), receiver, options.kept_rows)?;
        store.start_checkpointer(path, gate, options.idle_checkpoint_after)?;
        if !empty {
            store.start_filling(path)?;
        }
        Ok(store)
    }

    fn start_writer(
        &mut self,
        connection: Connection,
        gate: Arc<Mutex<()>>,
        requests: mpsc::Receiver<Request>,
        kept_rows: usize,
    ) -> Result<()> {
        let shared = self.shared.clone();
        let (ready, started) = std::sync::mpsc::sync_channel(1);
        let write = move || {
            let Shared { keys, known, pending, broken } = &*shared;
            match write_txn::WriteTxn::new(
                &connection,
                *keys,
                known.clone(),
                pending.clone(),
                kept_rows,
            ) {
                Ok(write_txn) => {
                    drop(ready.send(Ok(())));
                    writer::Writer::new(&connection, write_txn, gate, broken.clone()).run(requests);
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        };
        self.spawn("store", write)?;
        started.recv().map_err(|_| SqliteError::NoMeta)?
    }

    fn start_checkpointer(
        &mut self,
        path: &Path,
        gate: Arc<Mutex<()>>,
        idle_after: Duration,
    ) -> Result<()> {
        let connection = connection::checkpointer(path)?;
        let (log, broken) = (self.log.clone(), self.shared.broken.clone());
        self.spawn("store-log", move || {
            checkpoint::run(&connection, &log, &gate, &broken, idle_after);
        })
    }

    fn start_filling(&mut self, path: &Path) -> Result<()> {
        let connection = connection::reader(path)?;
        let (shared, fill) = (self.shared.clone(), self.fill.clone());
        self.spawn("store-ids", move || fill.run(&connection, &shared))
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
        self.threads.push(thread.map_err(SqliteError::Thread)?);
        Ok(())
    }

    async fn write(&self, write: Write) -> std::result::Result<Written, Error> {
        let ended = || Error::Broken("the writer thread ended".to_owned());
        let (reply, replied) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or_else(ended)?;
        requests.send(Request { write, reply }).await.map_err(|_| ended())?;
        replied.await.map_err(|_| ended())?
    }

    /// A broken store answers no reads either.
    fn check(&self) -> std::result::Result<(), Error> {
        match self.shared.broken.get() {
            Some(why) => Err(Error::Broken(why.clone())),
            None => Ok(()),
        }
    }

    /// Must be read before the snapshot begins: merged ids leave the list only after their commit.
    fn pending(&self, id: &TaskId) -> Vec<Sequence> {
        self.shared.pending.sequences_of(self.shared.keys.of(id))
    }
}

impl Drop for SqliteStore {
    /// Finishes all requests, then ends the threads.
    fn drop(&mut self) {
        self.requests = None;
        self.fill.end();
        self.readers.end();
        self.log.end();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn properties(&self) -> Properties {
        Properties { name: "sqlite", shared: false, durable: true }
    }

    async fn open(&self, options: OpenOptions) -> std::result::Result<OpenReport, Error> {
        match self.write(Write::Open(options)).await? {
            Written::Open(report) => Ok(report),
            _ => unreachable!("{OTHER_KIND}"),
        }
    }

    async fn commit(
        &self,
        changes: Arc<[Change]>,
        now: Timestamp,
    ) -> std::result::Result<Commit, Error> {
        match self.write(Write::Commit(changes, now)).await? {
            Written::Commit(commit) => Ok(commit),
            _ => unreachable!("{OTHER_KIND}"),
        }
    }

    async fn claim(
        &self,
        requests: Vec<ClaimRequest>,
        now: Timestamp,
    ) -> std::result::Result<Claims, Error> {
        match self.write(Write::Claim(requests, now)).await? {
            Written::Claim(claims) => Ok(claims),
            _ => unreachable!("{OTHER_KIND}"),
        }
    }

    fn may_know(&self, id: &TaskId) -> bool {
        self.shared.known.may_contain(self.shared.keys.of(id))
    }

    async fn find(&self, ids: &[TaskId]) -> std::result::Result<Vec<Option<Snapshot>>, Error> {
        self.check()?;
        let pending: Vec<Vec<Sequence>> = ids.iter().map(|id| self.pending(id)).collect();
        let ids = ids.to_vec();
        self.readers.run(move |reader| reader.find(&ids, &pending)).await
    }

    async fn window(
        &self,
        queue: &QueueName,
        after: Option<Position>,
        limit: usize,
    ) -> std::result::Result<Vec<ClaimableTask>, Error> {
        self.check()?;
        let queue = queue.clone();
        self.readers.run(move |reader| reader.window(&queue, after, limit)).await
    }

    async fn list(
        &self,
        filter: &TaskFilter,
        before: Option<Sequence>,
        limit: usize,
    ) -> std::result::Result<TaskPage, Error> {
        self.check()?;
        let filter = filter.clone();
        self.readers.run(move |reader| reader.list(&filter, before, limit)).await
    }

    async fn logs(
        &self,
        id: &TaskId,
        after: u32,
        limit: usize,
    ) -> std::result::Result<Vec<LogLine>, Error> {
        self.check()?;
        let (id, pending) = (id.clone(), self.pending(id));
        self.readers.run(move |reader| reader.logs(&id, &pending, after, limit)).await
    }

    async fn queues(&self) -> std::result::Result<Vec<QueueState>, Error> {
        self.check()?;
        self.readers.run(|reader| reader.queues()).await
    }

    async fn holders(
        &self,
        queue: &QueueName,
        key: &str,
        limit: usize,
    ) -> std::result::Result<Vec<TaskId>, Error> {
        self.check()?;
        let (queue, key) = (queue.clone(), key.to_owned());
        self.readers.run(move |reader| reader.holders(&queue, &key, limit)).await
    }

    async fn key_free_at(
        &self,
        queue: &QueueName,
        key: &str,
        now: Timestamp,
    ) -> std::result::Result<Option<Timestamp>, Error> {
        self.check()?;
        let (queue, key) = (queue.clone(), key.to_owned());
        self.readers.run(move |reader| reader.key_free_at(&queue, &key, now)).await
    }

    async fn schedule(&self, name: &Name) -> std::result::Result<Option<ScheduleStatus>, Error> {
        self.check()?;
        let name = name.clone();
        self.readers.run(move |reader| reader.schedule(&name)).await
    }

    async fn schedules(
        &self,
        after: Option<&Name>,
        limit: usize,
    ) -> std::result::Result<Vec<ScheduleStatus>, Error> {
        self.check()?;
        let after = after.cloned();
        self.readers.run(move |reader| reader.schedules(after.as_ref(), limit)).await
    }

    async fn due_schedules(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> std::result::Result<DueSchedules, Error> {
        self.check()?;
        self.readers.run(move |reader| reader.due_schedules(now, limit)).await
    }

    async fn webhooks(&self) -> std::result::Result<Vec<Arc<Webhook>>, Error> {
        self.check()?;
        self.readers.run(|reader| reader.webhooks()).await
    }

    async fn webhook(&self, name: &Name) -> std::result::Result<Option<Arc<Webhook>>, Error> {
        self.check()?;
        let name = name.clone();
        self.readers.run(move |reader| reader.webhook(&name)).await
    }

    async fn outbox(
        &self,
        after: u64,
        limit: usize,
    ) -> std::result::Result<Vec<OutboxEntry>, Error> {
        self.check()?;
        self.readers.run(move |reader| reader.outbox(after, limit)).await
    }
}
