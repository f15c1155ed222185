//! A worker: one serving thread with its own runtime, and the connections that it serves.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{io, net, thread};

use http::{Request, Response};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::transport::Server;
use tower::Service;
use tracing::error;

use crate::server::transport::connection::Connection;
use crate::server::transport::deadline::DeadlineLayer;
use crate::server::transport::panics::CatchPanicsLayer;
use crate::server::{Error, Options};
use crate::system::deliver_here;

/// Connections that wait for one worker to take them.
const MAX_HANDED_OVER: usize = 1_024;
/// Calls that a peer reset before the service saw them, on one connection, before it is closed (the
/// "rapid reset" flood). h2's own 20 is less than an honest client's burst of cancelled calls.
const MAX_PENDING_RESETS: usize = 128;
/// Calls that this side reset because the peer broke the protocol, before its connection is closed.
const MAX_ERROR_RESETS: usize = 1_024;
/// The largest set of request headers, in bytes.
const MAX_HEADER_LIST_BYTES: u32 = 16 << 10;

/// The acceptor's handle to a worker.
#[derive(Debug)]
pub(super) struct Worker {
    sender: mpsc::Sender<Arrival>,
    open: Arc<AtomicUsize>,
}

/// What a worker's thread needs besides its connections.
pub(super) struct Thread<S> {
    pub(super) number: usize,
    pub(super) service: S,
    pub(super) options: Options,
    /// Cancelled to close connections as soon as their calls are answered.
    pub(super) stop: CancellationToken,
    /// Cancelled to close them now.
    pub(super) cut: CancellationToken,
    /// Dropped when the thread ends.
    pub(super) alive: mpsc::Sender<()>,
}

/// A connection that the acceptor hands to a worker.
#[derive(Debug)]
struct Arrival {
    stream: net::TcpStream,
    evicted: oneshot::Receiver<()>,
    slot: ConnectionSlot,
}

/// Counts one connection for as long as it is open.
#[derive(Debug)]
pub(super) struct ConnectionSlot(Arc<AtomicUsize>);

impl ConnectionSlot {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Worker {
    /// Starts a serving thread that counts its connections in `open`.
    pub(super) fn start<S>(thread: Thread<S>, open: Arc<AtomicUsize>) -> Result<Self, Error>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
    {
        let (sender, arrivals) = mpsc::channel(MAX_HANDED_OVER);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::Thread)?;
        thread::Builder::new()
            .name(format!("serve-{}", thread.number))
            .spawn(move || thread.run(runtime, arrivals))
            .map_err(Error::Thread)?;
        Ok(Self { sender, open })
    }

    /// How many connections it has.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether it keeps up with new connections and has not ended.
    pub(super) fn can_accept(&self) -> bool {
        self.sender.capacity() > 0 && !self.sender.is_closed()
    }

    /// Hands it a connection; `false`, and the connection is closed, when it cannot accept one.
    pub(super) fn hand_over(&self, stream: net::TcpStream, evicted: oneshot::Receiver<()>) -> bool {
        let slot = ConnectionSlot::new(&self.open);
        self.sender.try_send(Arrival { stream, evicted, slot }).is_ok()
    }
}

impl<S> Thread<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    fn run(self, runtime: Runtime, arrivals: mpsc::Receiver<Arrival>) {
        let Self { number, service, options, stop, cut, alive } = self;
        let keepalive = !options.keepalive_interval.is_zero();
        let incoming = ReceiverStream::new(arrivals)
            .map(move |arrival| arrival.open(options.handshake_timeout));
        let serving = Server::builder()
            .max_concurrent_streams(Some(options.max_streams))
            .http2_keepalive_interval(keepalive.then_some(options.keepalive_interval))
            .http2_keepalive_timeout(Some(options.keepalive_timeout))
            .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_RESETS))
            .http2_max_local_error_reset_streams(Some(MAX_ERROR_RESETS))
            .http2_max_header_list_size(Some(MAX_HEADER_LIST_BYTES))
            .layer(CatchPanicsLayer)
            .layer(DeadlineLayer)
            .serve_with_incoming_shutdown(service, incoming, stop.cancelled_owned());
        runtime.block_on(async {
            // This task ends with the runtime.
            tokio::spawn(deliver_here());
            tokio::select! {
                served = serving => if let Err(error) = served {
                    error!(worker = number, %error, "a worker failed");
                },
                () = cut.cancelled() => {}
            }
        });
        // Drops every connection that is left without waiting.
        runtime.shutdown_background();
        drop(alive);
    }
}

impl Arrival {
    fn open(self, handshake_timeout: Duration) -> io::Result<Connection> {
        let stream = TcpStream::from_std(self.stream)?;
        Ok(Connection::new(stream, self.slot, handshake_timeout, self.evicted))
    }
}
