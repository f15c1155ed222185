//! What the authors of tasks are promised: the context that a body gets, and the support for their
//! own tests, both as another crate uses them.

mod cancelling;
mod checkpoints;
mod children;
mod endings;
mod events;
mod generated;
mod words;
