//! Who is registered, and how far all of them together are.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::ending::Ending;
use super::life::{Hook, Life, Telling};
use super::work::Work;
use super::{ExecutionStatus, Pace, SchedulerError, ServiceState, TaskHandle, TaskId};

/// The most tasks that one scheduler takes, ended ones included.
pub const MAX_TASKS: usize = 4_096;

/// Who is registered, in order. A task that was started is owned by its loop; what is kept here is how
/// to see it and how to end it.
pub struct TaskRegistry<E, M = String>(Mutex<Book<E, M>>);

struct Book<E, M> {
    phase: Phase,
    entries: Vec<Entry<E, M>>,
}

enum Phase {
    /// Nobody is started.
    Idle,
    /// Everybody is, there.
    Started(Handle),
    /// Everybody was told to stop, or is about to be.
    Over,
}

struct Entry<E, M> {
    handle: TaskHandle,
    ending: Arc<Ending>,
    /// Before it is started.
    waiting: Option<Life<E, M>>,
    abort: Option<AbortHandle>,
}

/// How to end one task.
pub(super) struct Started {
    pub(super) handle: TaskHandle,
    pub(super) ending: Arc<Ending>,
}

impl<E, M> TaskRegistry<E, M> {
    /// What is known of a task.
    ///
    /// # Errors
    /// [`SchedulerError::TaskNotFound`].
    pub fn task(&self, id: TaskId) -> Result<TaskHandle, SchedulerError> {
        let book = self.0.lock();
        let found = book.entries.binary_search_by_key(&id, |entry| entry.handle.id());
        let found = found.map_err(|_| SchedulerError::TaskNotFound(id))?;
        Ok(book.entries[found].handle.clone())
    }

    /// All of them, in the order in which they were registered.
    pub fn tasks(&self) -> Vec<TaskHandle> {
        self.0.lock().entries.iter().map(|entry| entry.handle.clone()).collect()
    }

    /// Takes a task in. If the others are started, answers where, and its life: whoever gets it
    /// lives it there.
    pub(super) fn add(
        &self,
        work: Work<E, M>,
        name: Arc<str>,
        pace: Pace,
        hook: Option<Hook>,
    ) -> Result<(TaskHandle, Option<(Handle, Life<E, M>)>), SchedulerError> {
        let idle = ServiceState { status: ExecutionStatus::Idle, failures: 0, last_error: None };
        let (state, seen) = watch::channel(idle);
        let ending = Arc::new(Ending::default());
        let mut book = self.0.lock();
        let runtime = match &book.phase {
            Phase::Idle => None,
            Phase::Started(runtime) => Some(runtime.clone()),
            Phase::Over => return Err(SchedulerError::ShutDown),
        };
        if book.entries.len() == MAX_TASKS {
            return Err(SchedulerError::TooManyTasks);
        }
        // Under the lock, so that ids grow in the order of the entries.
        let task = TaskId::next();
        let handle = TaskHandle::new(task, name.clone(), seen);
        let after = book.entries.last().map(|entry| entry.handle.clone());
        let telling = Telling { task, name, state, hook, ending: ending.clone(), failures: 0 };
        let life = Life { work, after, telling, pace };
        let (waiting, begins) = match runtime {
            None => (Some(life), None),
            Some(runtime) => (None, Some((runtime, life))),
        };
        book.entries.push(Entry { handle: handle.clone(), ending, waiting, abort: None });
        Ok((handle, begins))
    }

    /// The lives of all that wait to be started, in order: whoever gets them lives them.
    pub(super) fn start(
        &self,
        runtime: Handle,
    ) -> Result<Vec<(TaskHandle, Life<E, M>)>, SchedulerError> {
        let mut book = self.0.lock();
        match book.phase {
            Phase::Idle => book.phase = Phase::Started(runtime),
            Phase::Started(_) => return Err(SchedulerError::AlreadyStarted),
            Phase::Over => return Err(SchedulerError::ShutDown),
        }
        let entries = book.entries.iter_mut();
        Ok(entries.filter_map(|it| Some((it.handle.clone(), it.waiting.take()?))).collect())
    }

    /// A life has begun; how to abort it.
    pub(super) fn started(&self, id: TaskId, abort: AbortHandle) {
        let mut book = self.0.lock();
        let found = book.entries.binary_search_by_key(&id, |entry| entry.handle.id());
        let entry = &mut book.entries[found.expect("whoever is started was added before")];
        if entry.ending.is_given_up() {
            abort.abort();
        }
        entry.abort = Some(abort);
    }

    /// Takes nobody in any more. Answers who is to be told to stop, the last one first.
    pub(super) fn end(&self) -> Vec<Started> {
        let (lives, ends): (Vec<_>, Vec<_>) = {
            let mut book = self.0.lock();
            book.phase = Phase::Over;
            let entries = book.entries.iter_mut().rev();
            let ended = entries.map(|entry| {
                if entry.waiting.is_some() {
                    entry.ending.tell();
                }
                let end = Started { handle: entry.handle.clone(), ending: entry.ending.clone() };
                (entry.waiting.take(), end)
            });
            ended.unzip()
        };
        // These never began. What they hold is dropped without the lock.
        drop(lives);
        ends
    }

    /// Drops a task that did not stop, where it awaits.
    pub(super) fn give_up(&self, id: TaskId) {
        let book = self.0.lock();
        let found = book.entries.binary_search_by_key(&id, |entry| entry.handle.id());
        let entry = &book.entries[found.expect("whoever ends was added before")];
        entry.ending.give_up();
        if let Some(abort) = &entry.abort {
            abort.abort();
        }
    }

    /// Drops all tasks where they await.
    pub(super) fn abort(&self) {
        for abort in self.0.lock().entries.iter().filter_map(|entry| entry.abort.as_ref()) {
            abort.abort();
        }
    }
}

impl<E, M> Default for TaskRegistry<E, M> {
    fn default() -> Self {
        Self(Mutex::new(Book { phase: Phase::Idle, entries: Vec::new() }))
    }
}
