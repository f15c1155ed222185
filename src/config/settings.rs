//! The tables of settings: name, help, kind, limits and field of each.
//!
//! A row of [`SETTINGS`] is a flag, an environment variable, a key of the configuration file and a line
//! of `--print-config`; a row of [`QUEUE_SETTINGS`] is a key of `[queues.NAME]`. Nothing else lists them.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::kind::Kind;
use crate::config::store::names_directory;
use crate::config::{Backend, Config};
use crate::models::{MAX_RETRIES, MAX_TIMEOUT, MAX_WEIGHT, QueueLimits};

/// The prefix of every environment variable.
pub(super) const ENV_PREFIX: &str = "TASK_SCHEDULER_";
/// The setting that `--store sqlite:DIR` sets as well.
pub(super) const DATA_DIR: &str = "data-dir";
/// The limits of settings that count tasks.
const TASKS: RangeInclusive<u64> = 1..=1_000_000_000;

/// One setting of `C`.
pub(super) struct Setting<C: 'static = Config> {
    /// The flag without its dashes, and the key in the configuration file.
    pub(super) name: &'static str,
    /// The heading in `--help`.
    pub(super) group: &'static str,
    /// The help text.
    pub(super) help: &'static str,
    /// The kind of value and its field.
    pub(super) kind: Kind<C>,
}

impl<C: Clone> Setting<C> {
    /// Parses `text` into the setting's field.
    ///
    /// # Errors
    /// What is accepted, if `text` is not.
    pub(super) fn set(&self, config: &mut C, text: &str) -> Result<(), String> {
        self.kind.set(config, text).ok_or_else(|| self.kind.accepts())
    }
}

impl Setting {
    /// The name of the environment variable.
    pub(super) fn env(&self) -> String {
        format!("{ENV_PREFIX}{}", self.name.replace('-', "_").to_uppercase())
    }

