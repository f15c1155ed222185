//! The SQLite store alone: its file, opening, backup and verification. `tests/stores/conformance` asserts
//! the semantics of stores.

mod broken;
mod copies;
mod durable;
mod given;
mod ids;
mod limits;
mod migrate;
mod open;
