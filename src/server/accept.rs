//! The acceptor: takes connections off the listener and hands each to the lane with the fewest.
//!
//! Never ends and never spins, whatever `accept` says. When all places are taken, a newcomer gets
//! the place of the peer that has been silent for longest, so that thousands of connections that
//! send nothing do not keep a client out; when every peer has spoken, the newcomer is closed, which
//! tells it more than a queue that does not move.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tracing::warn;

use crate::server::lane::Lane;

/// How long to leave `accept` alone after it failed for want of something (files, memory).
const BACKOFF: Duration = Duration::from_millis(50);
/// At most this many peers are on their way out when a newcomer is let in.
const MAX_LEAVING: usize = 64;
/// How long a newcomer waits for them to leave; and how often we look.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// One warning of a kind in this time.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// Takes connections in.
pub(super) struct Acceptor {
    listener: TcpListener,
    lanes: Vec<Lane>,
    max_connections: usize,
    write_timeout: Duration,
    /// Peers that had not spoken HTTP/2 yet when last looked at, the oldest first. A peer that has
    /// drops its receiver.
    silent: VecDeque<oneshot::Sender<()>>,
    full: Hush,
    failing: Hush,
}

impl Acceptor {
    /// Takes connections from `listener` for `lanes`. A peer that takes nothing off its socket for
    /// `write_timeout` is closed by the kernel.
    pub(super) fn new(
        listener: TcpListener,
        lanes: Vec<Lane>,
        max_connections: usize,
        write_timeout: Duration,
    ) -> Self {
        Self {
            listener,
            lanes,
            max_connections,
            write_timeout,
            silent: VecDeque::new(),
            full: Hush::default(),
            failing: Hush::default(),
        }
    }

    /// Accepts until it is dropped.
    pub(super) async fn run(mut self) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    self.let_leave().await;
                    self.admit(stream);
                }
                Err(error) if is_over_already(&error) => {}
                Err(error) => {
                    if let Some(more) = self.failing.speaks(Instant::now()) {
                        warn!(%error, more, "cannot accept connections; trying on");
                    }
                    tokio::time::sleep(BACKOFF).await;
                }
            }
        }
    }

    fn open(&self) -> usize {
        self.lanes.iter().map(Lane::open).sum()
    }

    /// Gives lanes that are behind the time to close what was evicted. Newcomers wait in the kernel.
    async fn let_leave(&self) {
        let latest = Instant::now() + LEAVE_WITHIN;
        while self.open() >= self.max_connections + MAX_LEAVING && Instant::now() < latest {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Finds a place for a connection, or closes it by dropping it.
    fn admit(&mut self, stream: TcpStream) {
        self.forget_speakers();
        let open = self.open();
        let crowded = open >= self.max_connections + MAX_LEAVING;
        if crowded || (open >= self.max_connections && !self.evict()) {
            if let Some(more) = self.full.speaks(Instant::now()) {
                let max_connections = self.max_connections;
                warn!(max_connections, more, "all connections are in use; closed a new one");
            }
            return;
        }
        let stream = match self.prepare(stream) {
            Ok(stream) => stream,
            // Its peer has gone already.
            Err(error) => return tracing::debug!(%error, "lost a connection before it was served"),
        };
        let lane = self.lanes.iter().filter(|lane| lane.can_take()).min_by_key(|lane| lane.open());
        let Some(lane) = lane else {
            if let Some(more) = self.failing.speaks(Instant::now()) {
                warn!(more, "every serving thread is behind; closed a new connection");
            }
            return;
        };
        let (evict, evicted) = oneshot::channel();
        if lane.take(stream, evicted) {
            self.silent.push_back(evict);
        }
    }

    fn prepare(&self, stream: TcpStream) -> io::Result<std::net::TcpStream> {
        // Without it small frames wait for the peer's delayed acknowledgement: 40 ms.
        stream.set_nodelay(true)?;
        // Keepalive pings cannot end a connection whose peer stopped reading: hyper would wait for
        // ever to write its farewell.
        #[cfg(target_os = "linux")]
        if !self.write_timeout.is_zero() {
            socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(self.write_timeout))?;
        }
        stream.into_std()
    }

    /// Closes the peer that has been silent for longest; false when there is none.
    fn evict(&mut self) -> bool {
        while let Some(evict) = self.silent.pop_front() {
            if evict.send(()).is_ok() {
                return true;
            }
        }
        false
    }

    /// Drops what is known of peers that have spoken or gone.
    fn forget_speakers(&mut self) {
        while self.silent.front().is_some_and(oneshot::Sender::is_closed) {
            self.silent.pop_front();
        }
        // One silent peer in front must not hold a queue of others.
        if self.silent.len() > 2 * self.max_connections {
            self.silent.retain(|evict| !evict.is_closed());
        }
    }
}

/// The connection that was to be accepted is gone; the listener is sound.
fn is_over_already(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Lets one message through in [`WARN_EVERY`] and counts the others.
#[derive(Default)]
struct Hush {
    spoke: Option<Instant>,
    held_back: u64,
}

impl Hush {
    /// Whether to speak now, and how often it was silent since it last did.
    fn speaks(&mut self, now: Instant) -> Option<u64> {
        if self.spoke.is_some_and(|spoke| now.duration_since(spoke) < WARN_EVERY) {
            self.held_back += 1;
            return None;
        }
        self.spoke = Some(now);
        Some(std::mem::take(&mut self.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_not_repeated_within_ten_seconds() {
        let start = Instant::now();
        let mut hush = Hush::default();
        assert_eq!(hush.speaks(start), Some(0));
        assert_eq!(hush.speaks(start + WARN_EVERY / 2), None);
        assert_eq!(hush.speaks(start + WARN_EVERY / 2), None);
        assert_eq!(hush.speaks(start + WARN_EVERY), Some(2));
        assert_eq!(hush.speaks(start + WARN_EVERY * 2), Some(0));
    }
}
