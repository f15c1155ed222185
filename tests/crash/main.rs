//! The real binary, ended at random moments and on disks that fail, and a ledger outside it that
//! proves what it kept.

#![expect(clippy::unwrap_used, reason = "a test that unwraps fails with the place and the reason")]

mod asking;
mod check;
mod client;
mod deaths;
mod disk;
mod faults;
mod ledger;
mod load;
mod many;
mod rounds;
mod schedules;
mod server;
#[expect(dead_code, reason = "shared with `it`")]
#[path = "../it/waiting.rs"]
mod waiting;
