//! Crash tests: kills the real binary at random moments and on faulty disks, and checks its
//! guarantees against a ledger outside it.

#![expect(clippy::unwrap_used, reason = "a test that unwraps fails with the place and the reason")]

mod check;
mod client;
mod crashes;
mod disk;
mod faults;
mod ledger;
mod load;
mod many;
mod requests;
mod rounds;
mod schedules;
mod server;
#[expect(dead_code, reason = "shared with `it`")]
#[path = "../it/waiting.rs"]
mod waiting;
