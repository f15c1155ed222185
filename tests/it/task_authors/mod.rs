//! What task authors rely on: the context of handlers and the test kit, used from another crate.

mod cancelling;
mod checkpoints;
mod children;
mod endings;
mod events;
mod generated;
mod words;
