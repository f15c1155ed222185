//! The table of settings: each one's name, help, kind, bounds and place in [`Config`].
//!
//! A row here is a flag, an environment variable, a key of the file and a line of
//! `--print-config`, all at once; nothing else lists them.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::value::{
    BadAddress, parse_count, parse_duration, parse_size, show_duration, show_size,
};
use crate::config::{Address, Config};
use crate::logger::Format;
use crate::models::{MAX_RETRIES, MAX_TIMEOUT};

/// What every variable's name begins with.
pub(super) const ENV_PREFIX: &str = "TASK_SCHEDULER_";
/// `--log-dir none`: log to the terminal alone.
const NO_DIRECTORY: &str = "none";

/// One setting.
pub(super) struct Setting {
    /// The flag without its dashes, and the key in the file.
    pub(super) name: &'static str,
    /// The heading that it stands under in `--help`.
    pub(super) group: &'static str,
    /// What it does, for people.
    pub(super) help: &'static str,
    /// What it takes and where it goes.
    pub(super) kind: Kind,
}

type Place<T> = fn(&mut Config) -> &mut T;

/// What a setting takes, its bounds, and the field that it sets.
pub(super) enum Kind {
    Address(Place<Address>),
    Directory(Place<Option<PathBuf>>),
    Format(Place<Format>),
    Count(Place<usize>, RangeInclusive<u64>),
    Count32(Place<u32>, RangeInclusive<u64>),
    Size(Place<usize>, RangeInclusive<u64>),
    Duration(Place<Duration>, RangeInclusive<Duration>),
}

impl Setting {
    /// The environment variable.
    pub(super) fn env(&self) -> String {
        format!("{ENV_PREFIX}{}", self.name.replace('-', "_").to_uppercase())
    }

    /// Puts the value that `text` stands for into `config`.
    ///
    /// # Errors
    /// What would be accepted, when `text` is not.
    pub(super) fn set(&self, config: &mut Config, text: &str) -> Result<(), String> {
        self.try_set(config, text).ok_or_else(|| self.kind.accepts())
    }

    fn try_set(&self, config: &mut Config, text: &str) -> Option<()> {
        match &self.kind {
            Kind::Address(place) => *place(config) = text.parse().ok()?,
            Kind::Directory(_) if text.is_empty() => return None,
            Kind::Directory(place) => {
                *place(config) = (text != NO_DIRECTORY).then(|| PathBuf::from(text));
            }
            Kind::Format(place) => *place(config) = text.parse().ok()?,
            Kind::Count(place, range) => {
                *place(config) =
                    parse_count(text).filter(|n| range.contains(n))?.try_into().ok()?;
            }
            Kind::Count32(place, range) => {
                *place(config) =
                    parse_count(text).filter(|n| range.contains(n))?.try_into().ok()?;
            }
            Kind::Size(place, range) => {
                *place(config) = parse_size(text).filter(|n| range.contains(n))?.try_into().ok()?;
            }
            Kind::Duration(place, range) => {
                *place(config) = parse_duration(text).filter(|d| range.contains(d))?;
            }
        }
        Some(())
    }

    /// The value in `config`, as [`set`](Self::set) would take it.
    pub(super) fn show(&self, config: &Config) -> String {
        // The places lead to fields that can be set, so they are shown from a copy.
        let config = &mut config.clone();
        match &self.kind {
            Kind::Address(place) => place(config).to_string(),
            Kind::Directory(place) => match place(config) {
                Some(path) => path.display().to_string(),
                None => NO_DIRECTORY.to_owned(),
            },
            Kind::Format(place) => place(config).to_string(),
            Kind::Count(place, _) => place(config).to_string(),
            Kind::Count32(place, _) => place(config).to_string(),
            Kind::Size(place, _) => show_size(*place(config) as u64),
            Kind::Duration(place, _) => show_duration(*place(config)),
        }
    }

    /// The same as a TOML value.
    pub(super) fn show_toml(&self, config: &Config) -> String {
        let text = self.show(config);
        match &self.kind {
            Kind::Count(..) | Kind::Count32(..) => text,
            _ => toml::Value::String(text).to_string(),
        }
    }
}

