//! The macros accept the programs in `pass`, and refuse those in `fail` with the messages in `.stderr`.
//!
//! After a change of a message: `TRYBUILD=overwrite cargo test -p task-macro`, then read the diff.

#[test]
fn mistakes_are_errors_that_say_what_to_write() {
    trybuild::TestCases::new().compile_fail("tests/fail/*.rs");
}

#[test]
fn every_shape_of_a_task_and_of_a_subscriber_compiles_and_registers() {
    trybuild::TestCases::new().pass("tests/pass/*.rs");
}
