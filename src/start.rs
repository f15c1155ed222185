//! Puts the server together: settings, log, methods, store, and then everything that serves. Or
//! does what else the binary was asked for.
//!
//! Owns the order of starting, and what is said and returned when it does not succeed: one line on
//! stderr for each thing that is wrong, and an exit code.
//!
//! | code | when |
//! |---|---|
//! | 0 | stopped as asked; help, version and configuration printed; a command did what it is for |
//! | 1 | something failed that may succeed next time: the port is taken, another server has the data directory; `verify` found something |
//! | 2 | wrong flags; a command was asked for something that there is not |
//! | 78 | starting again cannot help before something is changed: the file, the environment, the schedules, the log directory, the data directory, the methods, the subscribers |

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
/// What clap ends with.
const EXIT_USAGE: u8 = 2;
/// How long connections may take to close once everything has been answered.
const HANG_UP: Duration = Duration::from_secs(5);

/// Why the server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
enum StartError {
    /// Wrong flags, or a call for help.
    #[error(transparent)]
    Flags(clap::Error),
    /// Wrong environment or file.
    #[error("{}", lines(.0))]
    Configuration(Vec<config::Problem>),
    /// The file of schedules cannot be read, or something in it is wrong.
    #[error("{0}")]
    Schedules(BadFile),
    /// No log.
    #[error(transparent)]
    Log(#[from] logger::Error),
    /// Methods that clash or are malformed.
    #[error(transparent)]
    Methods(Error),
    /// Subscribers that clash or ask for events that there are not.
    #[error(transparent)]
    Subscribers(Error),
    /// The address's name stands for nothing.
    #[error("cannot listen on {address}: {why}")]
    Host { address: Address, why: String },
    /// The port is taken, or threads cannot be had.
    #[error(transparent)]
    Server(#[from] server::Error),
    /// The store's files cannot be had.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What was asked for instead of serving did not succeed.
    #[error(transparent)]
    Command(#[from] cli::Error),
    /// The store does not begin, or threads cannot be had.
    #[error(transparent)]
    System(Error),
    /// No runtime, or no signals.
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    /// Nobody reads what was asked for.
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
            // Help and version are "errors" with code 0.
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

    /// Says what is wrong.
    fn tell(&self) {
        match self {
            Self::Flags(error) => drop(error.print()),
            other => complain(&other.to_string()),
        }
    }
}

/// A terminal that has gone away cannot be told, so failures are dropped.
fn complain(text: &str) {
    let mut stderr = io::stderr().lock();
    for line in text.lines() {
        drop(writeln!(stderr, "task-scheduler: {line}"));
    }
}

fn lines(problems: &[config::Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The whole program: reads the command line and the environment, serves every method that was
/// registered, and returns when it was told to stop and has drained. Or does what else it was asked.
///
/// A binary with methods of its own is `fn main() -> std::process::ExitCode { task_scheduler::main() }`.
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.tell();
            ExitCode::from(error.exit_code())
        }
    }
}

fn run() -> Result<(), StartError> {
    let (config, remarks) = match config::load(std::env::args_os(), std::env::vars_os())? {
        Loaded::Print(text) => return print(&text),
        Loaded::Run { command, data_dir, remarks } => {
            remarks.iter().for_each(|remark| complain(remark));
            return print(&command.run(&data_dir)?);
        }
        Loaded::Serve { config, remarks } => (config, remarks),
    };
    // Before anything is begun, as the rest of what may be wrong with the configuration.
    let declared = config.schedules.as_deref().map(declared::read).transpose();
    let declared = declared.map_err(StartError::Schedules)?;
    let filter = std::env::var_os("RUST_LOG").map(|filter| filter.to_string_lossy().into_owned());
    // Dropped last, and before `main` says what went wrong: the log is whole by then.
    let _log = logger::start(&config.log, filter.as_deref())?;
    for remark in remarks {
        tracing::warn!("{remark}");
    }
    std::panic::set_hook(Box::new(log_panic));
    let registry =
        TaskRegistry::from_registrations(tasks::collected()).map_err(StartError::Methods)?;
    match registry.health() {
        RegistryHealth::Healthy(methods) => tracing::info!(methods, "methods registered"),
        // Nearly always a library that nothing mentions, so that it was not linked.
        RegistryHealth::Empty => {
            tracing::warn!("no method is registered; see task_scheduler::link!")
        }
    }
    let subscribers = Subscribers::from_registrations(subscriber::collected())
        .map_err(StartError::Subscribers)?;
    serve(&config, registry, subscribers, declared)
}

/// A panic is a line of the log like any other. Those of bodies are their tasks' failures besides.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let said = panic.payload_as_str().unwrap_or("without a message");
    let thread = std::thread::current();
    let place = panic.location().map(ToString::to_string);
    tracing::error!(thread = thread.name(), place, "a panic: {said}");
}

/// Starts the system and the doors, and waits until they have stopped.
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
        let addr = look_up(&config.listen.addr).await?;
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
            // That is no crash, and no fault of what runs already.
            system.shutdown(Duration::ZERO).await;
        }
        served
    });
    // A body that does not return must not keep the process.
    runtime.shutdown_background();
    stopped
}

