//! A writer that counts what it could not write, and the sum of all lines lost.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing_appender::non_blocking::ErrorCounter;

/// Passes lines on and counts those that the writer refuses (a full disk, a closed pipe).
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

/// Lines lost on the way to each writer, and how many of them were told.
#[derive(Debug, Default)]
pub(super) struct Losses(Vec<Watched>);

#[derive(Debug)]
struct Watched {
    name: &'static str,
    /// Lost because too many were waiting.
    crowded_out: ErrorCounter,
    /// Lost because the writer refused them.
    unwritten: Arc<AtomicUsize>,
    told: usize,
}

/// Lines lost on the way to one writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) writer: &'static str,
    pub(super) lines: usize,
    /// Since the start.
    pub(super) total: usize,
}

impl Losses {
    pub(super) fn watch(
        &mut self,
        name: &'static str,
        crowded_out: ErrorCounter,
        unwritten: Arc<AtomicUsize>,
    ) {
        self.0.push(Watched { name, crowded_out, unwritten, told: 0 });
    }

    /// What was lost since the last call.
    pub(super) fn news(&mut self) -> impl Iterator<Item = Loss> {
        self.0.iter_mut().filter_map(|watched| {
            let lost =
                watched.crowded_out.dropped_lines() + watched.unwritten.load(Ordering::Relaxed);
            let new = lost.saturating_sub(watched.told);
            watched.told = lost;
            (new > 0).then_some(Loss { writer: watched.name, lines: new, total: lost })
        })
    }
}
