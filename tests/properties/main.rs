//! Properties that hold for every input, checked on random ones (proptest).

#![expect(clippy::unwrap_used, reason = "a test that unwraps fails with the place and the reason")]

mod arguments;
mod cron;
mod plan;
mod states;
