//! The stock binary: the built-in tasks and nothing else.

use std::process::ExitCode;

// Saves about a seventh of the CPU of a call; `docs/performance.md` has the figures.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    task_scheduler::main()
}
