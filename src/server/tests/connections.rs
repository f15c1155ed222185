//! Connections as a peer sees them: a bare server and real sockets.

use std::io::ErrorKind;
use std::iter;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::server::api::Health;
use crate::server::transport::descriptors;
use crate::server::{Options, Serving, bind, serve};

/// A preface, and an empty SETTINGS frame.
const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
/// Longer than any test may take.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(100);

/// Options without short timeouts.
fn patient() -> Options {
    Options {
        serve_threads: NonZeroUsize::MIN,
        handshake_timeout: LONG,
        keepalive_interval: LONG,
        keepalive_timeout: LONG,
        ..Options::default()
    }
}

async fn start(options: Options) -> (Serving, Health) {
    let health = Health::serving("memory").await;
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let serving = serve(listener, &options, || Routes::new(health.service()).prepare()).unwrap();
    (serving, health)
}

async fn client(serving: &Serving) -> HealthClient<Channel> {
    let endpoint = Endpoint::try_from(format!("http://{}", serving.local_addr())).unwrap();
    HealthClient::new(endpoint.connect().await.unwrap())
}

async fn is_served(client: &mut HealthClient<Channel>) -> bool {
    client.check(HealthCheckRequest::default()).await.is_ok()
}

/// A peer that sends `opening` and nothing else.
async fn peer(serving: &Serving, opening: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(serving.local_addr()).await.unwrap();
    stream.write_all(opening).await.unwrap();
    stream
}

/// Whether the server acknowledges the peer's SETTINGS.
async fn is_acknowledged(mut stream: TcpStream) -> bool {
    const ACK: &[u8] = b"\x00\x00\x00\x04\x01\x00\x00\x00\x00";
    let mut received = Vec::new();
    while !received.windows(ACK.len()).any(|frame| frame == ACK) {
        if stream.read_buf(&mut received).await.unwrap() == 0 {
            return false;
        }
    }
    true
}

