//! The gRPC server: listens, serves HTTP/2, and translates between the wire and the facade.
//!
//! `transport` is the HTTP/2 host and knows no RPC. `api` implements the RPCs on top of it. Nothing
//! here touches a store or a lock of the engine: every call goes through [`TaskSystem`].
//!
//! Graceful shutdown takes two steps. [`Handle::refuse`] sets the health service to `NOT_SERVING`,
//! while the engine answers submissions with `UNAVAILABLE` and connections stay open for answers
//! that are still due. [`Handle::stop`] then ends every stream and every long wait, and closes the
//! connections.

mod api;
#[cfg(test)]
mod tests;
mod transport;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::server::api::Health;
use crate::system::TaskSystem;
use transport::in_words;
pub use transport::{Listener, Serving, bind, serve};

/// How to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The number of serving threads, at least 1.
    pub serve_threads: NonZeroUsize,
    /// The largest message in each direction, in bytes, after decompression.
    pub max_message_size: usize,
    /// The most connections at once; fewer if the limit of open files requires it. Beyond it a new
    /// connection replaces a peer that has not opened HTTP/2 yet; if there is none, it is closed.
    pub max_connections: usize,
    /// The longest time that a peer may take to open HTTP/2.
    pub handshake_timeout: Duration,
    /// The interval of keepalive pings to a silent peer; zero sends none.
    pub keepalive_interval: Duration,
    /// The longest time that a peer may take to answer a ping.
    pub keepalive_timeout: Duration,
    /// The most concurrent calls on one connection.
    pub max_streams: u32,
}

impl Default for Options {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            serve_threads: NonZeroUsize::new((cores / 2).clamp(1, 8)).unwrap_or(NonZeroUsize::MIN),
            max_message_size: 4 << 20,
            max_connections: 10_000,
            handshake_timeout: Duration::from_secs(10),
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(20),
            max_streams: 1_024,
        }
    }
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server cannot listen on the address.
    #[error("cannot listen on {addr}: {}", in_words(source))]
    Listen {
        /// The requested address.
        addr: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The operating system provides no more threads or files.
    #[error("cannot start a serving thread: {0}")]
    Thread(#[source] io::Error),
    /// The compiled schema cannot be read back: a fault of the build.
    #[error("the compiled schema is damaged: {0}")]
    Schema(#[from] tonic_reflection::server::Error),
}

/// The server of all gRPC services: the task scheduler's own, health and reflection.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Serves `system` on `listener` until the handle is stopped or dropped.
    ///
    /// # Errors
    /// [`Error::Thread`] when the operating system provides no more threads or files.
    pub async fn start(
        listener: Listener,
        system: TaskSystem,
        options: Options,
    ) -> Result<Handle, Error> {
        let health = Health::serving(system.store().name).await;
        let hang_up = CancellationToken::new();
        let services = api::services(system, &options, &health, &hang_up)?;
        let serving = serve(listener, &options, services)?;
        Ok(Handle { serving, health, hang_up })
    }
}

/// A running server. Dropping it cuts every connection at once.
#[derive(Debug)]
pub struct Handle {
    serving: Serving,
    health: Health,
    /// Cancelled to end streams and long waits; the health service ends its own streams.
    hang_up: CancellationToken,
}

impl Handle {
    /// The address that it listens on, with the port that the system chose for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.serving.local_addr()
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.serving.connections()
    }

    /// Sets the health service to `NOT_SERVING`. The server continues to serve calls; the engine
    /// refuses submissions.
    pub async fn refuse(&self) {
        self.health.refuse().await;
    }

    /// Graceful shutdown: stops listening, ends streams and long waits, lets calls finish within
    /// `timeout`, cuts the connections that are left and returns how many those were. A thread that
    /// an inline handler blocks is left behind.
    pub async fn stop(self, timeout: Duration) -> usize {
        self.hang_up.cancel();
        self.health.hang_up().await;
        self.serving.stop(timeout).await
    }
}
