//! Properties that hold for every input, checked on random ones (proptest).

mod arguments;
mod cron;
mod plan;
mod states;
