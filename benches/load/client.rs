//! A gRPC client that costs little: it speaks HTTP/2 by h2, with one request that is encoded once.
//!
//! Client and server share the cores. A call through tonic's channel costs as much CPU as the echo
//! spends on it, so that the client would be the limit of the echo and hide what the server costs;
//! this one costs half.

use std::net::SocketAddr;

use h2::client::{Builder, SendRequest};
use prost::Message as _;
use prost::bytes::Bytes;
use task_scheduler::pb;
use tokio::net::TcpStream;

/// What gRPC puts before a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;
/// As hyper's servers and clients have it. h2's default allows too few small answers at once.
const CONNECTION_WINDOW: u32 = 1 << 20;

/// A connection, and the call that is made over it. Clones share the connection.
#[derive(Clone)]
pub(crate) struct Client {
    sender: SendRequest<Bytes>,
    head: http::Request<()>,
    message: Bytes,
}

impl Client {
    /// Connects; every call will ask for `request`. Panics when nobody listens.
    pub(crate) async fn connect(address: SocketAddr, request: &pb::TaskRequest) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a connected socket");
        let (sender, connection) = Builder::new()
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(stream)
            .await
            .expect("the server speaks HTTP/2");
        // What goes wrong with the connection, its calls say.
        tokio::spawn(connection);
        let uri = format!("http://{address}/taskscheduler.TaskScheduler/SubmitTask");
        let head = http::Request::post(uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .expect("a sound request");
        Self { sender, head, message: framed(request) }
    }

    /// Makes the call. Panics unless it is answered with a message and status OK.
    pub(crate) async fn call(&mut self) -> pb::TaskResponse {
        let mut sender = self.sender.clone().ready().await.expect("an open connection");
        let (answer, mut body) = sender.send_request(self.head.clone(), false).expect("a stream");
        body.send_data(self.message.clone(), true).expect("an open stream");
        let mut answer = answer.await.expect("an answer").into_body();
        // So small a message is never cut in two.
        let message = answer.data().await.expect("a message").expect("a whole message");
        answer.flow_control().release_capacity(message.len()).expect("as much as there was");
        let trailers = answer.trailers().await.expect("a whole answer").expect("trailers");
        assert_eq!(trailers.get("grpc-status").map(|status| status.as_bytes()), Some(&b"0"[..]));
        pb::TaskResponse::decode(&message[PREFIX_BYTES..]).expect("a TaskResponse")
    }
}

/// The message as gRPC sends it, not compressed.
fn framed(message: &pb::TaskRequest) -> Bytes {
    let mut framed = vec![0; PREFIX_BYTES];
    message.encode(&mut framed).expect("a vector has room");
    let length = u32::try_from(framed.len() - PREFIX_BYTES).expect("a small message");
    framed[1..PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
    framed.into()
}
