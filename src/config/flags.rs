//! Parses the command line: one flag for each setting, and `--config`, `--print-config`, commands.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches, Subcommand, value_parser};

use crate::cli;
use crate::config::Config;
use crate::config::settings::{DATA_DIR, SETTINGS, Setting};

/// The parsed command line.
pub(super) struct Flags {
    /// The path of the configuration file.
    pub(super) config: Option<PathBuf>,
    /// The command, if the program is not to serve.
    pub(super) command: Option<cli::Command>,
    /// Whether to print the configuration and exit.
    pub(super) print_config: bool,
    /// Checked values.
    pub(super) values: Vec<(&'static Setting, String)>,
}

/// Parses the command line, program name first.
///
/// # Errors
/// A wrong flag, and also `--help` and `--version`: clap prints them.
pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Flags, clap::Error> {
    let mut matches = command().try_get_matches_from(args)?;
    let print_config = matches.get_flag(PRINT_CONFIG);
    let command = match matches.subcommand() {
        Some(_) => Some(cli::Command::from_arg_matches(&matches)?),
        None => None,
    };
    // A command has its own flags, and accepts none before it.
    let mut matches = matches.remove_subcommand().map_or(matches, |(_, own)| own);
    let values =
        SETTINGS.iter().filter_map(|setting| Some((setting, value(&mut matches, setting)?)));
    let values = values.collect();
    Ok(Flags { config: matches.remove_one(CONFIG), command, print_config, values })
}

/// The value of a flag. Commands do not have every flag.
fn value(matches: &mut ArgMatches, setting: &Setting) -> Option<String> {
    matches.try_remove_one(setting.name).ok().flatten()
}

/// The error for flags that are valid alone but not together.
pub(super) fn conflict(why: String) -> clap::Error {
    command().error(ErrorKind::ArgumentConflict, why)
}

const CONFIG: &str = "config";
const PRINT_CONFIG: &str = "print-config";

const EXPLANATION: &str = "\
Every option is also an environment variable (--cache-bytes is TASK_SCHEDULER_CACHE_BYTES) and a key
of the --config file (cache-bytes = \"64MiB\"). Options override variables, which override the file.

Queues are declared in the file only. Every key is optional:

    [queues.mail]
    weight = 3                 # share of the turns, 1 to 1000 (default 1)
    concurrency = 10           # maximum number of running tasks (default: no limit)
    max_length = 50_000        # maximum number of waiting tasks (default: --queue-length)
    rate = \"100/s\"             # rate limit of starts: 100/s, 10/m, 5/10s (default: no limit)
    concurrency_per_key = 1    # running tasks with the same concurrency key (default 1)
    rate_per_key = \"5/10s\"     # starts with the same concurrency key (default: no limit)

At each start, a declaration replaces all limits of its queue, including those set over the API.
Queues that are not declared keep the limits set over the API.

RUST_LOG sets the log filter: info (default), debug, task_scheduler=trace, and so on.

Exit codes: 0 stopped on request, 1 failed, 2 wrong options, 78 bad configuration or data.";

fn command() -> Command {
    let serve = Command::new("task-scheduler")
        .next_help_heading("Configuration")
        .arg(config())
        .arg(
            Arg::new(PRINT_CONFIG)
                .long(PRINT_CONFIG)
                .action(ArgAction::SetTrue)
                .help("Print all settings with their origins as TOML, and exit"),
        )
        .args(SETTINGS.iter().map(arg))
        .args_conflicts_with_subcommands(true)
        .max_term_width(100);
    let data_dir = SETTINGS.iter().find(|setting| setting.name == DATA_DIR).map(arg);
    let data_dir = data_dir.map(|arg| arg.help_heading(Resettable::Reset));
    cli::Command::augment_subcommands(serve)
        .mut_subcommands(|command| command.arg(config()).args(&data_dir).max_term_width(100))
        // After `augment_subcommands`, which sets another text.
        .about("A durable task queue and scheduler for Rust functions, with a gRPC API.")
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(EXPLANATION)
}

fn config() -> Arg {
    Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("Read settings from this TOML file")
}

fn arg(setting: &'static Setting) -> Arg {
    let arg = Arg::new(setting.name)
        .long(setting.name)
        .help_heading(setting.group)
        .value_name(setting.kind.placeholder())
        // `-1` is a wrong value, not an unknown flag.
        .allow_negative_numbers(true)
        .help(format!("{} [default: {}]", setting.help, setting.default()))
        .value_parser(move |text: &str| -> Result<String, String> {
            setting.set(&mut Config::default(), text).map(|()| text.to_owned())
        });
    // The only short flag, because it is used most.
    if setting.name == "addr" { arg.short('a') } else { arg }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_valid() {
        command().debug_assert();
    }
}
