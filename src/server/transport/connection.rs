//! One accepted connection: a socket that is closed unless its peer opens HTTP/2 in time.
//!
//! hyper waits forever for the preface of a connection and sends pings only after it. So until the
//! opening has arrived, reading fails when the handshake times out or the acceptor evicts the peer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::Sleep;
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::server::transport::worker::ConnectionSlot;

/// The first bytes of every HTTP/2 connection.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The length of the preface and of the head of the SETTINGS frame that must follow it.
const OPENING: usize = PREFACE.len() + 9;

/// A connection, counted while it is open.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    opening: Option<Opening>,
    _slot: ConnectionSlot,
}

/// A peer that has not finished its opening.
#[derive(Debug)]
struct Opening {
    seen: usize,
    expiry: Pin<Box<Sleep>>,
    /// Resolves when the acceptor evicts the peer or has ended. Dropping it, together with the
    /// opening, marks the peer as established.
    evicted: oneshot::Receiver<()>,
}

impl Connection {
    /// A connection whose opening must arrive within `timeout`. Call it on the runtime that serves it.
    pub(super) fn new(
        stream: TcpStream,
        slot: ConnectionSlot,
        timeout: Duration,
        evicted: oneshot::Receiver<()>,
    ) -> Self {
        let expiry = Box::pin(tokio::time::sleep(timeout));
        Self { stream, opening: Some(Opening { seen: 0, expiry, evicted }), _slot: slot }
    }
}

impl Opening {
    /// Fails when the handshake timed out or the acceptor evicted the peer.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.expiry.as_mut().poll(cx).is_ready() {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the peer did not open HTTP/2 in time",
            ));
        }
        if Pin::new(&mut self.evicted).poll(cx).is_ready() {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the connection slot is needed for another peer",
            ));
        }
        Ok(())
    }

    /// Compares the received bytes with the opening; `true` once it is complete, or once they are not
    /// HTTP/2, which hyper answers.
    fn is_over(&mut self, received: &[u8]) -> bool {
        let expected = PREFACE.get(self.seen..).unwrap_or_default();
        let compared = received.len().min(expected.len());
        self.seen += received.len();
        self.seen >= OPENING || received[..compared] != expected[..compared]
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(opening) = &mut this.opening else {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        };
        opening.check(cx)?;
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if matches!(polled, Poll::Ready(Ok(()))) && opening.is_over(&buf.filled()[before..]) {
            this.opening = None;
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}
