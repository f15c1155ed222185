//! Options of the SQLite store.

use std::time::Duration;

/// Limits of a [`SqliteStore`](super::SqliteStore). The defaults suit a server; tests lower them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many connections read at once, at least 1.
    pub readers: usize,
    /// How many queries may wait for a reader, at least 1; further callers wait until there is room.
    pub waiting_queries: usize,
    /// How many running and claimable tasks stay in memory between transactions.
    pub kept_rows: usize,
    /// How many ids one filter in memory is for, at least 1: 12 bits for each. Pruning drops the filters
    /// of old tasks.
    pub ids_per_filter: u64,
    /// After so long without a commit the log is copied back into the file and cut to nothing.
    pub idle_checkpoint_after: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            readers: 3,
            waiting_queries: 1_024,
            kept_rows: 8 << 10,
            ids_per_filter: 1 << 20,
            idle_checkpoint_after: Duration::from_secs(5),
        }
    }
}
