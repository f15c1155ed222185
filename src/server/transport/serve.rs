//! Serves on one shared listener and several workers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use http::{Request, Response};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::body::Body;
use tower::Service;

use crate::server::transport::accept::Acceptor;
use crate::server::transport::descriptors::room_for_connections;
use crate::server::transport::worker::{Thread, Worker};
use crate::server::{Error, Listener, Options};

/// How long threads may take to end once their connections are cut.
const CUT_GRACE: Duration = Duration::from_millis(500);

/// A running HTTP/2 host. Dropping it cuts every connection at once.
#[derive(Debug)]
pub struct Serving {
    addr: SocketAddr,
    /// The number of connections of each worker.
    open: Vec<Arc<AtomicUsize>>,
    stop: CancellationToken,
    cut: CancellationToken,
    _cut_on_drop: DropGuard,
    /// Closes when the last thread has ended.
    alive: mpsc::Receiver<()>,
}

/// Serves on `listener`. Each worker gets a service of its own from `service`, so that workers share
/// no counters.
///
/// # Errors
/// [`Error::Thread`] when the operating system provides no more threads or files.
pub fn serve<S>(
    listener: Listener,
    options: &Options,
    service: impl Fn() -> S,
) -> Result<Serving, Error>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    let (alive, ended) = mpsc::channel(1);
    let cut = CancellationToken::new();
    let mut serving = Serving {
        addr: listener.local_addr(),
        open: Vec::new(),
        stop: CancellationToken::new(),
        cut: cut.clone(),
        _cut_on_drop: cut.drop_guard(),
        alive: ended,
    };
    let mut workers = Vec::new();
    for number in 0..options.serve_threads.get() {
        let open = Arc::new(AtomicUsize::new(0));
        serving.open.push(Arc::clone(&open));
        let thread = Thread {
            number,
            service: service(),
            options: *options,
            stop: serving.stop.clone(),
            cut: serving.cut.clone(),
            alive: alive.clone(),
        };
        workers.push(Worker::start(thread, open)?);
    }
    serving.start_accepting(listener, workers, options, alive)?;
    Ok(serving)
}

impl Serving {
    /// The address that it listens on, with the port that the system chose for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.connections_by_worker().iter().sum()
    }

    /// How many connections each worker has.
    pub fn connections_by_worker(&self) -> Vec<usize> {
        self.open.iter().map(|open| open.load(Ordering::Relaxed)).collect()
    }

    /// Graceful shutdown: stops listening, lets calls finish within `timeout_after`, cuts the
    /// connections that are left and returns how many those were.
    pub async fn stop(mut self, timeout_after: Duration) -> usize {
        self.stop.cancel();
        if timeout(timeout_after, self.alive.recv()).await.is_ok() {
            return 0;
        }
        let left = self.connections();
        self.cut.cancel();
        if timeout(CUT_GRACE, self.alive.recv()).await.is_err() {
            tracing::warn!("a handler blocks a worker; leaving its thread behind");
        }
        left
    }

    fn start_accepting(
        &self,
        listener: Listener,
        workers: Vec<Worker>,
        options: &Options,
        alive: mpsc::Sender<()>,
    ) -> Result<(), Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::Thread)?;
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener.into_socket()).map_err(Error::Thread)?
        };
        let max_connections = options.max_connections.min(room_for_connections());
        if max_connections < options.max_connections {
            tracing::info!(max_connections, "the limit of open files allows fewer connections");
        }
        let write_timeout = match options.keepalive_interval {
            Duration::ZERO => Duration::ZERO,
            interval => interval + options.keepalive_timeout,
        };
        let acceptor = Acceptor::new(listener, workers, max_connections, write_timeout);
        let (stop, cut) = (self.stop.clone(), self.cut.clone());
        let accepting = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = acceptor.run() => {}
                    () = stop.cancelled() => {}
                    () = cut.cancelled() => {}
                }
            });
            drop(alive);
        };
        thread::Builder::new().name("accept".into()).spawn(accepting).map_err(Error::Thread)?;
        Ok(())
    }
}
