//! task-scheduler: run Rust functions elsewhere, later or reliably.

// The attributes' expansion says `::task_scheduler`, also in this crate.
extern crate self as task_scheduler;

pub mod clock;
pub mod error;
pub mod models;
pub mod pb;
pub mod tasks;