impl Kind {
    /// Stands for the value in `--help`.
    pub(super) fn placeholder(&self) -> &'static str {
        match self {
            Self::Address(_) => "HOST:PORT",
            Self::Directory(_) => "DIR",
            Self::Format(_) => "text|json",
            Self::Count(..) | Self::Count32(..) => "COUNT",
            Self::Size(..) => "SIZE",
            Self::Duration(..) => "DURATION",
        }
    }

    /// What is accepted, in words.
    pub(super) fn accepts(&self) -> String {
        match self {
            Self::Address(_) => BadAddress.to_string(),
            Self::Directory(_) => format!("expected a directory, or {NO_DIRECTORY}"),
            Self::Format(_) => "expected text or json".into(),
            Self::Count(_, range) | Self::Count32(_, range) => {
                format!("expected a whole number from {} to {}", range.start(), range.end())
            }
            Self::Size(_, range) => format!(
                "expected a size from {} to {}, such as 512KiB or 4MiB",
                show_size(*range.start()),
                show_size(*range.end())
            ),
            Self::Duration(_, range) => format!(
                "expected a duration from {} to {}, such as 500ms, 30s, 5m or 24h",
                show_duration(*range.start()),
                show_duration(*range.end())
            ),
        }
    }
}

const LISTENING: &str = "Listening";
const LOGGING: &str = "Logging";
const RUNNING: &str = "Running tasks";
const KEEPING: &str = "Keeping tasks and results";

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;
const INSTANT: Duration = Duration::ZERO;
const TENTH: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
const YEARS: Duration = Duration::from_secs(3_650 * 24 * 3_600);

const fn row(group: &'static str, name: &'static str, kind: Kind, help: &'static str) -> Setting {
    Setting { name, group, help, kind }
}

/// Every setting that has a flag, in the order of `--help` and `--print-config`.
pub(super) static SETTINGS: &[Setting] = &[
    row(
        LISTENING,
        "addr",
        Kind::Address(|c| &mut c.listen.addr),
        "Where to listen; port 0 takes any free port",
    ),
    row(
        LISTENING,
        "max-message-size",
        Kind::Size(|c| &mut c.listen.max_message_size, KIB..=1_024 * MIB),
        "The largest message taken or given",
    ),
    row(
        LISTENING,
        "max-connections",
        Kind::Count(|c| &mut c.listen.max_connections, 1..=1_000_000),
        "Connections open at once; beyond that silent newcomers give way",
    ),
    row(
        LISTENING,
        "max-streams",
        Kind::Count32(|c| &mut c.listen.max_streams, 1..=100_000),
        "Calls in flight on one connection",
    ),
    row(
        LISTENING,
        "handshake-timeout",
        Kind::Duration(|c| &mut c.listen.handshake_timeout, TENTH..=HOUR),
        "How long a new connection may take to begin speaking HTTP",
    ),
    row(
        LISTENING,
        "keepalive-interval",
        Kind::Duration(|c| &mut c.listen.keepalive_interval, TENTH..=DAY),
        "The silence after which a connection is pinged",
    ),
    row(
        LISTENING,
        "keepalive-timeout",
        Kind::Duration(|c| &mut c.listen.keepalive_timeout, TENTH..=HOUR),
        "How long the answer to a ping may take before the connection is closed",
    ),
    row(
        LISTENING,
        "serve-threads",
        Kind::Count(|c| &mut c.listen.serve_threads, 1..=256),
        "Threads that answer calls; by default half the cores, from 1 to 8",
    ),
    row(
        LOGGING,
        "log-dir",
        Kind::Directory(|c| &mut c.log.dir),
        "Where log files go, a new one each day (UTC); `none` logs to stderr alone",
    ),
    row(
        LOGGING,
        "log-format",
        Kind::Format(|c| &mut c.log.format),
        "How log lines look, on stderr and in the files",
    ),
    row(
        LOGGING,
        "log-retention",
        Kind::Count(|c| &mut c.log.retention, 1..=3_650),
        "Daily log files to keep, today's included",
    ),
    row(
        RUNNING,
        "async-tasks",
        Kind::Count(|c| &mut c.engine.async_tasks, 1..=1_000_000),
        "Async bodies running at once",
    ),
    row(
        RUNNING,
        "sync-threads",
        Kind::Count(|c| &mut c.engine.sync_threads, 1..=4_096),
        "Threads for sync bodies; by default four for each core",
    ),
    row(
        RUNNING,
        "task-timeout",
        Kind::Duration(|c| &mut c.engine.task_timeout, Duration::from_millis(1)..=MAX_TIMEOUT),
        "How long one attempt may take, where neither task nor method says",
    ),
    row(
        RUNNING,
        "retries",
        Kind::Count32(|c| &mut c.engine.retries, 0..=MAX_RETRIES as u64),
        "Attempts after the first, where neither task nor method says; SubmitTask has 0",
    ),
    row(
        RUNNING,
        "cancel-grace",
        Kind::Duration(|c| &mut c.engine.cancel_grace, INSTANT..=HOUR),
        "How long a body may go on after its timeout or cancel",
    ),
    row(
        RUNNING,
        "stuck-after",
        Kind::Duration(|c| &mut c.engine.stuck_after, TENTH..=MAX_TIMEOUT),
        "How long past its timeout or cancel a body is waited for before it is given up",
    ),
    row(
        RUNNING,
        "drain-timeout",
        Kind::Duration(|c| &mut c.engine.drain_timeout, INSTANT..=DAY),
        "How long running bodies may take to end when the server is told to stop",
    ),
    row(
        KEEPING,
        "queue-length",
        Kind::Count(|c| &mut c.engine.queue_length, 1..=100_000_000),
        "Tasks that may wait in one queue; more are refused",
    ),
    row(
        KEEPING,
        "retention",
        Kind::Duration(|c| &mut c.engine.retention, SECOND..=YEARS),
        "How long tasks that succeeded are kept; others are kept 14 days",
    ),
    row(
        KEEPING,
        "retention-count",
        Kind::Count(|c| &mut c.engine.retention_count, 1..=100_000_000),
        "How many tasks that succeeded are kept, and how many others",
    ),
    row(
        KEEPING,
        "cache-capacity",
        Kind::Count(|c| &mut c.cache.capacity, 1..=100_000_000),
        "Outcomes in the results cache",
    ),
    row(
        KEEPING,
        "cache-bytes",
        Kind::Size(|c| &mut c.cache.bytes, MIB..=TIB),
        "Memory for the results cache",
    ),
];

