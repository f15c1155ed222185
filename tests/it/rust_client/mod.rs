//! The Rust client: against a fake server that misbehaves, and against the real one.

mod batches;
mod errors;
mod fake;
mod following;
mod proxy;
mod real;
mod refusals;
mod retries;
mod words;
