//! The real binary, from outside. A module here is one side of it.

#![expect(clippy::unwrap_used, reason = "a test that unwraps fails with the place and the reason")]

mod flags;
mod task_log;
