//! The writer: the one thread that changes the file.
//!
//! It takes all requests that have gathered (a commit, and the claims that wait beside it), makes
//! them one transaction, and answers them after its commit: one fsync for all.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::error::{Result, SqliteError};
use super::write_txn::WriteTxn;
use crate::clock::Timestamp;
use crate::store::rules;
use crate::store::{Change, ClaimRequest, Claims, Commit, Error, OpenOptions, OpenReport};

/// How many requests may wait for the writer. The engine sends one commit and one claim at a time.
pub(super) const REQUESTS: usize = 64;

/// What the writer does.
pub(super) enum Write {
    Open(OpenOptions),
    Commit(Arc<[Change]>, Timestamp),
    Claim(Vec<ClaimRequest>, Timestamp),
}

/// The result of a [`Write`], of the same kind.
pub(super) enum Written {
    Open(OpenReport),
    Commit(Commit),
    Claim(Claims),
}

/// A write, and where its result goes after the commit.
pub(super) struct Request {
    pub(super) write: Write,
    pub(super) reply: oneshot::Sender<std::result::Result<Written, Error>>,
}

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Synchronous {
    Full,
    Normal,
}

pub(super) struct Writer<'c> {
    connection: &'c Connection,
    txn: WriteTxn<'c>,
    /// Held during a transaction, and by a checkpoint that needs the writer to stand still.
    gate: Arc<Mutex<()>>,
    /// Why nothing may be acknowledged any more.
    broken: Arc<OnceLock<String>>,
    synchronous: Synchronous,
    /// The latest commit and its result, for a caller that lost the reply and asks again.
    latest: Option<(Arc<[Change]>, Commit)>,
}

impl<'c> Writer<'c> {
    pub(super) fn new(
        connection: &'c Connection,
        txn: WriteTxn<'c>,
        gate: Arc<Mutex<()>>,
        broken: Arc<OnceLock<String>>,
    ) -> Self {
        let synchronous = Synchronous::Full;
        Self { connection, txn, gate, broken, synchronous, latest: None }
    }

    /// Serves requests until every sender is dropped.
    pub(super) fn run(&mut self, mut requests: mpsc::Receiver<Request>) {
        let mut gathered = Vec::with_capacity(REQUESTS);
        while requests.blocking_recv_many(&mut gathered, REQUESTS) > 0 {
            self.serve(&mut gathered);
        }
    }

    fn serve(&mut self, gathered: &mut Vec<Request>) {
        if let Some(why) = self.broken.get() {
            let error = Error::Broken(why.clone());
            return refuse(gathered, &error);
        }
        self.answer_repeat(gathered);
        if gathered.is_empty() {
            return;
        }
        let gate = self.gate.clone();
        let guard = gate.lock();
        let outcome = self.transact(gathered);
        drop(guard);
        match outcome {
            Ok(written) => {
                for (request, written) in gathered.drain(..).zip(written) {
                    if let (Write::Commit(changes, _), Written::Commit(commit)) =
                        (&request.write, &written)
                    {
                        self.latest = Some((changes.clone(), commit.clone()));
                    }
                    request.reply(Ok(written));
                }
            }
            Err(error) => {
                if let Error::Broken(why) = &error
                    && self.broken.set(why.clone()).is_ok()
                {
                    tracing::error!(error = %why, "the store acknowledges no more writes");
                }
                refuse(gathered, &error);
            }
        }
    }

    /// Answers a repeated commit with its first result, before anything else is written.
    fn answer_repeat(&mut self, gathered: &mut Vec<Request>) {
        let Some((latest, commit)) = &self.latest else { return };
        let repeats = gathered.first().is_some_and(|request| match &request.write {
            Write::Commit(changes, _) => Arc::ptr_eq(latest, changes),
            Write::Open(_) | Write::Claim(..) => false,
        });
        if repeats {
            gathered.remove(0).reply(Ok(Written::Commit(commit.clone())));
        }
    }