/// The setting with this name.
pub(super) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_within_its_own_bounds_and_reads_back() {
        for setting in SETTINGS {
            let shown = setting.show(&Config::default());
            let mut config = Config::default();
            assert_eq!(setting.set(&mut config, &shown), Ok(()), "{} = {shown}", setting.name);
            assert_eq!(config, Config::default(), "{}", setting.name);
        }
    }

    /// Two rows that share a field would pass for two settings.
    #[test]
    fn every_row_sets_a_field_of_its_own() {
        for setting in SETTINGS {
            let other = match &setting.kind {
                Kind::Address(_) => "localhost:1",
                Kind::Directory(_) => "elsewhere",
                Kind::Format(_) => "json",
                Kind::Count(..) | Kind::Count32(..) => "57",
                Kind::Size(..) => "57MiB",
                Kind::Duration(..) => "57s",
            };
            let mut config = Config::default();
            setting.set(&mut config, other).expect(setting.name);
            let changed: Vec<_> = SETTINGS
                .iter()
                .filter(|row| row.show(&config) != row.show(&Config::default()))
                .map(|row| row.name)
                .collect();
            assert_eq!(changed, [setting.name]);
        }
    }

    #[test]
    fn bounds_are_kept_and_told() {
        fn check(name: &str, text: &str, expected: Result<(), &str>) {
            let setting = find(name).expect(name);
            let found = setting.set(&mut Config::default(), text);
            assert_eq!(
                found.as_ref().map_err(String::as_str),
                expected.as_ref().map_err(|e| &**e),
                "{name} {text}"
            );
        }
        let streams = Err("expected a whole number from 1 to 100000");
        check("max-streams", "1", Ok(()));
        check("max-streams", "100000", Ok(()));
        check("max-streams", "0", streams);
        check("max-streams", "100001", streams);
        check("max-streams", "-1", streams);
        check("max-streams", "4294967297", streams);
        let size = Err("expected a size from 1KiB to 1GiB, such as 512KiB or 4MiB");
        check("max-message-size", "1KiB", Ok(()));
        check("max-message-size", "1023", size);
        check("max-message-size", "2GiB", size);
        let grace = Err("expected a duration from 0s to 1h, such as 500ms, 30s, 5m or 24h");
        check("cancel-grace", "0s", Ok(()));
        check("cancel-grace", "5", grace);
        check("cancel-grace", "61m", grace);
        check("log-format", "yaml", Err("expected text or json"));
        check("log-dir", "", Err("expected a directory, or none"));
        check("log-dir", "none", Ok(()));
    }
}
