//! The connections that read, each on a thread of its own.
//!
//! A query runs in one short transaction: it sees one snapshot, and does not keep the log from
//! restarting.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::Options;
use super::connection;
use super::error::{Result, SqliteError};
use super::id_key::Keys;
use super::reads::Reader;
use crate::store::Error;

/// Statements that a connection keeps prepared.
const STATEMENTS: usize = 32;

type Query = Box<dyn for<'c> FnOnce(&mut Reader<'c>) + Send>;

#[derive(Debug)]
pub(super) struct Readers {
    /// `None` once the threads are to end.
    queries: Option<mpsc::Sender<Query>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(super) fn start(path: &Path, keys: Keys, options: &Options) -> Result<Self> {
        let (queries, receiver) = mpsc::channel(options.waiting_queries);
        let receiver = Arc::new(Mutex::new(receiver));
        let mut readers = Self { queries: Some(queries), threads: Vec::new() };
        for number in 0..options.readers {
            let connection = connection::reader(path)?;
            let receiver = receiver.clone();
            let thread = std::thread::Builder::new().name(format!("store-read-{number}"));
            let serve = move || serve(&connection, keys, &receiver);
            readers.threads.push(thread.spawn(serve).map_err(SqliteError::Thread)?);
        }
        Ok(readers)
    }

    /// Runs a query on one of the threads.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        query: impl for<'c> FnOnce(&mut Reader<'c>) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, Error> {
        let (reply, replied) = oneshot::channel();
        let query: Query = Box::new(move |reader| {
            let replied = reader.in_snapshot(query);
            // The caller may have gone.
            drop(reply.send(replied.map_err(|error| error.while_reading())));
        });
        let ended = || Error::Broken("a reader thread ended".to_owned());
        let queries = self.queries.as_ref().ok_or_else(ended)?;
        queries.send(query).await.map_err(|_| ended())?;
        replied.await.map_err(|_| ended())?
    }

    /// Ends the threads, after the queries that wait.
    pub(super) fn end(&mut self) {
        self.queries = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a reader thread of the store panicked");
            }
        }
    }
}

fn serve(connection: &Connection, keys: Keys, queries: &Mutex<mpsc::Receiver<Query>>) {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let mut reader = Reader::new(connection, keys);
    loop {
        // A waiting thread holds the lock, and releases it when it has a query.
        let query = queries.lock().blocking_recv();
        let Some(query) = query else { return };
        // The caller of this query gets an error; the thread goes on for the others.
        if catch_unwind(AssertUnwindSafe(|| query(&mut reader))).is_err() {
            tracing::error!("a query of the store panicked");
            reader = Reader::new(connection, keys);
        }
    }
}
