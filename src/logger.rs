//! The program's own log: to stderr, and to a file a day.
//!
//! Owns where lines go, how they look, how many files are kept, and that lines which could not be
//! kept are counted and told. What is worth a line is decided by whoever logs it. Lines are written
//! by threads of the log's own, so that a slow disk or terminal stops nobody; [`Guard`] holds them.
//!
//! The file of a day is `task-scheduler.YYYY-MM-DD.log`, in UTC.

use std::fmt;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tracing::{Dispatch, Subscriber};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{InitError, RollingFileAppender, Rotation};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Registry};

/// For the log macros, so that whoever uses them needs no `tracing` of his own.
#[doc(hidden)]
pub use tracing;

mod keeper;
mod macros;
mod retention;
mod sink;

use keeper::Keeper;
use sink::{Losses, Sink};

/// Chooses what is logged when `RUST_LOG` is not set.
const DEFAULT_FILTER: &str = "info";
/// Lines waiting to be written, for each of stderr and the file; more are lost, counted and told.
const MAX_WAITING_LINES: usize = 8_192;
/// What the names of log files begin and end with.
const FILE_PREFIX: &str = "task-scheduler";
const FILE_SUFFIX: &str = "log";

/// What there is to choose about the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where the files go; `None` logs to stderr alone.
    pub dir: Option<PathBuf>,
    /// How lines look.
    pub format: Format,
    /// Daily files to keep, today's included; at least 1.
    pub retention: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { dir: Some("logs".into()), format: Format::Text, retention: 14 }
    }
}

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One object a line: `timestamp`, `level`, `target`, `message` and the fields beside them.
    Json,
}

/// The text is no [`Format`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected text or json")]
pub struct UnknownFormat;

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(UnknownFormat),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `RUST_LOG` is malformed.
    #[error("RUST_LOG is {value:?}: {source} (such as info or task_scheduler=debug,h2=warn)")]
    Filter {
        /// What it is.
        value: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// The directory cannot be made or looked into.
    #[error("cannot use the log directory {}: {source}; choose another with --log-dir, or none", dir.display())]
    Directory {
        /// As it was given.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file of the day cannot be written.
    #[error("cannot write to the log directory {}: {}; choose another with --log-dir, or none", dir.display(), cause(source))]
    File {
        /// As it was given.
        dir: PathBuf,
        /// Why.
        source: InitError,
    },
    /// A thread of the log's own cannot be started.
    #[error("cannot start the log's thread: {0}")]
    Thread(#[source] io::Error),
    /// There is a log already.
    #[error("the log was started twice")]
    Twice,
}

/// What lies under the appender's error: its own text says no more than that it failed.
fn cause(error: &InitError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// Keeps the log going; when it is dropped, what waits is written out. Waits for at most about a
/// second each for stderr and the file, so that a stuck terminal does not keep the process alive.
#[must_use = "the log ends when the guard is dropped"]
#[derive(Debug)]
pub struct Guard {
    // First: its last words still go through the writers.
    _keeper: Keeper,
    _writers: Vec<WorkerGuard>,
}

/// Starts the log for the whole process. `filter` is what `RUST_LOG` says, if it is set.
///
/// # Errors
/// When the filter is malformed, the directory or its file cannot be written, or a log was started
/// before.
pub fn start(options: &Options, filter: Option<&str>) -> Result<Guard, Error> {
    let ansi =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let (dispatch, guard) = build(options, filter, io::stderr(), ansi)?;
    tracing::dispatcher::set_global_default(dispatch).map_err(|_| Error::Twice)?;
    Ok(guard)
}

/// A log of its own, with `console` in the place of stderr.
fn build(
    options: &Options,
    filter: Option<&str>,
    console: impl io::Write + Send + 'static,
    ansi: bool,
) -> Result<(Dispatch, Guard), Error> {
    let filter = filter.filter(|text| !text.trim().is_empty()).unwrap_or(DEFAULT_FILTER);
    let filter = EnvFilter::try_new(filter)
        .map_err(|source| Error::Filter { value: filter.to_owned(), source })?;

    let mut losses = Losses::default();
    let mut writers = Vec::new();
    let file = match &options.dir {
        Some(dir) => {
            let (writer, guard) = non_blocking(open(dir)?, "log-file", &mut losses);
            writers.push(guard);
            Some(writer)
        }
        None => None,
    };
    let (console, guard) = non_blocking(console, "log-console", &mut losses);
    writers.push(guard);

    // The file's layer comes first: layers share what the first one wrote about spans, and that
    // must be free of colour.
    let dispatch = match options.format {
        Format::Text => Dispatch::new(
            Registry::default()
                .with(filter)
                .with(file.map(|file| Layer::new().with_writer(file).with_ansi(false)))
                .with(Layer::new().with_writer(console).with_ansi(ansi)),
        ),
        Format::Json => {
            Dispatch::new(Registry::default().with(filter).with(file.map(json)).with(json(console)))
        }
    };
    let files = options.dir.clone().map(|dir| (dir, options.retention));
    let keeper = Keeper::start(dispatch.clone(), losses, files).map_err(Error::Thread)?;
    Ok((dispatch, Guard { _keeper: keeper, _writers: writers }))
}

fn json<S>(writer: NonBlocking) -> impl tracing_subscriber::Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    Layer::new()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_ansi(false)
        .with_writer(writer)
}

fn open(dir: &Path) -> Result<RollingFileAppender, Error> {
    let unusable = |source| Error::Directory { dir: dir.to_owned(), source };
    std::fs::create_dir_all(dir).map_err(unusable)?;
    // The appender's own pruning goes by the prefix, so it would take other programs' files as well,
    // and today's when one file is to be kept: `retention` does it.
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(FILE_PREFIX)
        .filename_suffix(FILE_SUFFIX)
        .build(dir)
        .map_err(|source| Error::File { dir: dir.to_owned(), source })
}

fn non_blocking(
    writer: impl io::Write + Send + 'static,
    name: &'static str,
    losses: &mut Losses,
) -> (NonBlocking, WorkerGuard) {
    let sink = Sink::new(writer);
    let unwritten = sink.failures();
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(MAX_WAITING_LINES)
        .thread_name(name)
        .finish(sink);
    losses.watch(name, writer.error_counter(), unwritten);
    (writer, guard)
}

#[cfg(test)]
mod tests;
