//! The thread that tells about lost lines and removes old files while the program runs.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing::{Dispatch, dispatcher};

use crate::logger::retention;
use crate::logger::sink::{Loss, Losses};

const PERIOD: Duration = Duration::from_secs(10);

/// Owns the thread: dropping it has a last look and joins.
#[derive(Debug)]
pub(super) struct Keeper {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Looks at once, then every ten seconds. `files` is where to remove old files and how many to
    /// leave; `dispatch` is the log that is kept.
    pub(super) fn start(
        dispatch: Dispatch,
        mut losses: Losses,
        files: Option<(PathBuf, usize)>,
    ) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        dispatcher::with_default(&dispatch, || look(&mut losses, files.as_ref()));
        let run = move || {
            while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                look(&mut losses, files.as_ref());
            }
            look(&mut losses, None);
        };
        let thread = std::thread::Builder::new()
            .name("log-keeper".into())
            .spawn(move || dispatcher::with_default(&dispatch, run))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        debug_assert!(!matches!(ended, Some(Err(_))), "the thread does not panic");
    }
}

fn look(losses: &mut Losses, files: Option<&(PathBuf, usize)>) {
    for Loss { writer, lines, total } in losses.news() {
        // The total as well, because this line can be lost like any other.
        tracing::warn!(writer, lines, total, "log lines were lost");
    }
    if let Some((dir, keep)) = files
        && let Err(error) = retention::prune(dir, *keep)
    {
        tracing::warn!(dir = %dir.display(), %error, "old log files cannot be removed");
    }
}
