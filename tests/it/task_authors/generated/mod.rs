//! What `task-scheduler generate` writes: it compiles, and its tests run here. `tests/it/cli` holds these
//! files to what the command writes.

mod audit;
mod charge;
mod hello;
mod notification;
