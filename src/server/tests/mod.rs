//! The door as its peers see it: real sockets, in this process.

mod calls;
mod connections;
