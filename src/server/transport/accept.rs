//! The acceptor: takes connections off the listener and hands each to the worker with the fewest.
//!
//! It never ends and never spins, whatever error `accept` returns. When all connection slots are
//! taken, a new connection evicts the peer that has been silent for longest, so that thousands of
//! connections that send nothing do not keep a client out. When every peer has opened HTTP/2, the
//! new connection is closed: an immediate close tells a client more than a connect that hangs.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tracing::warn;

use crate::server::transport::worker::Worker;

/// The pause after `accept` failed for lack of a resource (file descriptors, memory).
const BACKOFF: Duration = Duration::from_millis(50);
/// At most this many evicted connections may still be closing when a new one is admitted.
const MAX_CLOSING: usize = 64;
/// The longest wait for evicted connections to close, and the interval of the checks.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
const CHECK_EVERY: Duration = Duration::from_millis(1);
/// At most one warning of a kind in this time.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// Accepts connections.
pub(super) struct Acceptor {
    listener: TcpListener,
    workers: Vec<Worker>,
    max_connections: usize,
    write_timeout: Duration,
    /// Peers that had not opened HTTP/2 at the last check, the oldest first. A peer that opens it
    /// drops its receiver.
    silent: VecDeque<oneshot::Sender<()>>,
    full_log: RateLimitedLog,
    error_log: RateLimitedLog,
}

impl Acceptor {
    /// Accepts connections from `listener` for `workers`. The kernel closes a connection whose peer
    /// reads nothing for `write_timeout`.
    pub(super) fn new(
        listener: TcpListener,
        workers: Vec<Worker>,
        max_connections: usize,
        write_timeout: Duration,
    ) -> Self {
        Self {
            listener,
            workers,
            max_connections,
            write_timeout,
            silent: VecDeque::new(),
            full_log: RateLimitedLog::default(),
            error_log: RateLimitedLog::default(),
        }
    }

    /// Accepts until it is dropped.
    pub(super) async fn run(mut self) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    self.wait_for_evicted().await;
                    self.admit(stream);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if let Some(suppressed) = self.error_log.should_log(Instant::now()) {
                        warn!(%error, suppressed, "cannot accept connections; retrying");
                    }
                    tokio::time::sleep(BACKOFF).await;
                }
            }
        }
    }

    fn open(&self) -> usize {
        self.workers.iter().map(Worker::open).sum()
    }

    /// Gives workers time to close evicted connections. New ones wait in the kernel meanwhile.
    async fn wait_for_evicted(&self) {
        let latest = Instant::now() + CLOSE_WITHIN;
        while self.open() >= self.max_connections + MAX_CLOSING && Instant::now() < latest {
            tokio::time::sleep(CHECK_EVERY).await;
        }
    }

    /// Hands a connection to a worker, or closes it by dropping it.
    fn admit(&mut self, stream: TcpStream) {
        self.forget_established();
        let open = self.open();
        let crowded = open >= self.max_connections + MAX_CLOSING;
        if crowded || (open >= self.max_connections && !self.evict()) {
            if let Some(suppressed) = self.full_log.should_log(Instant::now()) {
                let max_connections = self.max_connections;
                warn!(max_connections, suppressed, "all connections are in use; closed a new one");
            }
            return;
        }
        let stream = match self.prepare(stream) {
            Ok(stream) => stream,
            // The peer has closed it already.
            Err(error) => return tracing::debug!(%error, "lost a connection before it was served"),
        };
        let accepting = self.workers.iter().filter(|worker| worker.can_accept());
        let Some(worker) = accepting.min_by_key(|worker| worker.open()) else {
            if let Some(suppressed) = self.error_log.should_log(Instant::now()) {
                warn!(suppressed, "every worker is overloaded; closed a new connection");
            }
            return;
        };
        let (evict, evicted) = oneshot::channel();
        if worker.hand_over(stream, evicted) {
            self.silent.push_back(evict);
        }
    }

    fn prepare(&self, stream: TcpStream) -> io::Result<std::net::TcpStream> {
        // Without it small frames wait for the peer's delayed acknowledgement: 40 ms.
        stream.set_nodelay(true)?;
        // Keepalive pings cannot end a connection whose peer stopped reading: hyper would wait
        // forever to write its GOAWAY.
        #[cfg(target_os = "linux")]
        if !self.write_timeout.is_zero() {
            socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(self.write_timeout))?;
        }
        stream.into_std()
    }

    /// Closes the peer that has been silent for longest; `false` when every peer has opened HTTP/2.
    fn evict(&mut self) -> bool {
        while let Some(evict) = self.silent.pop_front() {
            if evict.send(()).is_ok() {
                return true;
            }
        }
        false
    }

    /// Drops the entries of peers that have opened HTTP/2 or closed their connection.
    fn forget_established(&mut self) {
        while self.silent.front().is_some_and(oneshot::Sender::is_closed) {
            self.silent.pop_front();
        }
        // Bounds the queue even if one silent peer stays at its front.
        if self.silent.len() > 2 * self.max_connections {
            self.silent.retain(|evict| !evict.is_closed());
        }
    }
}

/// Whether the error concerns only the connection that was to be accepted; the listener works.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Allows one log line per [`WARN_EVERY`] and counts those that it suppresses.
#[derive(Default)]
struct RateLimitedLog {
    logged_at: Option<Instant>,
    suppressed: u64,
}

impl RateLimitedLog {
    /// `Some` when the line may be logged now, with the number of lines suppressed before it.
    fn should_log(&mut self, now: Instant) -> Option<u64> {
        if self.logged_at.is_some_and(|logged_at| now.duration_since(logged_at) < WARN_EVERY) {
            self.suppressed += 1;
            return None;
        }
        self.logged_at = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_not_repeated_within_ten_seconds() {
        let start = Instant::now();
        let mut log = RateLimitedLog::default();
        assert_eq!(log.should_log(start), Some(0));
        assert_eq!(log.should_log(start + WARN_EVERY / 2), None);
        assert_eq!(log.should_log(start + WARN_EVERY / 2), None);
        assert_eq!(log.should_log(start + WARN_EVERY), Some(2));
        assert_eq!(log.should_log(start + WARN_EVERY * 2), Some(0));
    }
}
