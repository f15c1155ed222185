//! How the system gets on.
