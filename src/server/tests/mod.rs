//! The server as its clients see it: real sockets, in this process.

mod calls;
mod connections;
