//! The yardsticks: tonic servers that answer what the real one would, and do as little as possible
//! for it.
//!
//! The echo answers at once. The log first appends the request to a file and has it on the disk,
//! together with all that came meanwhile: no durable server can do less.

mod answer;
mod echo;
mod log;
mod serve;

use prost::Message;

/// What a request has to pass before it is answered.
trait Gate: Clone + Send + Sync + 'static {
    type Passed: Future<Output = ()> + Unpin + Send;

    fn pass(&self, request: &impl Message) -> Self::Passed;
}

/// Makes the gates, one for each serving thread.
trait Gates {
    type Gate: Gate;

    /// What makes a thread's gate, on that thread and within its runtime.
    fn opener(&self) -> impl FnOnce() -> Self::Gate + Send + 'static;
}

/// Serves the echo until the process is ended.
pub(crate) fn serve_echo(threads: usize) -> ! {
    serve::serve(threads, &echo::Echo)
}

/// Serves the log until the process is ended. Its file is made in the working directory.
pub(crate) fn serve_log(threads: usize) -> ! {
    serve::serve(threads, &log::Log::start())
}
