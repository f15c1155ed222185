//! The facade in process: what a program that embeds the system sees, and what only shows there:
//! handlers that are objects, and stores that fail.

mod endings;
mod faults;
mod faulty;
mod handlers;
mod harness;
