//! The thread that reports lost lines and removes old files.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing::{Dispatch, dispatcher};

use crate::logger::retention;
use crate::logger::sink::{Loss, Losses};

const PERIOD: Duration = Duration::from_secs(10);

/// Owns the thread. Dropping it reports the last losses and joins the thread.
#[derive(Debug)]
pub(super) struct Keeper {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread: it works at once and then every 10 s. `files` is the directory to prune and the
    /// number of files to keep; `dispatch` is the log to report to.
    pub(super) fn start(
        dispatch: Dispatch,
        mut losses: Losses,
        files: Option<(PathBuf, usize)>,
    ) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        dispatcher::with_default(&dispatch, || maintain(&mut losses, files.as_ref()));
        let run = move || {
            while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                maintain(&mut losses, files.as_ref());
            }
            maintain(&mut losses, None);
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

fn maintain(losses: &mut Losses, files: Option<&(PathBuf, usize)>) {
    for Loss { writer, lines, total } in losses.take_new() {
        // With the total, because this line can be lost as well.
        tracing::warn!(writer, lines, total, "log lines were lost");
    }
    if let Some((dir, keep)) = files
        && let Err(error) = retention::prune(dir, *keep)
    {
        tracing::warn!(dir = %dir.display(), %error, "old log files cannot be removed");
    }
}
