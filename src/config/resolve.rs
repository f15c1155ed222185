//! Resolves the layers: flags over environment over file over defaults.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::mem::discriminant;
use std::path::PathBuf;

use crate::cli;
use crate::config::Backend;
use crate::config::file::{self, Written};
use crate::config::print::print;
use crate::config::problem::{Problem, Refusal, Source};
use crate::config::settings::{SETTINGS, Setting};
use crate::config::{Config, env, flags};
use crate::models::QueueName;

/// One layer must not set both: one of them would be ignored.
const SET_TWICE: &str = "sqlite:DIR and data-dir both set the directory; expected one of them";

/// What the program does.
#[derive(Debug, PartialEq)]
pub enum Loaded {
    /// Serve.
    Serve {
        /// The settings.
        config: Box<Config>,
        /// Warnings.
        remarks: Vec<String>,
    },
    /// Run a command and exit.
    Run {
        /// The command.
        command: cli::Command,
        /// The store's directory.
        data_dir: PathBuf,
        /// Warnings.
        remarks: Vec<String>,
    },
    /// Print this text and exit.
    Print(String),
}

/// The layer of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Default,
    File(Source),
    Environment(String),
    Flag,
}

impl Origin {
    fn is_same_layer(&self, other: &Self) -> bool {
        discriminant(self) == discriminant(other)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(source) => write!(f, "file {source}"),
            Self::Environment(variable) => write!(f, "env {variable}"),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// The settings and their origins.
#[derive(Default)]
pub(super) struct Resolved {
    pub(super) config: Config,
    /// By the setting's name; an absent setting has its default.
    origins: BTreeMap<&'static str, Origin>,
    queue_sources: BTreeMap<(QueueName, &'static str), Source>,
    /// Warnings.
    pub(super) remarks: Vec<String>,
}

impl Resolved {
    pub(super) fn origin(&self, setting: &Setting) -> Origin {
        self.origins.get(setting.name).cloned().unwrap_or(Origin::Default)
    }

    pub(super) fn queue_origin(&self, name: &QueueName, key: &'static str) -> Origin {
        let source = self.queue_sources.get(&(name.clone(), key));
        source.map_or(Origin::Default, |source| Origin::File(source.clone()))
    }

    fn set(&mut self, setting: &Setting, text: &str, origin: Origin) -> Result<(), String> {
        setting.set(&mut self.config, text)?;
        for name in setting.sets(text) {
            let before = self.origins.insert(name, origin.clone());
            // No layer contains a setting twice, but `sqlite:DIR` sets two.
            if before.is_some_and(|before| before.is_same_layer(&origin)) {
                return Err(SET_TWICE.to_owned());
            }
        }
        Ok(())
    }

    /// Sets the remaining settings to the defaults for the chosen store.
    fn set_defaults(&mut self) {
        let defaults = Config::with(self.config.store.backend);
        for setting in SETTINGS.iter().filter(|setting| !self.origins.contains_key(setting.name)) {
            let default = setting.kind.show(&defaults).unwrap_or_default();
            let set = setting.set(&mut self.config, &default);
            debug_assert_eq!(set, Ok(()), "defaults are within their limits");
        }
    }
}

/// Resolves the settings from the command line (program name first), the environment and the file that
/// either of them names. Checks every value, also one that a higher layer overrides.
///
/// # Errors
/// [`Refusal::Flags`] for wrong flags, `--help` and `--version`; otherwise
/// [`Refusal::Configuration`] with every problem.
pub fn load(
    args: impl IntoIterator<Item = OsString>,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Loaded, Refusal> {
    let flags = flags::parse(args)?;
    let mut problems = Vec::new();
    let environment = env::read(variables, &mut problems);
    let mut resolved = Resolved { remarks: environment.remarks, ..Resolved::default() };

    if let Some(path) = flags.config.or(environment.config) {
        let file = file::read(&path, &mut problems);
        for (setting, Written { text, written, at }) in file.values {
            let set = match text {
                Some(text) => resolved.set(setting, &text, Origin::File(at.clone())),
                None => Err(setting.kind.accepts()),
            };
            if let Err(expected) = set {
                let what = setting.name.to_owned();
                problems.push(Problem::BadValue { at, what, value: written, expected });
            }
        }
        resolved.config.engine.queues = file.queues;
        resolved.queue_sources = file.queue_sources;
    }
    for (setting, text) in environment.values {
        let what = setting.env();
        if let Err(expected) = resolved.set(setting, &text, Origin::Environment(what.clone())) {
            let value = format!("{text:?}");
            problems.push(Problem::BadValue { at: Source::Environment, what, value, expected });
        }
    }
    for (setting, text) in flags.values {
        // Checked one by one by clap; two of them may still set one setting.
        resolved.set(setting, &text, Origin::Flag).map_err(flags::conflict)?;
    }
    resolved.set_defaults();

    if !problems.is_empty() {
        problems.sort_by_cached_key(|problem| problem.source().cloned());
        return Err(Refusal::Configuration(problems));
    }
    if flags.print_config {
        return Ok(Loaded::Print(print(&resolved)));
    }
    if let Some(command) = flags.command {
        if resolved.config.store.backend == Backend::Memory {
            let why = "the memory store has no files; use --store sqlite";
            return Err(flags::conflict(why.to_owned()).into());
        }
        let data_dir = resolved.config.store.data_dir;
        return Ok(Loaded::Run { command, data_dir, remarks: resolved.remarks });
    }
    Ok(Loaded::Serve { config: Box::new(resolved.config), remarks: resolved.remarks })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Address, Backend, Store};
    use crate::models::{QueueLimits, Rate};

    /// Loads a command line, an environment and a file.
    fn load_all(flags: &[&str], variables: &[(&str, &str)], file: &str) -> Result<Loaded, Refusal> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("ts.toml");
        std::fs::write(&path, file).expect("the file can be written");
        let own = [OsString::from("task-scheduler"), "--config".into(), path.into()];
        load(
            own.into_iter().chain(flags.iter().map(OsString::from)),
            variables.iter().map(|(name, value)| (name.into(), value.into())),
        )
    }

    fn config(flags: &[&str], variables: &[(&str, &str)], file: &str) -> Config {
        match load_all(flags, variables, file) {
            Ok(Loaded::Serve { config, .. }) => *config,
            other => panic!("not served: {other:?}"),
        }
    }

    /// The printed problems, without the temporary directory.
    fn problems(variables: &[(&str, &str)], file: &str) -> Vec<String> {
        match load_all(&[], variables, file) {
            Err(Refusal::Configuration(problems)) => {
                let tail = |text: String| match text.rsplit_once("/ts.toml") {
                    Some((_, tail)) => format!("ts.toml{tail}"),
                    None => text,
                };
                problems.iter().map(|problem| tail(problem.to_string())).collect()
            }
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let retries = |flags, variables, file| config(flags, variables, file).engine.retries;
        let env = &[("TASK_SCHEDULER_RETRIES", "6")][..];
        assert_eq!(retries(&["--retries", "7"], env, "retries = 5"), 7);
        assert_eq!(retries(&[], env, "retries = 5"), 6);
        assert_eq!(retries(&[], &[], "retries = 5"), 5);
        assert_eq!(retries(&[], &[], ""), 3);
    }

    #[test]
    fn defaults_depend_on_the_store() {
        fn check(flags: &[&str], variables: &[(&str, &str)], file: &str, expected: (u64, usize)) {
            let engine = config(flags, variables, file).engine;
            let found = (engine.queue_length, engine.retention.succeeded.max_count);
            assert_eq!(found, expected, "{flags:?} {variables:?} {file}");
        }
        check(&[], &[], "", (u64::MAX, 1_000_000));
        check(&["--store", "memory"], &[], "", (100_000, 100_000));
        let memory = &[("TASK_SCHEDULER_STORE", "memory")];
        check(&[], memory, "store = 'sqlite:x'", (100_000, 100_000));
        check(&["--store", "sqlite"], memory, "", (u64::MAX, 1_000_000));
        // Explicit values stay, whatever the order.
        check(&["--queue-length", "unbounded"], memory, "", (u64::MAX, 100_000));
        check(&[], memory, "queue-length = 7\nretention-count = 8", (7, 8));
        check(&["--store", "sqlite"], &[], "queue-length = 100_000", (100_000, 1_000_000));
    }

    #[test]
    fn a_store_can_set_its_directory_and_higher_layers_win() {
        fn check(flags: &[&str], file: &str, backend: Backend, dir: &str) {
            let expected = Store { backend, data_dir: dir.into() };
            assert_eq!(config(flags, &[], file).store, expected, "{flags:?} {file}");
        }
        use Backend::{Memory, Sqlite};
        check(&[], "", Sqlite, "./data");
        check(&["--store", "sqlite:a b"], "", Sqlite, "a b");
        check(&["--store", "sqlite:a"], "data-dir = 'b'", Sqlite, "a");
        check(&["--data-dir", "a"], "store = 'sqlite:b'", Sqlite, "a");
        check(&["--store", "memory"], "store = 'sqlite:b'", Memory, "b");
        check(&["--store", "sqlite"], "store = 'sqlite:b'", Sqlite, "b");
        check(&["--store", "sqlite", "--data-dir", "a"], "", Sqlite, "a");
    }

    #[test]
    fn a_layer_that_sets_the_directory_twice_is_refused() {
        let twice = "expected one of them";
        let found = problems(&[], "data-dir = 'a'\n\nstore = 'sqlite:a'");
        let expected = format!(
            "ts.toml:3: store is 'sqlite:a'; sqlite:DIR and data-dir both set the directory; {twice}"
        );
        assert_eq!(found, [expected]);
        let variables = [("TASK_SCHEDULER_DATA_DIR", "a"), ("TASK_SCHEDULER_STORE", "sqlite:b")];
        let [found] = &problems(&variables, "")[..] else { panic!("one problem") };
        assert!(found.ends_with(twice), "{found}");
        match load_all(&["--data-dir", "a", "--store", "sqlite:a"], &[], "") {
            Err(Refusal::Flags(error)) => assert!(error.to_string().contains(twice), "{error}"),
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn a_command_uses_the_same_directory_as_the_server() {
        fn check(flags: &[&str], variables: &[(&str, &str)], expected: &str) {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let path = dir.path().join("ts.toml");
            std::fs::write(&path, "data-dir = 'from-file'").expect("the file can be written");
            let own = [OsString::from("task-scheduler"), "verify".into()];
            let file = [OsString::from("--config"), path.into()];
            let flags = flags.iter().map(OsString::from);
            let loaded = load(
                own.into_iter().chain(file).chain(flags),
                variables.iter().map(|(name, value)| (name.into(), value.into())),
            );
            let expected = Loaded::Run {
                command: cli::Command::Verify { backup: None },
                data_dir: expected.into(),
                remarks: Vec::new(),
            };
            assert_eq!(loaded.expect("a command"), expected, "{variables:?}");
        }
        check(&[], &[], "from-file");
        check(&[], &[("TASK_SCHEDULER_STORE", "sqlite:from-env")], "from-env");
        check(&["--data-dir", "a"], &[("TASK_SCHEDULER_DATA_DIR", "from-env")], "a");
    }

    #[test]
    fn a_file_sets_what_flags_set_and_queues() {
        let config = config(
            &[],
            &[],
            "addr = 'localhost:0'\ncache-bytes = 1_048_576\nretention = \"36h\"\nlog-dir = 'none'\n\
             [queues.mail]\nweight = 3\nconcurrency = 2\nmax_length = 50_000\nrate = '100/s'\n\
             concurrency_per_key = 4\nrate_per_key = '5/10s'\n\
             [queues]\n\"a.b\" = { weight = 0x10 }\nplain = {}",
        );
        let mut expected = Config::default();
        expected.listen.addr = Address { host: "localhost".into(), port: 0 };
        expected.cache.bytes = 1 << 20;
        expected.engine.retention.succeeded.max_age = Duration::from_secs(36 * 3_600);
        expected.log.dir = None;
        let rate = |count, secs| Some(Rate { count, per: Duration::from_secs(secs) });
        let mail = QueueLimits {
            weight: 3,
            concurrency: Some(2),
            max_length: Some(50_000),
            rate: rate(100, 1),
            concurrency_per_key: 4,
            rate_per_key: rate(5, 10),
        };
        let queue = |name| QueueName::parse(name, "queues").expect("a queue's name");
        expected.engine.queues.insert(queue("mail"), mail);
        let weighty = QueueLimits { weight: 16, ..QueueLimits::default() };
        expected.engine.queues.insert(queue("a.b"), weighty);
        expected.engine.queues.insert(queue("plain"), QueueLimits::default());
        assert_eq!(config, expected);
    }

    #[test]
    fn problems_in_the_file_are_reported_with_line_and_key() {
        for (file, expected) in [
            (
                "\ncache-capasity = 5",
                "ts.toml:2: unknown key \"cache-capasity\"; did you mean \"cache-capacity\"?",
            ),
            (
                "cache_capacity = 5",
                "ts.toml:1: unknown key \"cache_capacity\"; did you mean \"cache-capacity\"?",
            ),
            ("colour = 5", "ts.toml:1: unknown key \"colour\""),
            ("[queue.mail]", "ts.toml:1: unknown key \"queue\"; did you mean \"queues\"?"),
            (
                "[queues.mail]\nwieght = 3",
                "ts.toml:2: unknown key \"queues.mail.wieght\"; did you mean \"weight\"?",
            ),
            (
                "[queues.mail]\nweight = 1001",
                "ts.toml:2: queues.mail.weight is 1001; expected a whole number from 1 to 1000",
            ),
            (
                "[queues.mail]\nmax-length = 5",
                "ts.toml:2: unknown key \"queues.mail.max-length\"; did you mean \"max_length\"?",
            ),
            (
                "[queues.mail]\nmax_length = 1_000_000_001",
                "ts.toml:2: queues.mail.max_length is 1_000_000_001; expected a whole number from 1 \
                 to 1000000000",
            ),
            (
                "[queues.mail]\nrate_per_key = 5",
                "ts.toml:2: queues.mail.rate_per_key is 5; expected a rate such as 100/s, 10/m or \
                 5/10s: from 1 to 1000000 in a time of at most 24h",
            ),
            (
                "[queues.mail]\nconcurrency = 0",
                "ts.toml:2: queues.mail.concurrency is 0; expected a whole number from 1 to 1000000",
            ),
            ("queues = 3", "ts.toml:1: queues is 3; expected tables, such as [queues.mail]"),
            (
                "[queues]\nmail = 3",
                "ts.toml:2: queues.mail is 3; expected a table, such as { weight = 2, rate = \"100/s\" }",
            ),
            ("retries = -1", "ts.toml:1: retries is -1; expected a whole number from 0 to 1000"),
            (
                "retries = true",
                "ts.toml:1: retries is true; expected a whole number from 0 to 1000",
            ),
            ("log-format = 'xml'", "ts.toml:1: log-format is 'xml'; expected text or json"),
            ("log-dir = [\n1]", "ts.toml:1: log-dir is […; expected a directory, or none"),
            ("retries = ", "ts.toml:1: string values must be quoted, expected literal string"),
        ] {
            assert_eq!(problems(&[], file), [expected], "{file}");
        }
        let [name] = &problems(&[], "[queues.'a b']")[..] else { panic!("one problem") };
        assert!(name.starts_with("ts.toml:1: queues: \"a b\" is no queue name"), "{name}");
    }

    #[test]
    fn all_problems_are_reported_including_overridden_values() {
        let variables = [("TASK_SCHEDULER_RETENTION", "soon"), ("TASK_SCHEDULER_RETRIES", "2")];
        assert_eq!(
            problems(&variables, "retries = 'x'\nfoo = 1"),
            [
                "ts.toml:1: retries is 'x'; expected a whole number from 0 to 1000",
                "ts.toml:2: unknown key \"foo\"",
                "environment: TASK_SCHEDULER_RETENTION is \"soon\"; expected a duration from 1s to \
                 3650d, such as 500ms, 30s, 5m or 24h",
            ]
        );
    }

    #[test]
    fn an_empty_variable_is_unset_and_a_misspelt_one_causes_a_warning() {
        let variables = [
            ("TASK_SCHEDULER_RETRIES", ""),
            ("TASK_SCHEDULER_RETRYS", "4"),
            ("TASK_SCHEDULER_SERVICE_PORT", "50051"),
            ("TASK_SCHEDULER_PORT", "tcp://10.0.0.1:50051"),
        ];
        match load_all(&[], &variables, "") {
            Ok(Loaded::Serve { config, remarks }) => {
                assert_eq!(*config, Config::default());
                assert_eq!(
                    remarks,
                    ["TASK_SCHEDULER_RETRYS is no setting; did you mean TASK_SCHEDULER_RETRIES?"]
                );
            }
            other => panic!("not served: {other:?}"),
        }
    }

    #[test]
    fn a_printed_configuration_can_be_loaded_again() {
        let flags =
            ["--addr", "[::1]:0", "--log-dir", "a \"dir\"", "--keepalive-timeout", "1500ms"];
        let file = "store = 'sqlite:x'\n[queues.mail]\nconcurrency = 2\nmax_length = 9\nrate = '7/90s'\n\
                    [queues.'a.b']\nweight = 7\nrate_per_key = '1/d'\nconcurrency_per_key = 3";
        let printed = match load_all(&[&flags[..], &["--print-config"]].concat(), &[], file) {
            Ok(Loaded::Print(text)) => text,
            other => panic!("not printed: {other:?}"),
        };
        assert_eq!(config(&[], &[], &printed), config(&flags, &[], file));
    }
}
