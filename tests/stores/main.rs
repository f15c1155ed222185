//! The stores: what every store does, what is true of the one in SQLite alone, and properties that
//! hold for every input.

#![expect(clippy::unwrap_used, reason = "a test that unwraps fails with the place and the reason")]

mod conformance;
mod properties;
mod sqlite;
