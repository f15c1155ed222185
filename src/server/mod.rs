//! The gRPC door: listens, serves HTTP/2, translates between the wire and the facade.
//!
//! One acceptor thread takes connections off one shared listener and hands each to the serving
//! thread that has the fewest; every serving thread is a current-thread runtime of its own, because
//! an echo call costs half there of what it costs on a multi-thread runtime. Nothing here touches a
//! store or a lock of the engine: everything goes through [`TaskSystem`].
//!
//! Shutting down takes two steps. [`Handle::refuse`] turns the health service to `NOT_SERVING`, and
//! the engine answers submissions with `UNAVAILABLE` while connections stay open for the answers
//! that are still due. [`Handle::stop`] then ends every watch and every long wait, and closes them.

mod accept;
mod answer;
mod compression;
mod connection;
mod convert;
mod cursors;
mod deadline;
mod descriptors;
mod direct;
mod disconnect;
mod events;
mod health;
mod lane;
mod listen;
mod page_token;
mod panics;
mod peer;
mod schedules;
mod sealed;
mod serve;
mod service;
mod statistics;
mod status;
#[cfg(test)]
mod tests;
mod watch;
mod webhooks;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

pub use direct::Services;
pub use listen::{Listener, bind};
pub use serve::{Serving, serve};

use crate::server::health::{Health, reflection, reflection_v1alpha};
use crate::server::service::Service;
use crate::system::TaskSystem;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

/// How to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Serving threads, at least 1.
    pub serve_threads: NonZeroUsize,
    /// The largest message, in and out, in bytes, after decompression.
    pub max_message_size: usize,
    /// The most connections at once; fewer when the process may not open so many files. Beyond it a
    /// newcomer takes the place of a peer that has not yet shown that it speaks HTTP/2, else it is
    /// closed.
    pub max_connections: usize,
    /// How long a peer may take to show that it speaks HTTP/2.
    pub handshake_timeout: Duration,
    /// How often a silent peer is asked whether it is alive; zero for never.
    pub keepalive_interval: Duration,
    /// How long it may take to say so.
    pub keepalive_timeout: Duration,
    /// The most calls under way on one connection.
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
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {}", listen::in_words(source))]
    Listen {
        /// The address that was asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A thread or its runtime could not be made.
    #[error("cannot start a serving thread: {0}")]
    Thread(#[source] io::Error),
    /// The compiled schema cannot be read back: a fault in the build.
    #[error("the compiled schema is damaged: {0}")]
    Schema(#[from] tonic_reflection::server::Error),
}

/// The product's gRPC services.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Serves `system` on `listener` until the handle is stopped or dropped.
    ///
    /// # Errors
    /// [`Error::Thread`] when the system gives no more threads or files.
    pub async fn start(
        listener: Listener,
        system: TaskSystem,
        options: Options,
    ) -> Result<Handle, Error> {
        let health = Health::serving(system.store().name).await;
        let hang_up = CancellationToken::new();
        let (v1, v1alpha) = (reflection()?, reflection_v1alpha()?);
        let serving = serve(listener, &options, || {
            // Made anew for each thread: threads that share no counters do not slow each other.
            Services {
                ours: Some(
                    Service::new(system.clone(), options.max_message_size, hang_up.clone())
                        .into_server(),
                ),
                others: Routes::new(health.service())
                    .add_service(v1.clone())
                    .add_service(v1alpha.clone()),
            }
        })?;
        Ok(Handle { serving, health, hang_up })
    }
}

/// A server that runs. Dropping it cuts every connection at once.
#[derive(Debug)]
pub struct Handle {
    serving: Serving,
    health: Health,
    /// Cancelled to end watches and long waits; those of health have their own way.
    hang_up: CancellationToken,
}

impl Handle {
    /// Where it listens; with the port that it got when it asked for any.
    pub fn local_addr(&self) -> SocketAddr {
        self.serving.local_addr()
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.serving.connections()
    }

    /// Turns the health service to `NOT_SERVING`. Calls are served on; it is the engine that
    /// refuses submissions from now on.
    pub async fn refuse(&self) {
        self.health.refuse().await;
    }

    /// Stops listening, lets calls under way finish within `timeout`, cuts what is left, and
    /// returns how many connections that were. A thread that a body blocks is left behind.
    pub async fn stop(self, timeout: Duration) -> usize {
        self.hang_up.cancel();
        self.health.hang_up().await;
        self.serving.stop(timeout).await
    }
}
