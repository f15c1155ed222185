//! The program's `main`: configuration, log, methods, store, system and server, or a command.
//!
//! Owns the order of the start, graceful shutdown on SIGTERM and SIGINT, and the report of a failed start:
//! one line on stderr for each problem, and an exit code.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | the server stopped on request; the help, the version or the configuration was printed; a command succeeded |
//! | 1 | a failure that may not repeat: the port is taken, another server has the data directory; or `verify` found problems |
//! | 2 | wrong flags or arguments |
//! | 78 | a restart fails again until something is changed: configuration file, environment, schedules, log directory, data directory, methods, subscribers |

mod declared;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use self::declared::BadFile;
use crate::cache::ResultsCache;
use crate::cli;
use crate::config::{self, Address, Backend, Config, Loaded, Refusal};
use crate::error::Error;
use crate::events::{Announcer, Subscribers, subscriber};
use crate::logger;
use crate::schedules::Declared;
use crate::server::{self, Server};
use crate::store::{self, MemoryStore, SqliteStore, Store};
use crate::system::{Parts, TaskSystem};
use crate::tasks::{self, RegistryHealth, TaskRegistry};

/// `EX_CONFIG` of sysexits.h.
const EXIT_CONFIGURATION: u8 = 78;
const EXIT_FAILURE: u8 = 1;
/// The exit code of clap.
const EXIT_USAGE: u8 = 2;
/// The time limit for connections to close after the last response.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the server did not start, or why it failed.
#[derive(Debug, thiserror::Error)]
enum StartError {
    /// Wrong flags, `--help` or `--version`.
    #[error(transparent)]
    Flags(clap::Error),
    /// A wrong environment variable or configuration file.
    #[error("{}", lines(.0))]
    Configuration(Vec<config::Problem>),
    /// The file of schedules cannot be read or is wrong.
    #[error("{0}")]
    Schedules(BadFile),
    /// The log cannot be started.
    #[error(transparent)]
    Log(#[from] logger::Error),
    /// Methods with malformed or duplicate names.
    #[error(transparent)]
    Methods(Error),
    /// Subscribers with duplicate names or unknown events.
    #[error(transparent)]
    Subscribers(Error),
    /// The host of the address cannot be resolved.
    #[error("cannot listen on {address}: {why}")]
    Host { address: Address, why: String },
    /// The port is taken, or threads cannot be started.
    #[error(transparent)]
    Server(#[from] server::Error),
    /// The files of the store cannot be opened.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A command failed.
    #[error(transparent)]
    Command(#[from] cli::Error),
    /// The system cannot be started.
    #[error(transparent)]
    System(Error),
    /// The runtime or the signal handlers cannot be started.
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    /// stdout cannot be written.
    #[error("cannot write to stdout: {0}")]
    Stdout(io::Error),
}

impl From<Refusal> for StartError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Flags(error) => Self::Flags(error),
            Refusal::Configuration(problems) => Self::Configuration(problems),
        }
    }
}

impl StartError {
    fn exit_code(&self) -> u8 {
        match self {
            // clap reports help and version as errors with code 0.
            Self::Flags(error) => u8::try_from(error.exit_code()).unwrap_or(EXIT_FAILURE),
            Self::Configuration(_)
            | Self::Schedules(_)
            | Self::Log(_)
            | Self::Methods(_)
            | Self::Subscribers(_)
            | Self::Store(store::Error::Unusable(_))
            | Self::Command(cli::Error::Store(store::Error::Unusable(_))) => EXIT_CONFIGURATION,
            Self::Command(cli::Error::InvalidArgument(_)) => EXIT_USAGE,
            Self::Host { .. }
            | Self::Server(_)
            | Self::Store(_)
            | Self::Command(_)
            | Self::System(_)
            | Self::Runtime(_)
            | Self::Stdout(_) => EXIT_FAILURE,
        }
    }

    /// Prints the error to stderr; help and version to stdout.
    fn print(&self) {
        match self {
            Self::Flags(error) => drop(error.print()),
            other => print_error(&other.to_string()),
        }
    }
}

/// Prints each line to stderr. Ignores failures: there is no other place to report them.
fn print_error(text: &str) {
    let mut stderr = io::stderr().lock();
    for line in text.lines() {
        drop(writeln!(stderr, "task-scheduler: {line}"));
    }
}

fn lines(problems: &[config::Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Runs the whole program: reads the command line and the environment, serves every annotated method and
/// returns after a graceful shutdown. Or runs the command that the command line names.
///
/// A binary with its own methods is `fn main() -> std::process::ExitCode { task_scheduler::main() }`.
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.print();
            ExitCode::from(error.exit_code())
        }
    }
}