/// Opens the doors of a system that runs, and waits until it was told to stop and has.
async fn serve_from(
    system: &TaskSystem,
    listener: server::Listener,
    config: &Config,
    declared: Option<Vec<Declared>>,
) -> Result<(), StartError> {
    if let Some((path, declared)) = config.schedules.as_deref().zip(declared) {
        declare(system, path, declared).await?;
    }
    // Nothing that is due runs as it was defined before.
    system.begin().await;
    // Before anything is told of the address, so that whoever reads it can rely on them.
    let mut stop = Signals::new().map_err(StartError::Runtime)?;
    let handle = Server::start(listener, system.clone(), config.listen.options()).await?;
    let addr = handle.local_addr();
    if !addr.ip().is_loopback() {
        tracing::warn!(
            %addr,
            "anybody who can reach this address can submit and enqueue tasks; everything else \
             answers callers on this machine only"
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
                tracing::warn!("bodies that had not finished were put back into their queues");
            }
            let cut = handle.stop(HANG_UP).await;
            let cache = system.cache().statistics();
            tracing::info!(connections_cut = cut, ?cache, "stopped");
        }
        () = stop.next() => tracing::warn!("stopped at once, as told twice"),
    }
    system.stop();
    Ok(())
}

/// Defines the schedules of a file. Nothing is served if one of them cannot be.
async fn declare(
    system: &TaskSystem,
    path: &Path,
    declared: Vec<Declared>,
) -> Result<(), StartError> {
    let schedules = declared.len();
    let done = system.declare_schedules(declared).await;
    done.map_err(|problems| StartError::Schedules(BadFile::wrong(path, problems)))?;
    tracing::info!(schedules, file = %path.display(), "schedules declared");
    Ok(())
}

/// The store that was chosen, with whatever it knows from earlier.
fn open(chosen: &config::Store) -> Result<Arc<dyn Store>, store::Error> {
    match chosen.backend {
        Backend::Memory => {
            tracing::warn!("tasks are kept in memory: nothing survives this process");
            Ok(Arc::new(MemoryStore::default()))
        }
        Backend::Sqlite => {
            let store = SqliteStore::open_dir(&chosen.data_dir)?;
            tracing::info!(dir = %chosen.data_dir.display(), "tasks are kept in SQLite");
            Ok(Arc::new(store))
        }
    }
}

/// The address to listen on. The first one that the name stands for.
async fn look_up(address: &Address) -> Result<SocketAddr, StartError> {
    let unknown = |why: String| StartError::Host { address: address.clone(), why };
    let mut found = tokio::net::lookup_host((address.host.as_str(), address.port))
        .await
        .map_err(|error| unknown(error.to_string()))?;
    found.next().ok_or_else(|| unknown("the name has no address".to_owned()))
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
        // `--print-config | head` has what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(StartError::Stdout),
    }
}
