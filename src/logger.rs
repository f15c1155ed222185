//! The program's log: to stderr and to one file per day.
//!
//! Owns the destinations and the format of log lines, the retention of files, and the count of lost
//! lines. Threads of the log write the lines, so that a slow disk or terminal delays no caller;
//! [`Guard`] owns them.
//!
//! A file is named `task-scheduler.YYYY-MM-DD.log`, in UTC.

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

/// For the log macros: a crate that uses them needs no dependency on `tracing`.
#[doc(hidden)]
pub use tracing;

mod keeper;
mod macros;
mod retention;
mod sink;

use keeper::Keeper;
use sink::{Losses, Sink};

/// The filter if `RUST_LOG` is unset.
const DEFAULT_FILTER: &str = "info";
/// The maximum number of lines that wait to be written, for stderr and the file each. More are dropped and
/// counted.
const MAX_WAITING_LINES: usize = 8_192;
/// The parts of a log file's name around the date.
const FILE_PREFIX: &str = "task-scheduler";
const FILE_SUFFIX: &str = "log";

/// The settings of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The directory of the files; `None` logs to stderr only.
    pub dir: Option<PathBuf>,
    /// The format of lines.
    pub format: Format,
    /// The number of daily files to keep, including today's; at least 1.
    pub retention: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { dir: Some("logs".into()), format: Format::Text, retention: 14 }
    }
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Text for people.
    #[default]
    Text,
    /// One JSON object per line: `timestamp`, `level`, `target`, `message` and the fields beside them.
    Json,
}

/// The error for a text that is no [`Format`].
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

/// Why the log cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `RUST_LOG` is malformed.
    #[error("RUST_LOG is {value:?}: {source} (such as info or task_scheduler=debug,h2=warn)")]
    Filter {
        /// The value.
        value: String,
        /// The parser's error.
        source: ParseError,
    },
    /// The directory cannot be created or read.
    #[error("cannot use the log directory {}: {source}; choose another with --log-dir, or none", dir.display())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file of today cannot be written.
    #[error("cannot write to the log directory {}: {}; choose another with --log-dir, or none", dir.display(), cause(source))]
    File {
        /// The directory.
        dir: PathBuf,
        /// The cause.
        source: InitError,
    },
    /// The log's thread cannot be started.
    #[error("cannot start the log's thread: {0}")]
    Thread(#[source] io::Error),
    /// The log was started before.
    #[error("the log was started twice")]
    Twice,
}

/// The source of the appender's error, because its own text has no details.
fn cause(error: &InitError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// Owns the log's threads. Dropping it writes the waiting lines, for at most about one second each for
/// stderr and the file, so that a stuck terminal does not keep the process alive.
#[must_use = "the log ends when the guard is dropped"]
#[derive(Debug)]
pub struct Guard {
    // Dropped first, because its last lines need the writers.
    _keeper: Keeper,
    _writers: Vec<WorkerGuard>,
}

/// Starts the log of the process. `filter` is the value of `RUST_LOG`, if set.
///
/// # Errors
/// [`Error`]: the filter is malformed, the directory or its file cannot be written, or a log was started
/// before.
pub fn start(options: &Options, filter: Option<&str>) -> Result<Guard, Error> {
    let ansi =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let (dispatch, guard) = build(options, filter, io::stderr(), ansi)?;
    tracing::dispatcher::set_global_default(dispatch).map_err(|_| Error::Twice)?;
    Ok(guard)
}

/// Builds a log that writes to `console` instead of stderr.
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

    // The file's layer comes first: layers share the first one's text of spans, which must be free of
    // colour.
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
    // `retention` prunes instead of the appender, which goes by the prefix: it would remove other
    // programs' files, and today's file if only one is kept.
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
