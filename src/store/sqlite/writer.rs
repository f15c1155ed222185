//! The one thread that writes.
//!
//! It takes what has gathered (a commit, and the claims that wait beside it), makes it one
//! transaction, and answers all of it after the commit: one fsync for all.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::problem::{Fault, Result};
use super::unit::Unit;
use crate::clock::Timestamp;
use crate::store::rules;
use crate::store::{Change, ClaimRequest, Claims, Commit, Error, OpenOptions, OpenReport};

/// How many commands may wait for the writer. The engine sends one commit and one claim at a time.
pub(super) const COMMANDS: usize = 64;

type Answer<T> = oneshot::Sender<std::result::Result<T, Error>>;

/// What the writer is told.
pub(super) enum Command {
    Open(OpenOptions, Answer<OpenReport>),
    Commit(Arc<[Change]>, Timestamp, Answer<Commit>),
    Claim(Vec<ClaimRequest>, Timestamp, Answer<Claims>),
}

/// What was done and is told once it is committed.
enum Done {
    Open(OpenReport, Answer<OpenReport>),
    Commit(Arc<[Change]>, Commit, Answer<Commit>),
    Claim(Claims, Answer<Claims>),
}

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Synchronous {
    Full,
    Normal,
}

pub(super) struct Writer<'c> {
    connection: &'c Connection,
    unit: Unit<'c>,
    /// Held while a transaction is under way, and by the checkpoint that must not meet one.
    gate: Arc<Mutex<()>>,
    /// Why nothing may be acknowledged any more.
    broken: Arc<OnceLock<String>>,
    synchronous: Synchronous,
    /// The latest commit and what was answered, should the answer be lost on its way.
    latest: Option<(Arc<[Change]>, Commit)>,
}

impl<'c> Writer<'c> {
    pub(super) fn new(
        connection: &'c Connection,
        unit: Unit<'c>,
        gate: Arc<Mutex<()>>,
        broken: Arc<OnceLock<String>>,
    ) -> Self {
        let synchronous = Synchronous::Full;
        Self { connection, unit, gate, broken, synchronous, latest: None }
    }

    /// Serves until nobody can send any more.
    pub(super) fn run(&mut self, mut commands: mpsc::Receiver<Command>) {
        let mut gathered = Vec::with_capacity(COMMANDS);
        while commands.blocking_recv_many(&mut gathered, COMMANDS) > 0 {
            self.serve(&mut gathered);
        }
    }

    fn serve(&mut self, gathered: &mut Vec<Command>) {
        if let Some(why) = self.broken.get() {
            for command in gathered.drain(..) {
                command.refuse(Error::Broken(why.clone()));
            }
            return;
        }
        self.answer_again(gathered);
        if gathered.is_empty() {
            return;
        }
        let gate = self.gate.clone();
        let guard = gate.lock();
        let mut done = Vec::with_capacity(gathered.len());
        let outcome = self.transact(gathered, &mut done);
        drop(guard);
        match outcome {
            Ok(()) => {
                for done in done {
                    self.tell(done);
                }
            }
            Err(error) => {
                if let Error::Broken(why) = &error
                    && self.broken.set(why.clone()).is_ok()
                {
                    tracing::error!(error = %why, "the store acknowledges nothing more");
                }
                let undone = done.into_iter().map(Done::into_refusal);
                for refuse in undone.chain(gathered.drain(..).map(Command::into_refusal)) {
                    refuse(copy(&error));
                }
            }
        }
    }

    /// Answers a commit that was made and is asked for again, before anything else is done.
    fn answer_again(&mut self, gathered: &mut Vec<Command>) {
        let Some((known, commit)) = &self.latest else { return };
        let again = matches!(gathered.first(), Some(Command::Commit(changes, ..)) if Arc::ptr_eq(known, changes));
        if again && let Command::Commit(_, _, answer) = gathered.remove(0) {
            // Whoever asked may have gone.
            drop(answer.send(Ok(commit.clone())));
        }
    }

    /// Takes the commands that it carries out, and leaves those that it did not come to.
    fn transact(
        &mut self,
        gathered: &mut Vec<Command>,
        done: &mut Vec<Done>,
    ) -> std::result::Result<(), Error> {
        let outcome = self.carry_out(gathered, done);
        if let Err(error) = outcome {
            self.unit.roll_back();
            return Err(error);
        }
        Ok(())
    }

