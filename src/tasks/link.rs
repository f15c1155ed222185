//! Links tasks of library crates.

/// Links library crates whose tasks would otherwise be missing from the server.
///
/// The linker drops a library that the program does not refer to, and an attribute alone is no
/// reference. Without this line the methods of the library are not registered, and no error says so.
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
