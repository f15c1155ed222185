//! A server with methods of its own; it does all else that the stock binary does.

use task_scheduler::sync_task;

// Nothing below mentions the library, so without this its tasks would be left out.
task_scheduler::link!(tasklib);

/// `greet("Ada")` is `Hello, Ada!`.
#[sync_task]
fn greet(name: String) -> String {
    format!("Hello, {name}!")
}

fn main() -> std::process::ExitCode {
    task_scheduler::main()
}
