//! Rules that make tasks as time goes by.
