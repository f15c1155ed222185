//! The client: against a server that misbehaves on purpose, and against the real one.

#![expect(clippy::unwrap_used, reason = "a test that unwraps fails with the place and the reason")]

mod batches;
mod errors;
mod fake;
mod following;
mod proxy;
mod refusals;
mod retries;
#[path = "../it/waiting.rs"]
mod waiting;
