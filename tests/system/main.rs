//! The facade in process: what a program that embeds the system sees.

mod bench_like;
mod dependencies;
mod endings;
mod harness;
mod queues;
mod retries;