    /// The names of the settings that the value `text` sets: this one, and the data directory for
    /// `sqlite:DIR`.
    pub(super) fn sets(&self, text: &str) -> impl Iterator<Item = &'static str> + use<> {
        let also = matches!(self.kind, Kind::Store(_)) && names_directory(text);
        [self.name].into_iter().chain(also.then_some(DATA_DIR))
    }

    /// The default, for `--help`.
    pub(super) fn default(&self) -> String {
        let [durable, memory] = [Backend::Sqlite, Backend::Memory]
            .map(|backend| self.kind.show(&Config::with(backend)).unwrap_or_default());
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

const fn row(
    group: &'static str,
    name: &'static str,
    kind: Kind<Config>,
    help: &'static str,
) -> Setting {
    Setting { name, group, help, kind }
}

/// Every setting with a flag, in the order of `--help` and `--print-config`.
pub(super) static SETTINGS: &[Setting] = &[
    row(
        LISTENING,
        "addr",
        Kind::Address(|c| &mut c.listen.addr),
        "The address to listen on; port 0 picks a free port",
    ),
    row(
        LISTENING,
        "max-message-size",
        Kind::Size(|c| &mut c.listen.max_message_size, KIB..=1_024 * MIB),
        "Maximum size of a request or response message",
    ),
    row(
        LISTENING,
        "max-connections",
        Kind::Count(|c| &mut c.listen.max_connections, 1..=1_000_000),
        "Maximum number of open connections; beyond it, new connections that send nothing are closed first",
    ),
    row(
        LISTENING,
        "max-streams",
        Kind::Count32(|c| &mut c.listen.max_streams, 1..=100_000),
        "Maximum number of concurrent calls on one connection",
    ),
    row(
        LISTENING,
        "handshake-timeout",
        Kind::Duration(|c| &mut c.listen.handshake_timeout, TENTH..=HOUR),
        "Time limit for a new connection to start HTTP",
    ),
    row(
        LISTENING,
        "keepalive-interval",
        Kind::Duration(|c| &mut c.listen.keepalive_interval, TENTH..=DAY),
        "Idle time after which the server pings a connection",
    ),
    row(
        LISTENING,
        "keepalive-timeout",
        Kind::Duration(|c| &mut c.listen.keepalive_timeout, TENTH..=HOUR),
        "Time limit for the reply to a ping; then the connection is closed",
    ),
    row(
        LISTENING,
        "serve-threads",
        Kind::Count(|c| &mut c.listen.serve_threads, 1..=256),
        "Threads that serve calls; by default half the cores, from 1 to 8",
    ),
    row(
        LOGGING,
        "log-dir",
        Kind::DirectoryOrNone(|c| &mut c.log.dir),
        "Directory for daily log files (UTC); `none` logs to stderr only",
    ),
    row(
        LOGGING,
        "log-format",
        Kind::Format(|c| &mut c.log.format),
        "Format of log lines, on stderr and in files",
    ),
    row(
        LOGGING,
        "log-retention",
        Kind::Count(|c| &mut c.log.retention, 1..=3_650),
        "Number of daily log files to keep, including today's",
    ),
    row(
        RUNNING,
        "async-tasks",
        Kind::Count(|c| &mut c.engine.async_tasks, 1..=1_000_000),
        "Maximum number of async handlers running at once",
    ),
    row(
        RUNNING,
        "sync-threads",
        Kind::Count(|c| &mut c.engine.sync_threads, 1..=4_096),
        "Threads for sync handlers; by default four per core",
    ),
    row(
        RUNNING,
        "task-timeout",
        Kind::Duration(|c| &mut c.engine.task_timeout, Duration::from_millis(1)..=MAX_TIMEOUT),
        "Time limit of one attempt, unless the task or its method sets one",
    ),
    row(
        RUNNING,
        "retries",
        Kind::Count32(|c| &mut c.engine.retries, 0..=MAX_RETRIES as u64),
        "Retries of a task, unless the task or its method sets them; 0 for SubmitTask",
    ),
    row(
        RUNNING,
        "cancel-grace",
        Kind::Duration(|c| &mut c.engine.cancel_grace, INSTANT..=HOUR),
        "Time for a handler to stop after its timeout or cancellation",
    ),
    row(
        RUNNING,
        "stuck-after",
        Kind::Duration(|c| &mut c.engine.stuck_after, TENTH..=MAX_TIMEOUT),
        "Time after a timeout or cancellation until a handler that does not stop is abandoned",
    ),
    row(
        RUNNING,
        "drain-timeout",
        Kind::Duration(|c| &mut c.engine.drain_timeout, INSTANT..=DAY),
        "Time for running handlers to finish during graceful shutdown",
    ),
    row(
        RUNNING,
        "quarantine-after",
        Kind::Count32(|c| &mut c.engine.quarantine_after, 0..=1_000),
        "Crashes of the server that a running task survives; the next one fails it as QUARANTINED; 0: no limit",
    ),
    row(
        RUNNING,
        "schedules",
        Kind::FileOrNone(|c| &mut c.schedules),
        "YAML file that declares schedules, read at each start; `none`: no file",
    ),
    row(
        KEEPING,
        "store",
        Kind::Store(|c| &mut c.store),
        "Where tasks are stored: in SQLite files, or in memory, which ends with the process; \
         sqlite:DIR also sets --data-dir",
    ),
    row(
        KEEPING,
        DATA_DIR,
        Kind::Directory(|c| &mut c.store.data_dir),
        "Directory of the SQLite files; one server at a time can use it",
    ),
    row(
        KEEPING,
        "queue-length",
        Kind::CountOrUnbounded(|c| &mut c.engine.queue_length, TASKS),
        "Maximum number of tasks that wait in one queue; more are refused",
    ),
    row(
        KEEPING,
        "retention",
        Kind::Duration(|c| &mut c.engine.retention.succeeded.max_age, SECOND..=YEARS),
        "How long succeeded tasks are kept",
    ),
    row(
        KEEPING,
        "retention-count",
        Kind::Count(|c| &mut c.engine.retention.succeeded.max_count, TASKS),
        "How many succeeded tasks are kept",
    ),
    row(
        KEEPING,
        "retention-failed",
        Kind::Duration(|c| &mut c.engine.retention.others.max_age, SECOND..=YEARS),
        "How long failed, expired and cancelled tasks are kept",
    ),
    row(
        KEEPING,
        "retention-failed-count",
        Kind::Count(|c| &mut c.engine.retention.others.max_count, TASKS),
        "How many failed, expired and cancelled tasks are kept",
    ),
    row(
        KEEPING,
        "cache-capacity",
        Kind::Count(|c| &mut c.cache.capacity, 1..=100_000_000),
        "Maximum number of outcomes in the results cache",
    ),
    row(
        KEEPING,
        "cache-bytes",
        Kind::Size(|c| &mut c.cache.bytes, MIB..=TIB),
        "Maximum memory of the results cache",
    ),
];

const fn queue_row(name: &'static str, kind: Kind<QueueLimits>) -> Setting<QueueLimits> {
    Setting { name, group: "", help: "", kind }
}

const CONCURRENCIES: RangeInclusive<u64> = 1..=1_000_000;

/// The keys of `[queues.NAME]`, in the order of `--print-config`. The names are those of the fields of
/// `SetQueueLimits`; `--help` explains them.
pub(super) static QUEUE_SETTINGS: &[Setting<QueueLimits>] = &[
    queue_row("weight", Kind::Count32(|l| &mut l.weight, 1..=MAX_WEIGHT as u64)),
    queue_row("concurrency", Kind::OptionalCount32(|l| &mut l.concurrency, CONCURRENCIES)),
    queue_row("max_length", Kind::OptionalCount(|l| &mut l.max_length, TASKS)),
    queue_row("rate", Kind::OptionalRate(|l| &mut l.rate)),
    queue_row("concurrency_per_key", Kind::Count32(|l| &mut l.concurrency_per_key, CONCURRENCIES)),
    queue_row("rate_per_key", Kind::OptionalRate(|l| &mut l.rate_per_key)),
];

/// The setting of a table with this name.
pub(super) fn find<C>(table: &'static [Setting<C>], name: &str) -> Option<&'static Setting<C>> {
    table.iter().find(|setting| setting.name == name)
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    #[test]
    fn every_default_is_within_its_limits_and_can_be_parsed() {
        fn check<C: Clone + PartialEq + Debug>(table: &[Setting<C>], defaults: &C) {
            for setting in table {
                let Some(shown) = setting.kind.show(defaults) else { continue };
                let mut config = defaults.clone();
                assert_eq!(setting.set(&mut config, &shown), Ok(()), "{} = {shown}", setting.name);
                assert_eq!(config, *defaults, "{}", setting.name);
            }
        }
        for backend in [Backend::Sqlite, Backend::Memory] {
            check(SETTINGS, &Config::with(backend));
        }
        check(QUEUE_SETTINGS, &QueueLimits::default());
    }

    #[test]
    fn every_row_sets_a_field_of_its_own() {
        fn check<C: Clone + Default>(table: &[Setting<C>]) {
            for setting in table {
                let other = match &setting.kind {
                    Kind::Address(_) => "localhost:1",
                    Kind::Directory(_) | Kind::DirectoryOrNone(_) | Kind::FileOrNone(_) => {
                        "elsewhere"
                    }
                    Kind::Format(_) => "json",
                    Kind::Store(_) => "memory",
                    Kind::Count(..)
                    | Kind::Count32(..)
                    | Kind::CountOrUnbounded(..)
                    | Kind::OptionalCount(..)
                    | Kind::OptionalCount32(..) => "57",
                    Kind::OptionalRate(_) => "57/s",
                    Kind::Size(..) => "57MiB",
                    Kind::Duration(..) => "57s",
                };
                let mut config = C::default();
                setting.set(&mut config, other).expect(setting.name);
                let changed: Vec<_> = table
                    .iter()
                    .filter(|row| row.kind.show(&config) != row.kind.show(&C::default()))
                    .map(|row| row.name)
                    .collect();
                assert_eq!(changed, [setting.name]);
            }
        }
        check(SETTINGS);
        check(QUEUE_SETTINGS);
    }

    #[test]
    fn limits_are_enforced_and_named() {
        fn check(name: &str, text: &str, expected: Result<(), &str>) {
            let setting = find(SETTINGS, name).expect(name);
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