    fn transact(&mut self, requests: &[Request]) -> std::result::Result<Vec<Written>, Error> {
        self.write_all(requests).inspect_err(|_| self.txn.roll_back())
    }

    fn write_all(&mut self, requests: &[Request]) -> std::result::Result<Vec<Written>, Error> {
        let before = |error: SqliteError| error.before_commit();
        self.set_synchronous(requests).map_err(before)?;
        self.txn.begin().map_err(before)?;
        let mut now = Timestamp::EPOCH;
        let mut written = Vec::with_capacity(requests.len());
        for request in requests {
            now = now.max(request.write.now());
            written.push(self.write(&request.write).map_err(before)?);
        }
        let prepared = self.txn.prepare(now).map_err(before)?;
        let due = self.txn.due().map_err(before)?;
        self.txn.commit(prepared).map_err(|error| error.at_commit())?;
        for written in &mut written {
            written.set_due(due);
        }
        if requests.iter().any(|request| request.write.prunes())
            && let Err(error) = self.txn.drop_old_filters()
        {
            // They only take memory.
            tracing::warn!(%error, "the id filters of pruned tasks stay in memory");
        }
        Ok(written)
    }

    fn write(&mut self, write: &Write) -> Result<Written> {
        Ok(match write {
            Write::Open(options) => {
                self.txn.set_notify_slice(options.notify_slice);
                let recovered = rules::open(&mut self.txn, *options)?;
                Written::Open(OpenReport {
                    epoch: recovered.epoch,
                    next_sequence: self.txn.next_sequence(),
                    queues: self.txn.queues()?,
                    notify_slice: options.notify_slice,
                    rescued: recovered.rescued,
                    quarantined: recovered.quarantined,
                    events: recovered.events,
                    due: None,
                })
            }
            Write::Commit(changes, now) => {
                let mut applied = Vec::with_capacity(changes.len());
                for change in changes.iter() {
                    applied.push(rules::apply(&mut self.txn, change, *now)?);
                }
                Written::Commit(Commit { applied, due: None })
            }
            Write::Claim(requests, now) => {
                Written::Claim(rules::claim(&mut self.txn, requests, *now)?)
            }
        })
    }

    /// A transaction with nothing but claims does not wait for the disk: the next commit that does
    /// brings its pages there, too. If the power fails before, the tasks are as they were, `QUEUED`,
    /// and are claimed again under the fences of a new boot. Nothing that a handler did under a lost
    /// claim can have been committed before it, for a log is read up to its first gap.
    fn set_synchronous(&mut self, requests: &[Request]) -> Result<()> {
        let only_claims = requests.iter().all(|it| matches!(it.write, Write::Claim(..)));
        let wanted = if only_claims { Synchronous::Normal } else { Synchronous::Full };
        if self.synchronous != wanted {
            self.connection.execute_batch(match wanted {
                Synchronous::Normal => "PRAGMA synchronous = NORMAL",
                Synchronous::Full => "PRAGMA synchronous = FULL",
            })?;
            self.synchronous = wanted;
        }
        Ok(())
    }
}

impl Write {
    fn now(&self) -> Timestamp {
        match self {
            Self::Open(options) => options.now,
            Self::Commit(_, now) | Self::Claim(_, now) => *now,
        }
    }

    fn prunes(&self) -> bool {
        let Self::Commit(changes, _) = self else { return false };
        changes.iter().any(|change| matches!(change, Change::Prune { .. }))
    }
}

impl Written {
    fn set_due(&mut self, at: Option<Timestamp>) {
        match self {
            Self::Open(report) => report.due = at,
            Self::Commit(commit) => commit.due = at,
            Self::Claim(claims) => claims.due = at,
        }
    }
}

impl Request {
    fn reply(self, written: std::result::Result<Written, Error>) {
        // The caller may have gone.
        drop(self.reply.send(written));
    }
}

fn refuse(requests: &mut Vec<Request>, error: &Error) {
    for request in requests.drain(..) {
        request.reply(Err(error.clone()));
    }
}

#[cfg(test)]
mod tests;
