//! The stock binary: the built-in tasks and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    task_scheduler::main()
}
