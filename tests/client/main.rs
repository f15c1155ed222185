//! The client: against a server that misbehaves on purpose, and against the real one.

#![expect(clippy::unwrap_used, reason = "a test that unwraps fails with the place and the reason")]

mod batches;
#[expect(
    dead_code,
    reason = "what the tests of the server ask with; here it only completes `server`"
)]
#[path = "../it/client.rs"]
mod client;
mod errors;
mod fake;
mod following;
mod proxy;
mod real;
mod refusals;
mod retries;
#[expect(dead_code, reason = "the tests of the server do more with one")]
#[path = "../it/server.rs"]
mod server;
#[path = "../it/waiting.rs"]
mod waiting;
mod words;
