//! The yardsticks: tonic servers that return the answers of the real server with as little work as
//! possible.
//!
//! The echo answers at once. The log first appends the request to a file and syncs it, together with all
//! requests that arrived meanwhile: a durable server cannot do less.

mod answer;
mod echo;
mod log;
mod serve;

use prost::Message;

/// The work that a request waits for before it is answered.
trait Gate: Clone + Send + Sync + 'static {
    type Passed: Future<Output = ()> + Unpin + Send;

    fn pass(&self, request: &impl Message) -> Self::Passed;
}

/// Creates the gates, one for each serving thread.
trait Gates {
    type Gate: Gate;

    /// Creates the gate of a thread, on that thread and within its runtime.
    fn opener(&self) -> impl FnOnce() -> Self::Gate + Send + 'static;
}

/// Serves the echo until the process ends.
pub(crate) fn serve_echo(threads: usize) -> ! {
    serve::serve(threads, &echo::Echo)
}

/// Serves the log until the process ends. Its file is in the working directory.
pub(crate) fn serve_log(threads: usize) -> ! {
    serve::serve(threads, &log::Log::start())
}