/// Waits until the server closes the connection.
async fn closed(mut stream: TcpStream) {
    let mut sink = Vec::new();
    match stream.read_to_end(&mut sink).await {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

#[tokio::test]
async fn a_peer_that_does_not_open_http2_in_time_is_closed() {
    let (serving, _health) = start(Options { handshake_timeout: SHORT, ..patient() }).await;
    let mut honest = client(&serving).await;
    for opening in [&b""[..], b"P", &OPENING[..24], &OPENING[..32]] {
        closed(peer(&serving, opening).await).await;
    }
    assert!(is_served(&mut honest).await, "a peer that opened HTTP/2 in time stays");
}

#[tokio::test]
async fn a_peer_that_sends_another_protocol_is_closed() {
    let (serving, _health) = start(patient()).await;
    closed(peer(&serving, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await).await;
    closed(peer(&serving, &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]).await).await;
}

#[tokio::test]
async fn a_peer_that_stalls_within_a_frame_is_closed() {
    let quick = Options { keepalive_interval: SHORT, keepalive_timeout: SHORT, ..patient() };
    let (serving, _health) = start(quick).await;
    let mut honest = client(&serving).await;
    // The head of a HEADERS frame of 100 bytes, and none of them.
    let half = [OPENING, b"\x00\x00\x64\x01\x04\x00\x00\x00\x01"].concat();
    closed(peer(&serving, &half).await).await;
    assert!(is_served(&mut honest).await, "a peer that answers pings stays");
}

#[tokio::test]
async fn a_new_connection_evicts_the_peer_that_was_silent_longest() {
    let (serving, _health) = start(Options { max_connections: 3, ..patient() }).await;
    let mut honest = client(&serving).await;
    assert!(is_served(&mut honest).await);
    let first = peer(&serving, b"").await;
    let mut second = peer(&serving, b"").await;
    let mut next = client(&serving).await;
    assert!(is_served(&mut next).await);
    closed(first).await;
    second.write_all(OPENING).await.unwrap();
    assert!(is_acknowledged(second).await, "a peer that was silent for less time stays");
}

#[tokio::test]
async fn a_new_connection_is_closed_when_every_peer_has_opened_http2() {
    let (serving, _health) = start(Options { max_connections: 1, ..patient() }).await;
    let mut honest = client(&serving).await;
    assert!(is_served(&mut honest).await);
    closed(peer(&serving, b"").await).await;
    assert!(is_served(&mut honest).await);

    drop(honest);
    let mut next = loop {
        let mut next = client(&serving).await;
        if is_served(&mut next).await {
            break next;
        }
    };
    assert!(is_served(&mut next).await, "the slot is free again");
}

#[tokio::test]
async fn connections_are_spread_over_the_workers() {
    let (serving, _health) =
        start(Options { serve_threads: NonZeroUsize::new(3).unwrap(), ..patient() }).await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = client(&serving).await;
        assert!(is_served(&mut client).await);
        clients.push(client);
    }
    assert_eq!(serving.connections(), 6);
    assert_eq!(serving.connections_by_worker(), [2, 2, 2]);
}

#[tokio::test]
async fn stopping_closes_idle_connections_and_counts_what_it_cuts() {
    let (serving, health) = start(patient()).await;
    let mut honest = client(&serving).await;
    let watching = honest.watch(HealthCheckRequest::default()).await.unwrap();
    let silent = peer(&serving, b"").await;
    health.hang_up().await;
    let started = Instant::now();
    assert_eq!(serving.stop(LONG).await, 0);
    assert!(started.elapsed() < LONG / 2, "no peer delays the stop");
    closed(silent).await;
    drop(watching);

    // A stream that is still open holds its connection.
    let (serving, _health) = start(patient()).await;
    let mut honest = client(&serving).await;
    let watching = honest.watch(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(serving.stop(SHORT).await, 1);
    drop(watching);
}

#[tokio::test]
async fn a_stopped_server_frees_its_port() {
    let (serving, _health) = start(patient()).await;
    let addr = serving.local_addr();
    serving.stop(LONG).await;
    bind(addr).unwrap();
}

#[tokio::test]
async fn ten_thousand_silent_peers_do_not_keep_a_client_out() {
    const PEERS: usize = 10_000;
    // Both ends of every connection are this process's.
    let room = descriptors::room_for_connections();
    let max_connections = 500.min(room / 4);
    let (serving, _health) = start(Options { max_connections, ..patient() }).await;
    let mut silent = std::collections::VecDeque::new();
    for _ in 0..PEERS {
        if silent.len() == room / 2 {
            silent.pop_front();
        }
        silent.push_back(TcpStream::connect(serving.local_addr()).await.unwrap());
    }
    let mut honest = client(&serving).await;
    assert!(is_served(&mut honest).await);
}

/// A health service that never answers a check and streams without end.
struct Endless;

#[tonic::async_trait]
impl health_server::Health for Endless {
    type WatchStream = tokio_stream::Iter<iter::RepeatWith<fn() -> Answer>>;

    async fn check(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        std::future::pending().await
    }

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let answer: fn() -> Answer = || Ok(HealthCheckResponse::default());
        Ok(Response::new(tokio_stream::iter(iter::repeat_with(answer))))
    }
}

type Answer = Result<HealthCheckResponse, Status>;

/// An empty message, framed.
const EMPTY: &[u8] = &[0; 5];

fn endless_server(options: Options) -> Serving {
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    serve(listener, &options, || Routes::new(health_server::HealthServer::new(Endless)).prepare())
        .unwrap()
}

fn call(method: &str) -> http::request::Builder {
    http::Request::post(format!("http://x/grpc.health.v1.Health/{method}"))
        .header("content-type", "application/grpc")
}

/// Plain HTTP/2, because tonic's client does not wait for the server's answer.
#[tokio::test]
async fn an_expired_deadline_is_answered_deadline_exceeded() {
    let serving = endless_server(patient());
    let stream = TcpStream::connect(serving.local_addr()).await.unwrap();
    let (calls, connection) =
        h2::client::Builder::new().handshake::<_, &[u8]>(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut calls = calls.ready().await.unwrap();
    for timeout in ["0n", "1n", "1u", "999u", "1m", "1001u", "2m", "5m"].repeat(20) {
        let request = call("Check").header("grpc-timeout", timeout).body(()).unwrap();
        let (answer, mut body) = calls.send_request(request, false).unwrap();
        body.send_data(EMPTY, true).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.headers()["grpc-status"], "4", "{timeout}");
    }
    connection.abort();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_peer_that_stops_reading_is_closed() {
    let quick = Options { keepalive_interval: SHORT, keepalive_timeout: SHORT, ..patient() };
    let serving = endless_server(quick);
    let stream = TcpStream::connect(serving.local_addr()).await.unwrap();
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(1 << 30).initial_connection_window_size(1 << 30);
    let (calls, mut connection) = builder.handshake::<_, &[u8]>(stream).await.unwrap();
    let (answer, mut body) =
        calls.ready().await.unwrap().send_request(call("Watch").body(()).unwrap(), false).unwrap();
    body.send_data(EMPTY, true).unwrap();
    // The answer has started; from here on the client does not read.
    tokio::select! {
        answer = answer => assert!(answer.is_ok()),
        _ = &mut connection => panic!("the connection ended"),
    }
    while serving.connections() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
