//! A TCP proxy between client and server that can cut connections.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Forwards connections to its target. Dropping it cuts them.
#[derive(Clone)]
pub(crate) struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: Mutex<SocketAddr>,
    connections: Mutex<JoinSet<()>>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    /// Starts a proxy.
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Shared {
            target: Mutex::new(target),
            connections: Mutex::default(),
            accepting: Mutex::default(),
        };
        let proxy = Self { addr: listener.local_addr().unwrap(), shared: Arc::new(shared) };
        proxy.accept(listener);
        proxy
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Closes every connection.
    pub(crate) fn cut(&self) {
        drop(std::mem::take(&mut *self.shared.connections.lock().unwrap()));
    }

    /// Closes every connection, and accepts no more.
    pub(crate) async fn down(&self) {
        let accepting = self.shared.accepting.lock().unwrap().take();
        if let Some(accepting) = accepting {
            accepting.abort();
            assert!(accepting.await.unwrap_err().is_cancelled());
        }
        self.cut();
    }

    /// Accepts connections again.
    pub(crate) async fn up(&self) {
        self.accept(TcpListener::bind(self.addr).await.unwrap());
    }

    /// Closes every connection, and forwards new ones to another server.
    pub(crate) fn lead_to(&self, target: SocketAddr) {
        *self.shared.target.lock().unwrap() = target;
        self.cut();
    }

    fn accept(&self, listener: TcpListener) {
        let shared = Arc::downgrade(&self.shared);
        let accepting = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let Some(shared) = shared.upgrade() else { return };
                let target = *shared.target.lock().unwrap();
                shared.connections.lock().unwrap().spawn(pass(near, target));
            }
        });
        *self.shared.accepting.lock().unwrap() = Some(accepting);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.lock().unwrap().take() {
            accepting.abort();
        }
    }
}

async fn pass(mut near: TcpStream, target: SocketAddr) {
    near.set_nodelay(true).unwrap();
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    far.set_nodelay(true).unwrap();
    // Either end may close at any time.
    drop(copy_bidirectional(&mut near, &mut far).await);
}
