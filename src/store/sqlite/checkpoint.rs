//! Checkpoints: the write-ahead log is copied back into the file, so that it stays short.
//!
//! Under load, a checkpoint beside the writer (`PASSIVE`) never restarts the log: there is always
//! one more page. So when few pages are left, the writer stands still for a few milliseconds while
//! the last ones are copied, and the log restarts. Commits that overwrite a log are faster than
//! commits that extend one.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::Connection;

use super::error::Result;

/// A log with more pages than this is copied back.
const CHECKPOINT_PAGES: i32 = 1_000;
/// The shortest time between two checkpoints.
const EVERY: Duration = Duration::from_millis(20);
/// How many passes run beside the writer before it has to stand still.
const PASSES: usize = 3;
/// If a pass leaves at most so many pages, they are copied while the writer stands still.
const MAX_PAGES_UNDER_LOCK: i32 = 200;
/// With more pages than this (64 MB) the writer stands still, however many are left.
const MAX_PAGES: i32 = 16 << 10;

/// The length of the log, as the writer's connection reports it after each commit.
#[derive(Debug, Default)]
pub(super) struct Log {
    pages: AtomicI32,
    over: AtomicBool,
    checkpointer: Mutex<Option<Thread>>,
}

impl Log {
    /// Records how many pages the log has.
    pub(super) fn set_length(&self, pages: i32) {
        let before = self.pages.swap(pages, Ordering::Relaxed);
        if before <= CHECKPOINT_PAGES && pages > CHECKPOINT_PAGES || before == 0 {
            self.wake();
        }
    }

    /// Ends the checkpointer.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        if let Some(thread) = &*self.checkpointer.lock() {
            thread.unpark();
        }
    }
}

/// Runs until the log [ends](Log::end). After `idle_after` without a commit, cuts it to nothing.
///
/// A failed fsync sets `broken`: what the file lacks is then unknown.
pub(super) fn run(
    connection: &Connection,
    log: &Log,
    gate: &Mutex<()>,
    broken: &OnceLock<String>,
    idle_after: Duration,
) {
    *log.checkpointer.lock() = Some(std::thread::current());
    while !log.over.load(Ordering::Acquire) {
        let pages = log.pages.load(Ordering::Relaxed);
        if pages > CHECKPOINT_PAGES {
            let started = Instant::now();
            report(restart_log(connection, log, gate), broken);
            std::thread::park_timeout(EVERY.saturating_sub(started.elapsed()));
            // A commit ends the wait early, which is no reason to look more often.
            std::thread::sleep(EVERY.saturating_sub(started.elapsed()));
        } else if pages > 0 {
            std::thread::park_timeout(idle_after);
            if log.pages.load(Ordering::Relaxed) == pages {
                report(cut(connection, log, gate), broken);
            }
        } else {
            std::thread::park();
        }
    }
}

fn restart_log(connection: &Connection, log: &Log, gate: &Mutex<()>) -> Result<()> {
    let mut left = i32::MAX;
    let mut length = 0;
    for _ in 0..PASSES {
        let (pages, copied) = checkpoint(connection, "PASSIVE")?;
        (left, length) = (pages - copied, pages);
        if left <= MAX_PAGES_UNDER_LOCK {
            break;
        }
    }
    // While a long read such as a backup holds its snapshot, the writer would wait without effect.
    if left > MAX_PAGES_UNDER_LOCK && length < MAX_PAGES {
        return Ok(());
    }
    let guard = gate.lock();
    let (pages, copied) = checkpoint(connection, "RESTART")?;
    if pages == copied {
        log.pages.store(0, Ordering::Relaxed);
    }
    drop(guard);
    Ok(())
}

fn cut(connection: &Connection, log: &Log, gate: &Mutex<()>) -> Result<()> {
    let guard = gate.lock();
    let (pages, copied) = checkpoint(connection, "TRUNCATE")?;
    if pages == copied {
        log.pages.store(0, Ordering::Relaxed);
    }
    drop(guard);
    Ok(())
}

/// Returns how many pages the log has, and how many of them are in the file.
fn checkpoint(connection: &Connection, mode: &str) -> Result<(i32, i32)> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    let result: (i32, i32, i32) = connection
        .prepare_cached(&sql)?
        .query_one([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let (busy, pages, copied) = result;
    // A reader was in the way: some pages are left.
    Ok(if busy == 0 { (pages, copied) } else { (pages, copied.min(pages - 1)) })
}

fn report(outcome: Result<()>, broken: &OnceLock<String>) {
    if let Err(error) = outcome {
        if error.is_failed_fsync() && broken.set(error.to_string()).is_ok() {
            tracing::error!(%error, "the store acknowledges no more writes");
            return;
        }
        // Nothing is lost: the log has it, and the next checkpoint tries again.
        tracing::warn!(%error, "cannot copy the write-ahead log back into the file");
    }
}
