//! The real binary, from outside. A module tests one method or aspect; a folder tests a part that
//! is used in process, too: the Rust client, webhooks, the support for task authors.

#![expect(clippy::unwrap_used, reason = "a test that unwraps fails with the place and the reason")]

mod bad_handlers;
mod bad_peers;
mod bad_requests;
mod binary;
mod cancel;
mod chains;
mod cli;
mod client;
mod compression;
mod deadline;
mod dependencies;
mod disconnect;
mod discovery;
mod drain;
mod enqueue;
mod errors;
mod events;
mod explain;
mod flags;
mod get_task;
mod health;
mod idle;
mod ids;
mod keys;
mod list;
mod purge;
mod queue_control;
mod queues;
mod retry_and_resolve;
mod rust_client;
mod schedules;
mod schedules_file;
mod server;
mod statistics;
mod submit;
mod task_authors;
mod task_log;
mod time;
mod unique;
mod wait;
mod waiting;
mod watch;
mod webhooks;
mod wire;
