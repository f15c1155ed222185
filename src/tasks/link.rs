//! Tasks that live in a library crate.

/// Links library crates whose tasks would otherwise be left out.
///
/// The linker takes in a library only when something in it is mentioned, and a task mentions nothing:
/// without this line, a library's methods are missing from the server and nobody says so.
///
/// ```ignore
/// task_scheduler::link!(tasklib);
///
/// fn main() -> std::process::ExitCode {
///     task_scheduler::main()
/// }
/// ```
#[macro_export]
macro_rules! link {
    ($($library:ident),+ $(,)?) => {
        $(use $library as _;)+
    };
}
