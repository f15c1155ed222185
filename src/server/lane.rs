//! A lane: one serving thread with a runtime of its own, and the connections that it serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{io, net, thread};

use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tracing::error;

use crate::server::connection::Connection;
use crate::server::deadline::DeadlineLayer;
use crate::server::direct::{DirectLayer, Services};
use crate::server::panics::CatchPanicsLayer;
use crate::server::{Error, Options};
use crate::system::deliver_here;

/// Connections on their way to one lane.
const MAX_HANDED_OVER: usize = 1_024;
/// Calls that a peer took back before we saw them, on one connection, before it is closed (the
/// "rapid reset" flood). h2's own 20 is less than an honest client's burst of cancelled calls.
const MAX_PENDING_RESETS: usize = 128;
/// Calls that we reset because the peer broke the protocol, before its connection is closed.
const MAX_ERROR_RESETS: usize = 1_024;
/// The largest set of request headers, in bytes.
const MAX_HEADER_LIST_BYTES: u32 = 16 << 10;

/// The acceptor's end of a lane.
#[derive(Debug)]
pub(super) struct Lane {
    sender: mpsc::Sender<Arrival>,
    open: Arc<AtomicUsize>,
}

/// What a serving thread needs besides its connections.
pub(super) struct Thread {
    pub(super) number: usize,
    pub(super) services: Services,
    pub(super) options: Options,
    /// Cancelled to close connections as soon as their calls are answered.
    pub(super) stop: CancellationToken,
    /// Cancelled to close them now.
    pub(super) cut: CancellationToken,
    /// Dropped when the thread ends.
    pub(super) alive: mpsc::Sender<()>,
}

/// A connection on its way to its lane.
#[derive(Debug)]
struct Arrival {
    stream: net::TcpStream,
    evicted: oneshot::Receiver<()>,
    place: Place,
}

/// Counts a connection for as long as it is open.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Place {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lane {
    /// Starts a serving thread that counts its connections in `open`.
    pub(super) fn start(thread: Thread, open: Arc<AtomicUsize>) -> Result<Self, Error> {
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

    /// Whether it keeps up and has not ended.
    pub(super) fn can_take(&self) -> bool {
        self.sender.capacity() > 0 && !self.sender.is_closed()
    }

    /// Gives it a connection; false, and the connection is closed, when it cannot take one.
    pub(super) fn take(&self, stream: net::TcpStream, evicted: oneshot::Receiver<()>) -> bool {
        let place = Place::new(&self.open);
        self.sender.try_send(Arrival { stream, evicted, place }).is_ok()
    }
}

impl Thread {
    fn run(self, runtime: Runtime, arrivals: mpsc::Receiver<Arrival>) {
        let Self { number, services, options, stop, cut, alive } = self;
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
            .layer(DirectLayer(services.ours))
            .add_routes(services.others)
            .serve_with_incoming_shutdown(incoming, stop.cancelled_owned());
        runtime.block_on(async {
            // It ends with the runtime.
            tokio::spawn(deliver_here());
            tokio::select! {
                served = serving => if let Err(error) = served {
                    error!(lane = number, %error, "a serving thread ended");
                },
                () = cut.cancelled() => {}
            }
        });
        // Drops every connection that is left, and waits for nothing.
        runtime.shutdown_background();
        drop(alive);
    }
}

impl Arrival {
    fn open(self, handshake_timeout: Duration) -> io::Result<Connection> {
        let stream = TcpStream::from_std(self.stream)?;
        Ok(Connection::new(stream, self.place, handshake_timeout, self.evicted))
    }
}
