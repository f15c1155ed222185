//! Serving on one shared listener and several serving threads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::server::accept::Acceptor;
use crate::server::descriptors::room_for_connections;
use crate::server::direct::Services;
use crate::server::lane::{Lane, Thread};
use crate::server::{Error, Listener, Options};

/// How long threads have to end once their connections are cut.
const CUT_GRACE: Duration = Duration::from_millis(500);

/// Services that are being served. Dropping it cuts every connection at once.
#[derive(Debug)]
pub struct Serving {
    addr: SocketAddr,
    /// The connections of each lane.
    open: Vec<Arc<AtomicUsize>>,
    stop: CancellationToken,
    cut: CancellationToken,
    _cut_on_drop: DropGuard,
    /// Ends when the last thread has.
    alive: mpsc::Receiver<()>,
}

/// Serves what `services` makes, which is called once for each serving thread.
///
/// # Errors
/// [`Error::Thread`] when the system gives no more threads or files.
pub fn serve(
    listener: Listener,
    options: &Options,
    services: impl Fn() -> Services,
) -> Result<Serving, Error> {
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
    let mut lanes = Vec::new();
    for number in 0..options.serve_threads.get() {
        let open = Arc::new(AtomicUsize::new(0));
        serving.open.push(Arc::clone(&open));
        let thread = Thread {
            number,
            services: services(),
            options: *options,
            stop: serving.stop.clone(),
            cut: serving.cut.clone(),
            alive: alive.clone(),
        };
        lanes.push(Lane::start(thread, open)?);
    }
    serving.start_accepting(listener, lanes, options, alive)?;
    Ok(serving)
}

impl Serving {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.of_each_thread().iter().sum()
    }

    /// How many connections each serving thread has.
    pub fn of_each_thread(&self) -> Vec<usize> {
        self.open.iter().map(|open| open.load(Ordering::Relaxed)).collect()
    }

    /// Stops listening, lets calls under way finish within `patience`, cuts what is left, and
    /// returns how many connections that were.
    pub async fn stop(mut self, patience: Duration) -> usize {
        self.stop.cancel();
        if timeout(patience, self.alive.recv()).await.is_ok() {
            return 0;
        }
        let left = self.connections();
        self.cut.cancel();
        if timeout(CUT_GRACE, self.alive.recv()).await.is_err() {
            tracing::warn!("a serving thread is blocked by a body; leaving it behind");
        }
        left
    }

    fn start_accepting(
        &self,
        listener: Listener,
        lanes: Vec<Lane>,
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
        let acceptor = Acceptor::new(listener, lanes, max_connections, write_timeout);
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
