//! The HTTP/2 host: accepts connections and serves one HTTP service on several threads.
//!
//! One acceptor thread takes connections off one shared listener and hands each to the worker with
//! the fewest open connections. Every worker is a current-thread runtime: an echo call costs half
//! the CPU there that it costs on a multi-thread runtime. This module knows no RPC and no task.

mod accept;
mod connection;
pub(super) mod deadline;
pub(super) mod descriptors;
pub(super) mod fast_path;
mod listen;
pub(super) mod panics;
mod serve;
mod worker;

pub(super) use listen::in_words;
pub use listen::{Listener, bind};
pub use serve::{Serving, serve};
