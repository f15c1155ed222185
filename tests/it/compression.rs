//! gzip and zstd in both directions; and decompression bombs.

use task_scheduler::pb;
use tonic::Code;
use tonic::codec::CompressionEncoding::{self, Gzip, Zstd};

use crate::client::{NOTHING, task};
use crate::server::{Setup, stock};
use crate::waiting::soon;

const LONG: usize = 100_000;

#[tokio::test]
async fn compressed_requests_are_understood_and_long_answers_are_compressed() {
    let server = stock();
    let client = server.client().await;
    let check = async |encoding: CompressionEncoding, name: &str| {
        let rpc = client.rpc().send_compressed(encoding).accept_compressed(encoding);
        let long = "x".repeat(LONG);
        let answer =
            soon(rpc.clone().submit_task(task("echo_string", [long.clone()]))).await.unwrap();
        assert_eq!(
            answer.metadata().get("grpc-encoding").map(|name| name.to_str().unwrap()),
            Some(name)
        );
        assert_eq!(answer.into_inner().result, long);
        let short = soon(rpc.clone().submit_task(task("ping", NOTHING))).await.unwrap();
        assert_eq!(short.into_inner().result, "pong");
    };
    check(Gzip, "gzip").await;
    check(Zstd, "zstd").await;
}

#[tokio::test]
async fn a_client_that_does_not_accept_compression_gets_none() {
    let server = stock();
    let client = server.client().await;
    let request = task("echo_string", ["x".repeat(LONG)]);
    let answer = soon(client.rpc().submit_task(request)).await.unwrap();
    assert!(!answer.metadata().contains_key("grpc-encoding"), "{:?}", answer.metadata());
    assert_eq!(answer.into_inner().result.len(), LONG);
}

#[tokio::test]
async fn a_request_that_decompresses_beyond_the_limit_is_refused() {
    let server = Setup::stock().flags(["--max-message-size", "64KiB"]).start();
    let client = server.client().await;
    for encoding in [Gzip, Zstd] {
        let rpc = client.rpc().send_compressed(encoding);
        // Compresses to a few kB at most.
        let request: pb::TaskRequest = task("echo_string", ["x".repeat(50_000_000)]);
        let status = soon(rpc.clone().submit_task(request)).await.unwrap_err();
        assert!(
            matches!(status.code(), Code::ResourceExhausted | Code::OutOfRange),
            "{encoding:?}: {status:?}"
        );
    }
    client.assert_served(server.addr()).await;
}
