//! The table of settings: each one's name, help, kind, bounds and place in [`Config`].
//!
//! A row here is a flag, an environment variable, a key of the file and a line of
//! `--print-config`, all at once; nothing else lists them.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::kind::Kind;
use crate::config::store::names_directory;
use crate::config::{Backend, Config};
use crate::models::{MAX_RETRIES, MAX_TIMEOUT};

/// What every variable's name begins with.
pub(super) const ENV_PREFIX: &str = "TASK_SCHEDULER_";
/// The setting that `--store sqlite:DIR` sets beside its own.
pub(super) const DATA_DIR: &str = "data-dir";
/// How many tasks a setting can name.
pub(super) const TASKS: RangeInclusive<u64> = 1..=1_000_000_000;

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
        self.kind.set(config, text).ok_or_else(|| self.kind.accepts())
    }

    /// The names of the settings that `text` sets: its own, and the store's directory if that is
    /// what it names.
    pub(super) fn sets(&self, text: &str) -> impl Iterator<Item = &'static str> + use<> {
        let too = matches!(self.kind, Kind::Store(_)) && names_directory(text);
        [self.name].into_iter().chain(too.then_some(DATA_DIR))
    }

    /// What holds where nobody says anything, in words.
    pub(super) fn default(&self) -> String {
        let [durable, memory] =
            [Backend::Sqlite, Backend::Memory].map(|b| self.kind.show(&Config::with(b)));
        // That the memory store is kept in memory need not be said.
        match durable == memory || matches!(self.kind, Kind::Store(_)) {
            true => durable,
            false => format!("{durable}; {memory} with --store memory"),
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
        Kind::DirectoryOrNone(|c| &mut c.log.dir),
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
        RUNNING,
        "quarantine-after",
        Kind::Count32(|c| &mut c.engine.quarantine_after, 0..=1_000),
        "Crashes that a running task may be part of; at the next one it fails as QUARANTINED; 0 never",
    ),
    row(
        RUNNING,
        "schedules",
        Kind::FileOrNone(|c| &mut c.schedules),
        "A YAML file that declares schedules; read at each start; `none` declares none",
    ),
    row(
        KEEPING,
        "store",
        Kind::Store(|c| &mut c.store),
        "What keeps tasks: sqlite, whose files survive, or memory, which ends with the process; \
         sqlite:DIR names the --data-dir as well",
    ),
    row(
        KEEPING,
        DATA_DIR,
        Kind::Directory(|c| &mut c.store.data_dir),
        "Where sqlite keeps its files; one server at a time",
    ),
    row(
        KEEPING,
        "queue-length",
        Kind::CountOrUnbounded(|c| &mut c.engine.queue_length, TASKS),
        "Tasks that may wait in one queue; more are refused",
    ),
    row(
        KEEPING,
        "retention",
        Kind::Duration(|c| &mut c.engine.retention.succeeded.max_age, SECOND..=YEARS),
        "How long tasks that succeeded are kept",
    ),
    row(
        KEEPING,
        "retention-count",
        Kind::Count(|c| &mut c.engine.retention.succeeded.max_count, TASKS),
        "How many tasks that succeeded are kept",
    ),
    row(
        KEEPING,
        "retention-failed",
        Kind::Duration(|c| &mut c.engine.retention.others.max_age, SECOND..=YEARS),
        "How long tasks that failed, expired or were cancelled are kept",
    ),
    row(
        KEEPING,
        "retention-failed-count",
        Kind::Count(|c| &mut c.engine.retention.others.max_count, TASKS),
        "How many tasks that failed, expired or were cancelled are kept",
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
        for backend in [Backend::Sqlite, Backend::Memory] {
            for setting in SETTINGS {
                let shown = setting.kind.show(&Config::with(backend));
                let mut config = Config::with(backend);
                assert_eq!(setting.set(&mut config, &shown), Ok(()), "{} = {shown}", setting.name);
                assert_eq!(config, Config::with(backend), "{}", setting.name);
            }
        }
    }

    /// Two rows that share a field would pass for two settings.
    #[test]
    fn every_row_sets_a_field_of_its_own() {
        for setting in SETTINGS {
            let other = match &setting.kind {
                Kind::Address(_) => "localhost:1",
                Kind::Directory(_) | Kind::DirectoryOrNone(_) | Kind::FileOrNone(_) => "elsewhere",
                Kind::Format(_) => "json",
                Kind::Store(_) => "memory",
                Kind::Count(..) | Kind::Count32(..) | Kind::CountOrUnbounded(..) => "57",
                Kind::Size(..) => "57MiB",
                Kind::Duration(..) => "57s",
            };
            let mut config = Config::default();
            setting.set(&mut config, other).expect(setting.name);
            let changed: Vec<_> = SETTINGS
                .iter()
                .filter(|row| row.kind.show(&config) != row.kind.show(&Config::default()))
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
        check("data-dir", "", Err("expected a directory"));
        check("store", "sqlite:", Err("expected memory, sqlite or sqlite:DIR"));
        let length = Err("expected a whole number from 1 to 1000000000, or unbounded");
        check("queue-length", "1000000000", Ok(()));
        check("queue-length", "unbounded", Ok(()));
        check("queue-length", "1000000001", length);
        check("queue-length", "18446744073709551615", length);
        check("queue-length", "0", length);
        check("quarantine-after", "0", Ok(()));
        check("quarantine-after", "1001", Err("expected a whole number from 0 to 1000"));
        let kept = Err("expected a duration from 1s to 3650d, such as 500ms, 30s, 5m or 24h");
        check("retention-failed", "999ms", kept);
        check("retention-failed", "14d", Ok(()));
    }
}
