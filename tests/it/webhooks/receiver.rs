//! A webhook receiver: a small HTTP/1 server that can misbehave.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Long enough for a busy machine: nothing that a test waits for takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A received request.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// `POST /path`.
    pub(crate) line: String,
    /// Header values by name in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// The value of a header that must exist.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
    }

    /// The body, which must be JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The name of the event.
    #[track_caller]
    pub(crate) fn event(&self) -> String {
        self.json()["event"].as_str().unwrap().to_owned()
    }
}

/// The receiver's answer to a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A status, header lines and a body.
    Status(u16, &'static str, &'static str),
    /// No answer.
    Stall,
    /// A status and an endless body, one byte every 20 ms.
    Drip(u16),
    /// A status and a body of so many bytes, as fast as the client reads.
    Flood(u16, usize),
    /// A connection reset.
    Reset,
}

impl Answer {
    /// A status without a body.
    pub(crate) const fn status(status: u16) -> Self {
        Self::Status(status, "", "")
    }
}

/// The URL of a port that no process listens on.
pub(crate) fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

/// A running receiver. Dropping it closes its port.
pub(crate) struct Receiver {
    addr: SocketAddr,
    received: mpsc::UnboundedReceiver<Received>,
    connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Receiver {
    /// Starts a receiver that gives every request this answer.
    pub(crate) async fn that_answers(answer: Answer) -> Self {
        Self::start(move |_, _| answer.clone()).await
    }

    /// Starts a receiver. `decide` gets the number of earlier requests.
    pub(crate) async fn start(
        decide: impl Fn(usize, &Received) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, decide)
    }

    /// Starts a receiver on a port that the test already has.
    pub(crate) fn on(
        listener: TcpListener,
        decide: impl Fn(usize, &Received) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let addr = listener.local_addr().unwrap();
        let (tell, received) = mpsc::unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = connections.clone();
        let shared = Arc::new((decide, AtomicUsize::new(0), tell));
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                accepted.fetch_add(1, Ordering::AcqRel);
                let shared = shared.clone();
                tokio::spawn(async move {
                    let (decide, count, tell) = &*shared;
                    // A client may disconnect.
                    drop(serve(stream, decide, count, tell).await);
                });
            }
        });
        Self { addr, received, connections, accepting }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/told?of=events", self.addr)
    }

    /// The number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Acquire)
    }

    /// Waits for the next request.
    #[track_caller]
    pub(crate) fn next(&mut self) -> impl Future<Output = Received> {
        let place = std::panic::Location::caller();
        async move {
            match tokio::time::timeout(PATIENCE, self.received.recv()).await {
                Ok(Some(received)) => received,
                _ => panic!("{place}: no request came"),
            }
        }
    }

    /// The requests that `next` has not returned yet.
    pub(crate) fn so_far(&mut self) -> Vec<Received> {
        std::iter::from_fn(|| self.received.try_recv().ok()).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    decide: &(impl Fn(usize, &Received) -> Answer + Send + Sync),
    count: &AtomicUsize,
    tell: &mpsc::UnboundedSender<Received>,
) -> std::io::Result<()> {
    while let Some(received) = read(&mut stream).await? {
        let answer = decide(count.fetch_add(1, Ordering::AcqRel), &received);
        // The test may have ended.
        drop(tell.send(received));
        match answer {
            Answer::Status(status, headers, body) => {
                let length = body.len();
                let head = format!("HTTP/1.1 {status} Said\r\n{headers}content-length: {length}");
                stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await?;
            }
            Answer::Stall => return wait_for_disconnect(&mut stream).await,
            Answer::Drip(status) => {
                let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: 1000000\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
                loop {
                    stream.write_all(b".").await?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            Answer::Flood(status, bytes) => {
                let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {bytes}\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(&vec![b'x'; bytes]).await?;
            }
            Answer::Reset => {
                return socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            }
        }
    }
    Ok(())
}

/// Waits until the client disconnects.
async fn wait_for_disconnect(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await?;
    Ok(())
}

/// The next request on a connection; `None` at its end.
async fn read(stream: &mut TcpStream) -> std::io::Result<Option<Received>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Received { line, headers, body }))
}