fn run() -> Result<(), StartError> {
    let (config, remarks) = match config::load(std::env::args_os(), std::env::vars_os())? {
        Loaded::Print(text) => return print(&text),
        Loaded::Run { command, data_dir, remarks } => {
            remarks.iter().for_each(|remark| print_error(remark));
            return print(&command.run(&data_dir)?);
        }
        Loaded::Serve { config, remarks } => (config, remarks),
    };
    // Before anything starts, like the other checks of the configuration.
    let declared = config.schedules.as_deref().map(declared::read).transpose();
    let declared = declared.map_err(StartError::Schedules)?;
    let filter = std::env::var_os("RUST_LOG").map(|filter| filter.to_string_lossy().into_owned());
    // Dropped last, so that the log is complete before `main` prints an error.
    let _log = logger::start(&config.log, filter.as_deref())?;
    for remark in remarks {
        tracing::warn!("{remark}");
    }
    std::panic::set_hook(Box::new(log_panic));
    let registry =
        TaskRegistry::from_registrations(tasks::collected()).map_err(StartError::Methods)?;
    match registry.health() {
        RegistryHealth::Healthy(methods) => tracing::info!(methods, "methods registered"),
        // The usual cause is a library that the linker dropped because nothing refers to it.
        RegistryHealth::Empty => {
            tracing::warn!("no method is registered; see task_scheduler::link!")
        }
    }
    let subscribers = Subscribers::from_registrations(subscriber::collected())
        .map_err(StartError::Subscribers)?;
    serve(&config, registry, subscribers, declared)
}

/// Logs a panic. A handler's panic also fails its task.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("(no message)");
    let thread = std::thread::current();
    let location = panic.location().map(ToString::to_string);
    tracing::error!(thread = thread.name(), location, "panic: {message}");
}

/// Starts the system and the API and waits until both have stopped.
fn serve(
    config: &Config,
    registry: TaskRegistry,
    subscribers: Subscribers,
    declared: Option<Vec<Declared>>,
) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::Runtime)?;
    let stopped = runtime.block_on(async {
        let addr = resolve(&config.listen.addr).await?;
        let listener = server::bind(addr)?;
        let cache = ResultsCache::new(config.cache.capacity(), config.cache.bytes);
        let store = open(&config.store)?;
        let options = config.engine.options();
        let parts = Parts {
            options,
            registry: Arc::new(registry),
            cache: Arc::new(cache),
            store,
            announcer: Arc::new(Announcer::default()),
            subscribers,
        };
        let system = TaskSystem::prepare(parts).await.map_err(StartError::System)?;
        let served = serve_from(&system, listener, config, declared).await;
        if served.is_err() {
            // Requeues running tasks, so that this does not count as a crash of theirs.
            system.shutdown(Duration::ZERO).await;
        }
        served
    });
    // A handler that does not return must not keep the process alive.
    runtime.shutdown_background();
    stopped
}

/// Serves the API of a running system until the process is signalled, then shuts down gracefully.
async fn serve_from(
    system: &TaskSystem,
    listener: server::Listener,
    config: &Config,
    declared: Option<Vec<Declared>>,
) -> Result<(), StartError> {
    if let Some((path, declared)) = config.schedules.as_deref().zip(declared) {
        declare(system, path, declared).await?;
    }
    // After the declarations, so that nothing due runs with an older definition.
    system.start_services().await;
    // Before the address is printed, so that a reader of it can send signals.
    let mut stop = Signals::new().map_err(StartError::Runtime)?;
    let handle = Server::start(listener, system.clone(), config.listen.options()).await?;
    let addr = handle.local_addr();
    if !addr.ip().is_loopback() {
        tracing::warn!(
            %addr,
            "every host that reaches this address can submit and enqueue tasks; all other methods \
             are for callers on this machine only"
        );
    }
    print(&format!("listening on {addr}\n"))?;
    tracing::info!(%addr, "serving");
    stop.next().await;
    tracing::info!(within = ?config.engine.drain_timeout, "draining");
    system.refuse();
    handle.refuse().await;
    tokio::select! {
        finished = system.drain(config.engine.drain_timeout) => {
            if !finished {
                tracing::warn!("requeued tasks whose handlers did not finish in time");
            }
            let closed = handle.stop(CLOSE_TIMEOUT).await;
            let cache = system.cache().statistics();
            tracing::info!(connections_closed = closed, ?cache, "stopped");
        }
        () = stop.next() => tracing::warn!("stopped at once after a second signal"),
    }
    system.stop();
    Ok(())
}

/// Defines the schedules of a file. The server does not start if one of them is refused.
async fn declare(
    system: &TaskSystem,
    path: &Path,
    declared: Vec<Declared>,
) -> Result<(), StartError> {
    let schedules = declared.len();
    let result = system.schedules().declare(declared).await;
    result.map_err(|problems| StartError::Schedules(BadFile::wrong(path, problems)))?;
    tracing::info!(schedules, file = %path.display(), "schedules declared");
    Ok(())
}

/// Opens the configured store.
fn open(config: &config::Store) -> Result<Arc<dyn Store>, store::Error> {
    match config.backend {
        Backend::Memory => {
            tracing::warn!("tasks are stored in memory and end with this process");
            Ok(Arc::new(MemoryStore::default()))
        }
        Backend::Sqlite => {
            let store = SqliteStore::open_dir(&config.data_dir)?;
            tracing::info!(dir = %config.data_dir.display(), "tasks are stored in SQLite");
            Ok(Arc::new(store))
        }
    }
}

/// Resolves the address to listen on. Uses the first of several.
async fn resolve(address: &Address) -> Result<SocketAddr, StartError> {
    let unresolved = |why: String| StartError::Host { address: address.clone(), why };
    let mut found = tokio::net::lookup_host((address.host.as_str(), address.port))
        .await
        .map_err(|error| unresolved(error.to_string()))?;
    found.next().ok_or_else(|| unresolved("the name has no address".to_owned()))
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn print(text: &str) -> Result<(), StartError> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // As with `--print-config | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(StartError::Stdout),
    }
}
