//! The loops that run for as long as the engine does: commits, claims and time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Shared, Tag};
use crate::clock::now;
use crate::error::Error;
use crate::store::{self, Change, Commit};

/// The most changes in one commit.
const COMMIT_BATCH: usize = 4_096;
/// How often a commit is tried before its callers are told that it failed, and the pause between.
const COMMIT_TRIES: u32 = 5;
const COMMIT_PAUSE: Duration = Duration::from_millis(20);

pub(super) fn spawn(shared: &Arc<Shared>) {
    shared.on_loops.spawn(commits(shared.clone()));
    shared.on_loops.spawn(claims(shared.clone()));
    shared.on_loops.spawn(ticks(shared.clone()));
}

/// Commits whatever has gathered, at once and in order.
async fn commits(shared: Arc<Shared>) {
    loop {
        let batch = {
            let mut writes = shared.writes.lock();
            shared.committing.store(!writes.is_empty(), Ordering::Release);
            let size = writes.len().min(COMMIT_BATCH);
            writes.drain(..size).collect::<Vec<_>>()
        };
        if batch.is_empty() {
            shared.quiet.notify_waiters();
            shared.write_wake.notified().await;
            continue;
        }
        let (changes, tags): (Vec<Change>, Vec<Tag>) = batch.into_iter().unzip();
        match commit(&shared, changes.into()).await {
            Ok(commit) => shared.act(|core, now, out| core.committed(tags, commit, now, out)),
            Err(error) => {
                let error = Error::from(error);
                tracing::error!(%error, changes = tags.len(), "the store does not commit");
                shared.act(|core, now, out| core.commit_failed(tags, &error, now, out));
            }
        }
    }
}

/// Changes can be repeated: a store that has made them answers the same again.
async fn commit(shared: &Shared, changes: Arc<[Change]>) -> Result<Commit, store::Error> {
    let mut tries = 1;
    loop {
        match shared.store.commit(changes.clone(), now().wall).await {
            Err(error) if tries < COMMIT_TRIES => {
                tracing::warn!(%error, tries, "a commit failed; trying again");
                tokio::time::sleep(COMMIT_PAUSE * tries).await;
                tries += 1;
            }
            result => return result,
        }
    }
}

/// Claims whatever the core would like to start.
async fn claims(shared: Arc<Shared>) {
    loop {
        let wanted = std::mem::take(&mut *shared.claims.lock());
        if wanted.is_empty() {
            shared.claim_wake.notified().await;
            continue;
        }
        match shared.store.claim(wanted.clone(), now().wall).await {
            Ok(claims) => {
                shared.act(|core, now, out| core.claimed(&wanted, claims, now, out));
            }
            Err(error) => {
                tracing::warn!(%error, "a claim failed");
                shared.act(|core, now, _| core.claim_failed(&wanted, now));
            }
        }
    }
}

/// Tells the core when something is due.
async fn ticks(shared: Arc<Shared>) {
    loop {
        // Until the next time is known, everything that sets a time wakes this loop.
        shared.tick_at.store(u64::MAX, Ordering::Release);
        let next = shared.core.lock().next_tick(now());
        let at = next.map_or(u64::MAX, |next| u64::try_from(next.as_micros()).unwrap_or(u64::MAX));
        shared.tick_at.store(at, Ordering::Release);
        let wait = next.map_or(Duration::MAX, |next| next.saturating_sub(now().steady));
        tokio::select! {
            () = tokio::time::sleep(wait.min(Duration::from_secs(3600))) => {}
            () = shared.tick_wake.notified() => continue,
        }
        shared.act(|core, now, out| core.tick(now, out));
    }
}
