//! Copies the log back into the file, so that the log stays short.
//!
//! Copying while others write (`PASSIVE`) never begins the log anew under load: there is always one
//! more page. So when little is left, the last of it is copied while the writer stands still, for a few
//! milliseconds, and then the log begins anew. A log that is written over commits faster than one that
//! grows.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::Connection;

use super::error::Result;

/// With more pages than this in the log, it is copied back.
const PAGES: i32 = 1_000;
/// How often that is looked at, at most.
const EVERY: Duration = Duration::from_millis(20);
/// How often it is copied beside the writer before the writer has to stand still.
const PASSES: usize = 3;
/// So few pages are copied while the writer stands still, if the passes get there.
const REST: i32 = 200;
/// With more pages than this (64 MB) the writer stands still however much is left.
const LONGEST: i32 = 16 << 10;
/// After so long without a commit the log is copied back, however short it is, and cut.
const IDLE: Duration = Duration::from_secs(5);

/// How long the log is, told by the writer's connection after each commit.
#[derive(Debug, Default)]
pub(super) struct Log {
    pages: AtomicI32,
    over: AtomicBool,
    checkpointer: Mutex<Option<Thread>>,
}

impl Log {
    /// So many pages are in the log now.
    pub(super) fn grew(&self, pages: i32) {
        let before = self.pages.swap(pages, Ordering::Relaxed);
        if before <= PAGES && pages > PAGES || before == 0 {
            self.wake();
        }
    }

    /// The checkpointer is to end.
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

/// Runs until the log is told to [end](Log::end).
///
/// A failed fsync of it sets `broken`: what the log's copy in the file lacks, nobody knows.
pub(super) fn run(connection: &Connection, log: &Log, gate: &Mutex<()>, broken: &OnceLock<String>) {
    *log.checkpointer.lock() = Some(std::thread::current());
    while !log.over.load(Ordering::Acquire) {
        let pages = log.pages.load(Ordering::Relaxed);
        if pages > PAGES {
            let begun = Instant::now();
            report(begin_anew(connection, log, gate), broken);
            std::thread::park_timeout(EVERY.saturating_sub(begun.elapsed()));
            // A commit wakes it up; the log is not to be looked at more often for that.
            std::thread::sleep(EVERY.saturating_sub(begun.elapsed()));
        } else if pages > 0 {
            std::thread::park_timeout(IDLE);
            if log.pages.load(Ordering::Relaxed) == pages {
                report(cut(connection, log, gate), broken);
            }
        } else {
            std::thread::park();
        }
    }
}

fn begin_anew(connection: &Connection, log: &Log, gate: &Mutex<()>) -> Result<()> {
    let mut left = i32::MAX;
    let mut length = 0;
    for _ in 0..PASSES {
        let (pages, copied) = checkpoint(connection, "PASSIVE")?;
        (left, length) = (pages - copied, pages);
        if left <= REST {
            break;
        }
    }
    // Behind a long reader, as a backup is, the writer would stand still in vain.
    if left > REST && length < LONGEST {
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

/// Answers how many pages are in the log and how many of them are in the file, too.
fn checkpoint(connection: &Connection, mode: &str) -> Result<(i32, i32)> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    let said: (i32, i32, i32) = connection
        .prepare_cached(&sql)?
        .query_one([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let (busy, pages, copied) = said;
    // A reader was in the way: not all of it, then.
    Ok(if busy == 0 { (pages, copied) } else { (pages, copied.min(pages - 1)) })
}

fn report(outcome: Result<()>, broken: &OnceLock<String>) {
    if let Err(error) = outcome {
        if error.is_failed_fsync() && broken.set(error.to_string()).is_ok() {
            tracing::error!(%error, "the store acknowledges nothing more");
            return;
        }
        // Nothing is lost: the log holds it. It will be tried again.
        tracing::warn!(%error, "the store's log could not be copied back");
    }
}
