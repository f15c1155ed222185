//! A writer that counts failed writes, and the count of all lost lines.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing_appender::non_blocking::ErrorCounter;

/// Forwards lines and counts failed writes, as on a full disk or a closed pipe.
pub(super) struct Sink<W> {
    writer: W,
    failures: Arc<AtomicUsize>,
}

impl<W> Sink<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer, failures: Arc::default() }
    }

    pub(super) fn failures(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.failures)
    }
}

impl<W: io::Write> io::Write for Sink<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.writer.write(line)
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        let written = self.writer.write_all(line);
        if written.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The lost lines of each writer, and how many of them were reported.
#[derive(Debug, Default)]
pub(super) struct Losses(Vec<Watched>);

#[derive(Debug)]
struct Watched {
    name: &'static str,
    /// Dropped because too many lines were waiting.
    dropped: ErrorCounter,
    /// Failed writes.
    unwritten: Arc<AtomicUsize>,
    reported: usize,
}

/// The lost lines of one writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) writer: &'static str,
    pub(super) lines: usize,
    /// Since the log was started.
    pub(super) total: usize,
}

impl Losses {
    pub(super) fn watch(
        &mut self,
        name: &'static str,
        dropped: ErrorCounter,
        unwritten: Arc<AtomicUsize>,
    ) {
        self.0.push(Watched { name, dropped, unwritten, reported: 0 });
    }

    /// The lines lost since the last call.
    pub(super) fn take_new(&mut self) -> impl Iterator<Item = Loss> {
        self.0.iter_mut().filter_map(|watched| {
            let lost = watched.dropped.dropped_lines() + watched.unwritten.load(Ordering::Relaxed);
            let new = lost.saturating_sub(watched.reported);
            watched.reported = lost;
            (new > 0).then_some(Loss { writer: watched.name, lines: new, total: lost })
        })
    }
}
