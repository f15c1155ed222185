//! A server with methods of its own, and with everything of the stock binary.

use task_scheduler::sync_task;

// Nothing below refers to the library, so the linker would drop its tasks without this.
task_scheduler::link!(tasklib);

/// `greet("Ada")` is `Hello, Ada!`.
#[sync_task]
fn greet(name: String) -> String {
    format!("Hello, {name}!")
}

fn main() -> std::process::ExitCode {
    task_scheduler::main()
}
