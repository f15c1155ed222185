//! What is true of the store in SQLite alone: its file, what it does when it is opened, and what people
//! do with it. What it does as a store is asserted by `tests/stores/conformance`.

mod broken;
mod copies;
mod durable;
mod given;
mod ids;
mod limits;
mod migrate;
mod open;