    fn carry_out(
        &mut self,
        gathered: &mut Vec<Command>,
        done: &mut Vec<Done>,
    ) -> std::result::Result<(), Error> {
        let before = |fault: Fault| fault.before_commit();
        self.set_synchronous(gathered).map_err(before)?;
        self.unit.begin().map_err(before)?;
        let mut now = Timestamp::EPOCH;
        let mut prunes = false;
        // Last first, so that what is left is what was not come to.
        gathered.reverse();
        while let Some(command) = gathered.pop() {
            now = now.max(command.now());
            prunes |= command.prunes();
            match self.one(&command) {
                Ok(answer) => done.push(answer.to(command)),
                Err(fault) => {
                    gathered.push(command);
                    return Err(before(fault));
                }
            }
        }
        let prepared = self.unit.prepare(now).map_err(before)?;
        let due = self.unit.due().map_err(before)?;
        self.unit.commit(prepared).map_err(|fault| fault.at_commit())?;
        for done in done {
            done.set_due(due);
        }
        if prunes && let Err(error) = self.unit.forget_filters() {
            // They only take memory.
            tracing::warn!(%error, "filters of forgotten tasks stay");
        }
        Ok(())
    }

    fn one(&mut self, command: &Command) -> Result<Answered> {
        Ok(match command {
            Command::Open(boot, _) => {
                let rescued = rules::open(&mut self.unit, *boot)?;
                Answered::Open(OpenReport {
                    epoch: rescued.epoch,
                    next_sequence: self.unit.next_sequence(),
                    queues: self.unit.queues(),
                    rescued: rescued.rescued,
                    quarantined: rescued.quarantined,
                    events: rescued.events,
                    due: None,
                })
            }
            Command::Commit(changes, now, _) => {
                let mut applied = Vec::with_capacity(changes.len());
                for change in changes.iter() {
                    applied.push(rules::apply(&mut self.unit, change, *now)?);
                }
                Answered::Commit(Commit { applied, due: None })
            }
            Command::Claim(wanted, now, _) => {
                Answered::Claim(rules::claim(&mut self.unit, wanted, *now)?)
            }
        })
    }

    fn tell(&mut self, done: Done) {
        // Whoever asked may have gone; then nobody learns it now.
        match done {
            Done::Open(opened, answer) => drop(answer.send(Ok(opened))),
            Done::Claim(claims, answer) => drop(answer.send(Ok(claims))),
            Done::Commit(changes, commit, answer) => {
                drop(answer.send(Ok(commit.clone())));
                self.latest = Some((changes, commit));
            }
        }
    }

    /// A transaction with nothing but claims does not wait for the disk: the next commit that does
    /// brings its pages there, too. If the power fails before, the tasks are as they were, `QUEUED`,
    /// and are claimed again under the fences of a new boot. Nothing that a body did under a lost claim
    /// can have been committed before it, for a log is read up to its first gap.
    fn set_synchronous(&mut self, gathered: &[Command]) -> Result<()> {
        let only_claims = gathered.iter().all(|command| matches!(command, Command::Claim(..)));
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

/// What the rules said to a command.
enum Answered {
    Open(OpenReport),
    Commit(Commit),
    Claim(Claims),
}

impl Answered {
    fn to(self, command: Command) -> Done {
        match (self, command) {
            (Self::Open(opened), Command::Open(_, answer)) => Done::Open(opened, answer),
            (Self::Commit(commit), Command::Commit(changes, _, answer)) => {
                Done::Commit(changes, commit, answer)
            }
            (Self::Claim(claims), Command::Claim(_, _, answer)) => Done::Claim(claims, answer),
            _ => unreachable!("the answer is to this command"),
        }
    }
}

type Refusal = Box<dyn FnOnce(Error)>;

impl Command {
    fn now(&self) -> Timestamp {
        match self {
            Self::Open(boot, _) => boot.now,
            Self::Commit(_, now, _) | Self::Claim(_, now, _) => *now,
        }
    }

    fn prunes(&self) -> bool {
        let Self::Commit(changes, ..) = self else { return false };
        changes.iter().any(|change| matches!(change, Change::Prune { .. }))
    }

    fn refuse(self, error: Error) {
        self.into_refusal()(error);
    }

    fn into_refusal(self) -> Refusal {
        match self {
            Self::Open(_, answer) => refusal(answer),
            Self::Commit(_, _, answer) => refusal(answer),
            Self::Claim(_, _, answer) => refusal(answer),
        }
    }
}

impl Done {
    fn set_due(&mut self, at: Option<Timestamp>) {
        match self {
            Self::Open(opened, _) => opened.due = at,
            Self::Commit(_, commit, _) => commit.due = at,
            Self::Claim(claims, _) => claims.due = at,
        }
    }

    fn into_refusal(self) -> Refusal {
        match self {
            Self::Open(_, answer) => refusal(answer),
            Self::Commit(_, _, answer) => refusal(answer),
            Self::Claim(_, answer) => refusal(answer),
        }
    }
}

fn refusal<T: 'static>(answer: Answer<T>) -> Refusal {
    // Whoever asked may have gone.
    Box::new(move |error| drop(answer.send(Err(error))))
}

fn copy(error: &Error) -> Error {
    match error {
        Error::Unavailable(why) => Error::Unavailable(why.clone()),
        Error::AnswerLost(why) => Error::AnswerLost(why.clone()),
        Error::Broken(why) => Error::Broken(why.clone()),
        Error::Unusable(why) => Error::Unusable(why.clone()),
    }
}

#[cfg(test)]
mod tests;
