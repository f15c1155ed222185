//! A gRPC client that costs little: it uses h2 directly, with requests that are encoded once.
//!
//! Client and server share the cores. A call through tonic's channel costs as much CPU as the echo
//! spends on it, so that the client would be the limit of the echo and hide what the server costs;
//! this one costs half.

use std::net::SocketAddr;

use h2::RecvStream;
use h2::client::{Builder, SendRequest};
use prost::Message;
use prost::bytes::{Bytes, BytesMut};
use tokio::net::TcpStream;

/// The length of gRPC's message prefix: the compression flag and the length.
const PREFIX_BYTES: usize = 5;
/// The value of hyper's servers and clients. h2's default allows too few small answers at once.
const CONNECTION_WINDOW: u32 = 1 << 20;

/// A connection. Clones share it.
#[derive(Clone)]
pub(crate) struct Client(SendRequest<Bytes>);

/// An RPC and its encoded message.
#[derive(Clone)]
pub(crate) struct Call {
    head: http::Request<()>,
    message: Bytes,
}

impl Call {
    /// A call of this RPC.
    pub(crate) fn new(method: &str, request: &impl Message) -> Self {
        let uri = format!("http://localhost/taskscheduler.TaskScheduler/{method}");
        let head = http::Request::post(uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .expect("a sound request");
        Self { head, message: framed(request) }
    }

    /// The same RPC with another message.
    pub(crate) fn with(&self, request: &impl Message) -> Self {
        Self { head: self.head.clone(), message: framed(request) }
    }
}

impl Client {
    /// Connects. Panics when the connection is refused.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a connected socket");
        let (sender, connection) = Builder::new()
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(stream)
            .await
            .expect("the server speaks HTTP/2");
        // Errors of the connection surface in its calls.
        tokio::spawn(connection);
        Self(sender)
    }

    /// Makes the call. Panics unless it is answered with a message and status OK.
    pub(crate) async fn call<A: Message + Default>(&mut self, call: &Call) -> A {
        let mut sender = self.0.clone().ready().await.expect("an open connection");
        let (answer, mut body) = sender.send_request(call.head.clone(), false).expect("a stream");
        body.send_data(call.message.clone(), true).expect("an open stream");
        let answer = answer.await.expect("an answer");
        // A refusal has trailers only.
        if let Some(status) = answer.headers().get("grpc-status") {
            let message = answer.headers().get("grpc-message");
            panic!("{}: status {status:?}, {message:?}", call.head.uri().path());
        }
        let mut answer = answer.into_body();
        let message = message(&mut answer).await;
        let trailers = answer.trailers().await.expect("a whole answer").expect("trailers");
        assert_eq!(trailers.get("grpc-status").map(|status| status.as_bytes()), Some(&b"0"[..]));
        A::decode(&message[PREFIX_BYTES..]).expect("an answer of that kind")
    }
}

/// Reads the one message of the answer, with its prefix.
async fn message(answer: &mut RecvStream) -> Bytes {
    let first = part(answer).await;
    let length = first[1..PREFIX_BYTES].iter().fold(0, |all, &byte| all << 8 | usize::from(byte));
    if first.len() >= PREFIX_BYTES + length {
        return first;
    }
    let mut whole = BytesMut::from(&first[..]);
    while whole.len() < PREFIX_BYTES + length {
        whole.extend_from_slice(&part(answer).await);
    }
    whole.freeze()
}

async fn part(answer: &mut RecvStream) -> Bytes {
    let part = answer.data().await.expect("a message").expect("a whole message");
    answer.flow_control().release_capacity(part.len()).expect("as much as there was");
    part
}

/// The message with gRPC's prefix, uncompressed.
fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut framed = Vec::with_capacity(PREFIX_BYTES + length);
    framed.push(0);
    framed.extend_from_slice(&u32::try_from(length).expect("a message below 4 GiB").to_be_bytes());
    message.encode(&mut framed).expect("a vector has room");
    framed.into()
}
