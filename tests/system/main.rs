//! The facade in process: what a program that embeds the system sees, and what only shows there:
//! handlers that are objects, and stores that fail.

mod announcing;
mod by_hand;
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
