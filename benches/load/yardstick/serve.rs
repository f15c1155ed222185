//! Serves a yardstick: tonic, with the threads and socket settings of the real server.

use std::net::{TcpListener, TcpStream};
use std::thread;

use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

use super::answer::Answering;
use super::{Gate, Gates};

/// Accepted connections that wait for their serving thread.
const HANDED_OVER: usize = 16;

/// Serves on `threads` current-thread runtimes until the process ends. Connections go to them in turn.
pub(super) fn serve(threads: usize, gates: &impl Gates) -> ! {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    println!("listening on {}", listener.local_addr().expect("a bound listener"));
    let runtimes: Vec<mpsc::Sender<TcpStream>> = (0..threads)
        .map(|_| {
            let (sender, connections) = mpsc::channel(HANDED_OVER);
            let open = gates.opener();
            thread::spawn(move || serve_connections(connections, open));
            sender
        })
        .collect();
    for runtime in runtimes.iter().cycle() {
        let (connection, _) = listener.accept().expect("a connection");
        runtime.blocking_send(connection).expect("the threads never end");
    }
    unreachable!("a cycle has no end");
}

fn serve_connections<G: Gate>(connections: mpsc::Receiver<TcpStream>, open: impl FnOnce() -> G) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system has room for a runtime");
    let incoming = ReceiverStream::new(connections).map(|connection| {
        connection.set_nodelay(true)?;
        connection.set_nonblocking(true)?;
        tokio::net::TcpStream::from_std(connection)
    });
    runtime
        .block_on(async {
            Server::builder().add_service(Answering(open())).serve_with_incoming(incoming).await
        })
        .expect("serving does not fail");
}
