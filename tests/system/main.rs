//! `TaskSystem` in process, as an embedding program uses it; with handlers as objects, and stores
//! that fail.

mod admin;
mod announcing;
mod children;
mod composed;
mod emitting;
mod endings;
mod events;
mod faults;
mod faulty;
mod firing;
mod handlers;
mod harness;
mod keys;
mod monitored;
mod queues;
mod recorder;
mod saved;
mod schedules;
mod services;
mod watching;
