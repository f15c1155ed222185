//! One accepted connection: a socket that is closed unless its peer soon shows that it speaks
//! HTTP/2.
//!
//! hyper waits for ever for the opening of a connection and pings only after it. So until the
//! opening has come, reading fails when its time is over or the acceptor wants the place.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::Sleep;
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::server::lane::Place;

/// What every HTTP/2 connection opens with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The preface and the head of the SETTINGS frame that has to follow it.
const OPENING: usize = PREFACE.len() + 9;

/// A connection and its place in the count of connections.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    opening: Option<Opening>,
    _place: Place,
}

/// A peer that has not finished its opening.
#[derive(Debug)]
struct Opening {
    seen: usize,
    expiry: Pin<Box<Sleep>>,
    /// The acceptor wants the place, or is gone. Dropped with the opening, which tells the acceptor
    /// that the peer has spoken.
    evicted: oneshot::Receiver<()>,
}

impl Connection {
    /// A connection whose opening is due within `timeout`. Call it on the runtime that serves it.
    pub(super) fn new(
        stream: TcpStream,
        place: Place,
        timeout: Duration,
        evicted: oneshot::Receiver<()>,
    ) -> Self {
        let expiry = Box::pin(tokio::time::sleep(timeout));
        Self { stream, opening: Some(Opening { seen: 0, expiry, evicted }), _place: place }
    }
}

impl Opening {
    /// Fails when the peer's time is over.
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
                "the place is needed for another peer",
            ));
        }
        Ok(())
    }

    /// Takes note of what came; true when that is the whole opening, or is not HTTP/2 at all, which
    /// is for hyper to answer.
    fn is_over(&mut self, came: &[u8]) -> bool {
        let expected = PREFACE.get(self.seen..).unwrap_or_default();
        let compared = came.len().min(expected.len());
        self.seen += came.len();
        self.seen >= OPENING || came[..compared] != expected[..compared]
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
