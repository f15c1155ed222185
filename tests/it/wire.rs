//! HTTP/2 and gRPC without a client library, for calls that a well-behaved client does not make.

use std::net::SocketAddr;

use h2::client::SendRequest;
use prost::Message;
use prost::bytes::Bytes;
use tokio::net::TcpStream;
use tonic::{Code, Status};

use crate::waiting::soon;

pub(crate) const SUBMIT: &str = "/taskscheduler.TaskScheduler/SubmitTask";

/// The client preface of HTTP/2, and an empty SETTINGS frame.
pub(crate) const OPENING: &[u8] =
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// One HTTP/2 connection.
pub(crate) struct Connection {
    calls: SendRequest<Bytes>,
    driver: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

impl Connection {
    pub(crate) async fn open(addr: SocketAddr) -> Self {
        let stream = soon(TcpStream::connect(addr)).await.unwrap();
        let (calls, driver) = soon(h2::client::handshake(stream)).await.unwrap();
        Self { calls, driver: tokio::spawn(driver) }
    }

    /// Calls a method; returns the status.
    pub(crate) async fn call(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        message: &impl Message,
    ) -> Status {
        let mut calls = soon(self.calls.clone().ready()).await.unwrap();
        let (answer, mut body) = calls.send_request(request(path, headers), false).unwrap();
        body.send_data(framed(message), true).unwrap();
        let answer = soon(answer).await.unwrap();
        let (head, mut body) = answer.into_parts();
        if let Some(status) = Status::from_header_map(&head.headers) {
            return status;
        }
        while let Some(data) = soon(body.data()).await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
        }
        let trailers = soon(body.trailers()).await.unwrap().expect("gRPC answers have trailers");
        Status::from_header_map(&trailers).unwrap_or_else(|| Status::new(Code::Unknown, "none"))
    }

    /// Starts a call and resets it at once. False if the server has closed the connection.
    pub(crate) async fn begin_and_reset(&mut self, message: &impl Message) -> bool {
        // h2 queues calls without limit; this lets it send them.
        tokio::task::yield_now().await;
        let Ok(mut calls) = soon(self.calls.clone().ready()).await else { return false };
        let Ok((_answer, mut body)) = calls.send_request(request(SUBMIT, &[]), false) else {
            return false;
        };
        // A failed send shows at the next call.
        drop(body.send_data(framed(message), true));
        body.send_reset(h2::Reason::CANCEL);
        true
    }

    /// Waits for the connection's end.
    pub(crate) async fn closed(self) -> Result<(), h2::Error> {
        soon(self.driver).await.unwrap()
    }
}

fn request(path: &str, headers: &[(&str, &str)]) -> http::Request<()> {
    let mut request = http::Request::post(format!("http://server{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

fn framed(message: &impl Message) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
    message.encode(&mut bytes).unwrap();
    bytes.into()
}
