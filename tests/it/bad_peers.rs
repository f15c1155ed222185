//! Peers that violate HTTP/2 or gRPC: the server closes or ignores them, and keeps serving.

use std::io::ErrorKind;
use std::time::Duration;

use task_scheduler::pb;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::client::{NOTHING, named, task};
use crate::server::{Server, Setup, stock, with_methods};
use crate::waiting::{eventually, soon};
use crate::wire::{Connection, OPENING};

/// Connects, and sends only these bytes.
async fn peer(server: &Server, bytes: &[u8]) -> TcpStream {
    let mut stream = soon(TcpStream::connect(server.addr())).await.unwrap();
    soon(stream.write_all(bytes)).await.unwrap();
    stream
}

/// Waits until the server has closed the connection.
async fn closed(mut stream: TcpStream) {
    let mut sink = Vec::new();
    match soon(stream.read_to_end(&mut sink)).await {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

/// An HTTP/2 frame: type, flags, stream, announced length, and payload.
fn frame(kind: u8, flags: u8, stream: u32, length: usize, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(length).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

#[tokio::test]
async fn ten_thousand_silent_connections_do_not_keep_a_client_out() {
    const PEERS: usize = 10_000;
    const AT_ONCE: usize = 100;
    let server = stock();
    let client = server.client().await;
    client.assert_served(server.addr()).await;
    let mut silent = Vec::with_capacity(PEERS);
    while silent.len() < PEERS {
        let mut opening = JoinSet::new();
        for _ in 0..AT_ONCE {
            opening.spawn(TcpStream::connect(server.addr()));
        }
        for stream in soon(opening.join_all()).await {
            silent.push(stream.unwrap());
        }
    }
    client.assert_served(server.addr()).await;
    // Most are not silent for long enough yet; but they must not occupy the server.
    let before = server.cpu_time();
    client.assert_served(server.addr()).await;
    assert!(server.cpu_time() - before < Duration::from_secs(1));
    drop(silent);
    client.assert_served(server.addr()).await;
}

#[tokio::test]
async fn connections_are_bounded_by_the_limit_of_open_files() {
    // 128 files are kept for the store and the rest of the process.
    const OPEN_FILES: u32 = 200;
    const PEERS: usize = 300;
    let server = Setup::stock().start_with_open_files(OPEN_FILES);
    // A thread of its own writes the log.
    let line = eventually("the bound is logged", async || {
        let log = server.log();
        let is_bound =
            |line: &&str| line.contains("the limit of open files allows fewer connections");
        log.lines().find(is_bound).map(str::to_owned)
    });
    let line = line.await;
    assert!(line.contains("max_connections=72"), "{line}");
    let mut silent = Vec::new();
    for _ in 0..PEERS {
        silent.push(soon(TcpStream::connect(server.addr())).await.unwrap());
    }
    let client = server.client().await;
    client.assert_served(server.addr()).await;
    drop(silent);
    client.assert_served(server.addr()).await;
    assert!(!server.log().contains("Too many open files"), "{}", server.log());
}

#[tokio::test]
async fn silent_connections_are_closed_in_time() {
    let server = Setup::stock().flags(["--handshake-timeout", "100ms"]).start();
    let client = server.client().await;
    for opening in [&b""[..], b"PRI * HT", &OPENING[..24], &OPENING[..30]] {
        closed(peer(&server, opening).await).await;
    }
    client.assert_served(server.addr()).await;
}

#[tokio::test]
async fn a_truncated_frame_closes_only_its_connection() {
    let flags = ["--keepalive-interval", "100ms", "--keepalive-timeout", "100ms"];
    let server = Setup::stock().flags(flags).start();
    let client = server.client().await;
    let halves = [
        // A head without its end; heads that announce more than follows.
        frame(HEADERS, END_HEADERS, 1, 100, &[])[..5].to_vec(),
        frame(HEADERS, END_HEADERS, 1, 100, &[]),
        frame(HEADERS, END_HEADERS, 1, 100, &[0x83; 50]),
        frame(HEADERS, 0, 1, 1, &[0x83]),
    ];
    let peers = halves.map(|half| [OPENING, &half].concat());
    let mut silent = Vec::new();
    for bytes in &peers {
        silent.push(peer(&server, bytes).await);
        client.assert_served(server.addr()).await;
    }
    for stream in silent {
        closed(stream).await;
    }
    // The peer disconnects within the frame.
    for bytes in &peers {
        drop(peer(&server, bytes).await);
    }
    client.assert_served(server.addr()).await;
}

#[tokio::test]
async fn a_connection_that_is_not_http2_is_closed() {
    let server = stock();
    let client = server.client().await;
    let garbage: Vec<u8> = (0..10_000_u32).map(|n| (n * 7_919 % 251) as u8).collect();
    let many = vec![0x40; 1 << 20];
    let nonsense = [
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc],
        garbage.clone(),
        [OPENING, &garbage].concat(),
        // A frame above the size limit, DATA on a stream that is not open, an even stream id.
        [OPENING, &frame(DATA, 0, 1, 1 << 20, &many)].concat(),
        [OPENING, &frame(DATA, 0, 5, 3, b"abc")].concat(),
        [OPENING, &frame(HEADERS, END_HEADERS, 2, 1, &[0x83])].concat(),
        // Invalid compressed headers.
        [OPENING, &frame(HEADERS, END_HEADERS, 1, 4, &[0xff; 4])].concat(),
    ];
    for bytes in nonsense {
        let mut stream = soon(TcpStream::connect(server.addr())).await.unwrap();
        // The server may close the connection before it has read everything.
        drop(soon(stream.write_all(&bytes)).await);
        closed(stream).await;
        client.assert_served(server.addr()).await;
    }
}

#[tokio::test]
async fn endless_headers_close_the_connection() {
    let server = stock();
    let client = server.client().await;
    let mut stream = peer(&server, OPENING).await;
    // A literal header of 4,000 bytes, repeated in CONTINUATION frames without end.
    let header = [&[0x00, 0x01, b'x', 0x7f, 0xa1, 0x1e][..], &[b'v'; 4_000]].concat();
    let mut kind = HEADERS;
    for _ in 0..100_000 {
        let bytes = frame(kind, 0, 1, header.len(), &header);
        kind = CONTINUATION;
        if soon(stream.write_all(&bytes)).await.is_err() {
            break;
        }
    }
    closed(stream).await;
    client.assert_served(server.addr()).await;
}

#[tokio::test]
async fn a_flood_of_reset_calls_closes_only_its_connection() {
    let server = stock();
    let client = server.client().await;
    let mut flood = Connection::open(server.addr()).await;
    let request = task("ping", NOTHING);
    let mut sent = 0;
    while flood.begin_and_reset(&request).await {
        sent += 1;
        assert!(sent < 1_000_000, "the server does not stop the flood");
    }
    let why = flood.closed().await.expect_err("the server closes the connection with an error");
    // A write to the closed connection may fail first and hide the reason.
    let expected = why.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
    assert!(expected || why.is_io(), "after {sent}: {why}");
    client.assert_served(server.addr()).await;
}

#[tokio::test]
async fn reset_calls_leave_their_tasks() {
    let server = with_methods();
    let client = server.client().await;
    for n in 0..300 {
        let id = format!("t{n}");
        let request = named(&id, "wait", [server.path("gate")]);
        let call = client.rpc();
        let calling = tokio::spawn(async move { call.clone().submit_task(request).await });
        eventually("the server has the task", async || client.task(&id).await.ok()).await;
        calling.abort();
    }
    client.assert_served(server.addr()).await;
    server.open_gate("gate");
    for n in 0..300 {
        client.once(&format!("t{n}"), pb::TaskState::Succeeded).await;
    }
}

#[tokio::test]
async fn calls_beyond_the_stream_limit_of_a_connection_wait() {
    let server = Setup::stock().flags(["--max-streams", "4"]).start();
    let client = server.client().await;
    // A client learns the limit with the first answer.
    assert_eq!(client.run(task("ping", NOTHING)).await, "pong");
    let mut calls = JoinSet::new();
    for n in 0..200 {
        let client = client.clone();
        calls.spawn(async move { client.run(task("add", [n, 1])).await == (n + 1).to_string() });
    }
    assert!(soon(calls.join_all()).await.into_iter().all(|right| right));
}

#[tokio::test]
async fn messages_that_are_not_grpc_are_refused() {
    let server = stock();
    let client = server.client().await;
    let connection = Connection::open(server.addr()).await;
    for path in ["/", "/taskscheduler.TaskScheduler/NoSuchCall", "/no.such.Service/Call"] {
        let status = connection.call(path, &[], &task("ping", NOTHING)).await;
        assert_eq!(status.code(), tonic::Code::Unimplemented, "{path}: {status:?}");
    }
    // A valid message of another type.
    let odd = pb::ResultResponse { result: "x".into(), ..Default::default() };
    let status = connection.call(crate::wire::SUBMIT, &[], &odd).await;
    assert_ne!(status.code(), tonic::Code::Ok);
    let status = connection.call(crate::wire::SUBMIT, &[("grpc-encoding", "snappy")], &odd).await;
    assert_eq!(status.code(), tonic::Code::Unimplemented, "{status:?}");
    client.assert_served(server.addr()).await;
}
