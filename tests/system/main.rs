//! The facade in process: what a program that embeds the system sees, and what only shows there:
//! handlers that are objects, and stores that fail.

mod by_hand;
mod children;
mod composed;
mod endings;
mod faults;
mod faulty;
mod handlers;
mod harness;
mod keys;
mod monitored;
mod queues;
mod saved;
mod watching;
