//! The client: against a server that misbehaves on purpose, and against the real one.

mod batches;
mod errors;
mod fake;
mod following;
mod proxy;
mod real;
mod refusals;
mod retries;
mod words;
