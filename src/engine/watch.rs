//! Watches tasks: a change wakes the watchers of its task, and each reads what is new by itself.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ahash::HashMap;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::core::WatchKey;
use super::{Engine, Shared};
use crate::error::Error;
use crate::models::{Ended, Sequence, Snapshot, TaskId, Update, WatchCursor};

/// How many log lines one read returns.
const LOG_PAGE: usize = 100;

/// The watchers to wake for each task.
#[derive(Default)]
pub(super) struct Watches(Mutex<ByTask>);

#[derive(Default)]
struct ByTask {
    named: HashMap<TaskId, Watched>,
    at: HashMap<Sequence, Arc<Notify>>,
}

struct Watched {
    wake: Arc<Notify>,
    watchers: usize,
    sequence: Option<Sequence>,
}

impl Watches {
    pub(super) fn wake(&self, touched: &WatchKey) {
        let watches = self.0.lock();
        let wake = match touched {
            WatchKey::Sequence(sequence) => watches.at.get(sequence),
            WatchKey::Id(id) => watches.named.get(id).map(|watched| &watched.wake),
        };
        if let Some(wake) = wake {
            wake.notify_waiters();
        }
    }

    fn begin(&self, id: &TaskId) -> Arc<Notify> {
        let mut watches = self.0.lock();
        let watched = watches.named.entry(id.clone()).or_insert_with(|| Watched {
            wake: Arc::default(),
            watchers: 0,
            sequence: None,
        });
        watched.watchers += 1;
        watched.wake.clone()
    }

    /// The sequence number of a watched task became known.
    fn set_sequence(&self, id: &TaskId, sequence: Sequence) {
        let mut watches = self.0.lock();
        let Some(watched) = watches.named.get_mut(id) else { return };
        let before = watched.sequence.replace(sequence);
        let wake = watched.wake.clone();
        if let Some(before) = before.filter(|before| *before != sequence) {
            watches.at.remove(&before);
        }
        watches.at.insert(sequence, wake);
    }

    fn end(&self, id: &TaskId) {
        let mut watches = self.0.lock();
        let Some(watched) = watches.named.get_mut(id) else { return };
        watched.watchers -= 1;
        if watched.watchers == 0
            && let Some(sequence) = watches.named.remove(id).and_then(|watched| watched.sequence)
        {
            watches.at.remove(&sequence);
        }
    }
}

/// One watcher of a task, for as long as it lives.
struct Watcher {
    shared: Arc<Shared>,
    id: TaskId,
    wake: Arc<Notify>,
}

impl Watcher {
    fn of(shared: &Arc<Shared>, id: &TaskId) -> Self {
        shared.core.lock().notifications.watcher_added();
        let wake = shared.watches.begin(id);
        Self { shared: shared.clone(), id: id.clone(), wake }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shared.watches.end(&self.id);
        self.shared.core.lock().notifications.watcher_removed();
    }
}

impl Shared {
    /// Waits until a task has ended.
    pub(super) async fn outcome(self: &Arc<Self>, id: &TaskId) -> Result<Arc<Ended>, Error> {
        if let Some(ended) = self.cache.get(id) {
            return Ok(ended);
        }
        let watcher = Watcher::of(self, id);
        loop {
            // Armed before the read, so that no change in between is missed. The end of a task wakes
            // by id, so the sequence number is not needed.
            let mut woken = std::pin::pin!(watcher.wake.notified());
            woken.as_mut().enable();
            if let Some(ended) = Engine(self.clone()).result(id).await? {
                return Ok(ended);
            }
            woken.await;
        }
    }
}

impl Engine {
    /// Waits until a task has ended and returns its outcome; `None` after `patience`.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn wait(&self, id: &TaskId, patience: Duration) -> Result<Option<Arc<Ended>>, Error> {
        tokio::time::timeout(patience, self.0.outcome(id)).await.map_or(Ok(None), |it| it.map(Some))
    }

    /// Streams the updates of a task from `cursor` on.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn watch(&self, id: &TaskId, cursor: WatchCursor) -> Result<Watch, Error> {
        let watcher = Watcher::of(&self.0, id);
        // Later changes wake the watcher; earlier ones are found by its first read.
        if let Some(sequence) = self.find(id).await?.sequence {
            self.0.watches.set_sequence(id, sequence);
        }
        Ok(Watch {
            engine: self.clone(),
            watcher,
            seen: cursor,
            message: String::new(),
            pending: VecDeque::new(),
            over: false,
        })
    }
}

/// The updates of one task, until it has ended.
pub struct Watch {
    engine: Engine,
    watcher: Watcher,
    seen: WatchCursor,
    /// The last progress message in an update.
    message: String,
    pending: VecDeque<(WatchCursor, Update)>,
    over: bool,
}

impl Watch {
    /// The next update, and the cursor after it; `None` after the outcome or an error. Cancel safe.
    ///
    /// # Errors
    /// `TASK_NOT_FOUND`, `STORE_UNAVAILABLE`.
    pub async fn next(&mut self) -> Option<Result<(WatchCursor, Update), Error>> {
        loop {
            if let Some(update) = self.pending.pop_front() {
                return Some(Ok(update));
            }
            if self.over {
                return None;
            }
            let wake = self.watcher.wake.clone();
            let mut woken = std::pin::pin!(wake.notified());
            woken.as_mut().enable();
            if let Err(error) = self.read().await {
                self.over = true;
                return Some(Err(error));
            }
            if self.pending.is_empty() && !self.over {
                woken.await;
            }
        }
    }

    /// Reads the task and queues what is new since the last read.
    async fn read(&mut self) -> Result<(), Error> {
        let id = self.watcher.id.clone();
        let snapshot = self.engine.find(&id).await?;
        if let Some(sequence) = snapshot.sequence {
            self.watcher.shared.watches.set_sequence(&id, sequence);
        }
        self.add_history(&snapshot);
        let (fraction, message) = &snapshot.progress;
        if *fraction != self.seen.progress || *message != self.message {
            self.seen.progress = *fraction;
            self.message.clone_from(message);
            let update = Update::Progress(*fraction, message.clone());
            self.pending.push_back((self.seen, update));
        }
        self.add_log(&id).await?;
        if let Some(outcome) = snapshot.outcome {
            self.over = true;
            self.pending.push_back((self.seen, Update::Outcome(outcome)));
        }
        Ok(())
    }

    fn add_history(&mut self, snapshot: &Snapshot) {
        // A task keeps its first entry and drops the oldest after it.
        let dropped = snapshot.history_dropped as usize;
        for (at, entry) in snapshot.history.iter().enumerate() {
            let number = if at == 0 { 1 } else { at + dropped + 1 };
            if number > self.seen.history as usize {
                self.seen.history = u32::try_from(number).unwrap_or(u32::MAX);
                self.pending.push_back((self.seen, Update::Entered(entry.clone())));
            }
        }
    }

    async fn add_log(&mut self, id: &TaskId) -> Result<(), Error> {
        loop {
            let lines = self.engine.logs(id, self.seen.log, LOG_PAGE).await?;
            let full = lines.len() == LOG_PAGE;
            for line in lines {
                self.seen.log = line.number;
                self.pending.push_back((self.seen, Update::Log(line)));
            }
            if !full {
                return Ok(());
            }
        }
    }
}
