//! Load generators: the server beside yardsticks, in one run.
//!
//! | load | file |
//! |---|---|
//! | SubmitTask, one by one and many at once | `calls` |
//! | the same with random ids from the client, a million tasks kept | `random_ids` |
//! | EnqueueTasks, until all have ended | `enqueue` |
//! | latency past a long backlog | `waiting` |
//! | from the start to the first answer | `start` |
//! | SubmitTask with thousands of idle event streams | `listeners` |
//! | memory, idle and per waiting task | `memory` |
//!
//! `cargo bench -p load` runs the first of them; `-- --help` has the others and the settings.
//! Every load is bounded in tasks or time. Only the ratios mean something on another machine.

mod calls;
mod client;
mod disk;
mod drive;
mod enqueue;
mod listeners;
mod memory;
mod process;
mod random_ids;
mod report;
mod request;
mod start;
mod stream;
mod system;
mod waiting;
mod yardstick;

use std::path::PathBuf;

use clap::Parser as _;

// The server's allocator, so that the yardsticks and the client do not lose by theirs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the server beside yardsticks in the same run: a bare tonic echo, and a log that
/// syncs every request to the disk before it answers
#[derive(clap::Parser)]
#[command(name = "load", args_conflicts_with_subcommands = true)]
#[command(override_usage = "cargo bench -p load -- [LOAD] [OPTIONS]")]
#[command(subcommand_value_name = "LOAD", subcommand_help_heading = "Loads")]
struct Options {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    calls: calls::Options,
    #[command(flatten)]
    common: Common,
}

/// The options of all loads.
#[derive(clap::Args)]
struct Common {
    /// Threads that serve RPCs, in the yardsticks and in the server; as many threads call them
    #[arg(long, global = true, default_value_t = default_threads())]
    threads: usize,
    /// Directory for temporary files, on the disk to measure
    #[arg(long, global = true, default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// Cargo passes this flag to every benchmark
    #[arg(long, global = true, hide = true)]
    bench: bool,
}

#[derive(clap::Subcommand)]
enum What {
    /// SubmitTask, by calls in flight (the default)
    Calls(calls::Options),
    /// SubmitTask with random ids from the client, while a million tasks are kept
    RandomIds(random_ids::Options),
    /// EnqueueTasks, from acceptance to completion, sustained
    Enqueue(enqueue::Options),
    /// SubmitTask with a long backlog, against a short one
    Waiting(waiting::Options),
    /// SubmitTask with thousands of idle event streams, against none
    Listeners(listeners::Options),
    /// Time from the start of a server with a large store to its first answer
    Start(start::Options),
    /// Memory: of an idle server, and of one with many tasks that wait
    Memory(memory::Options),
    /// Serve a yardstick on a port that is printed
    #[command(hide = true)]
    Serve { yardstick: Yardstick },
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Yardstick {
    Echo,
    Log,
}

/// The server's default: half the cores, at least 1, at most 8.
fn default_threads() -> usize {
    (std::thread::available_parallelism().map_or(1, usize::from) / 2).clamp(1, 8)
}

fn main() {
    let Options { what, calls, common } = Options::parse();
    match what.unwrap_or(What::Calls(calls)) {
        What::Calls(options) => calls::run(&options, &common),
        What::RandomIds(options) => random_ids::run(&options, &common),
        What::Enqueue(options) => enqueue::run(&options, &common),
        What::Waiting(options) => waiting::run(&options, &common),
        What::Listeners(options) => listeners::run(&options, &common),
        What::Start(options) => start::run(&options, &common),
        What::Memory(options) => memory::run(&options, &common),
        What::Serve { yardstick: Yardstick::Echo } => yardstick::serve_echo(common.threads),
        What::Serve { yardstick: Yardstick::Log } => yardstick::serve_log(common.threads),
    }
}
