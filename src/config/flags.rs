//! The command line: one flag for each row of the settings' table, and those that are no settings.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches, Subcommand, value_parser};

use crate::cli;
use crate::config::Config;
use crate::config::settings::{DATA_DIR, SETTINGS, Setting};

/// What the command line says.
pub(super) struct Flags {
    /// The configuration file.
    pub(super) config: Option<PathBuf>,
    /// What to do instead of serving.
    pub(super) command: Option<cli::Command>,
    /// Print the configuration instead of serving.
    pub(super) print_config: bool,
    /// Values, already checked.
    pub(super) values: Vec<(&'static Setting, String)>,
}

/// Reads the command line, the program's name first.
///
/// # Errors
/// Whatever clap wants printed: a wrong flag, but also the help and the version.
pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Flags, clap::Error> {
    let mut matches = command().try_get_matches_from(args)?;
    let print_config = matches.get_flag(PRINT_CONFIG);
    let command = match matches.subcommand() {
        Some(_) => Some(cli::Command::from_arg_matches(&matches)?),
        None => None,
    };
    // A command has flags of its own, and none stand before it.
    let mut matches = matches.remove_subcommand().map_or(matches, |(_, own)| own);
    let values =
        SETTINGS.iter().filter_map(|setting| Some((setting, value(&mut matches, setting)?)));
    let values = values.collect();
    Ok(Flags { config: matches.remove_one(CONFIG), command, print_config, values })
}

/// The value of a flag; commands have not all of them.
fn value(matches: &mut ArgMatches, setting: &Setting) -> Option<String> {
    matches.try_remove_one(setting.name).ok().flatten()
}

/// The refusal of flags that are sound each by itself.
pub(super) fn conflict(why: String) -> clap::Error {
    command().error(ErrorKind::ArgumentConflict, why)
}

const CONFIG: &str = "config";
const PRINT_CONFIG: &str = "print-config";

const EXPLANATION: &str = "\
Every option can also be given by an environment variable (--cache-bytes is
TASK_SCHEDULER_CACHE_BYTES) or in the file named by --config (cache-bytes = \"64MiB\"). Options win
over variables, variables over the file. Queues are declared in the file alone, with any of these:

    [queues.mail]
    weight = 3                 # its share of the turns, 1 to 1000; others have 1
    concurrency = 10           # tasks running at once; not bounded unless set
    max_length = 50_000        # tasks waiting; --queue-length unless set
    rate = \"100/s\"             # tasks started: 100/s, 10/m, 5/10s; not bounded unless set
    concurrency_per_key = 1    # tasks of one concurrency key running at once; 1 unless set
    rate_per_key = \"5/10s\"     # tasks of one concurrency key started; not bounded unless set

What is declared holds from every start on, in the place of what such a queue was told while an
earlier server ran. Queues that are not declared keep what they were told.

RUST_LOG chooses what is logged: info (the default), debug, task_scheduler=trace,…

Exit codes: 0 stopped as asked, 1 failed, 2 wrong options, 78 wrong configuration or unusable data.";

fn command() -> Command {
    let serve = Command::new("task-scheduler")
        .next_help_heading("Configuration")
        .arg(config())
        .arg(
            Arg::new(PRINT_CONFIG)
                .long(PRINT_CONFIG)
                .action(ArgAction::SetTrue)
                .help("Print every setting and where it came from, as TOML, and exit"),
        )
        .args(SETTINGS.iter().map(arg))
        .args_conflicts_with_subcommands(true)
        .max_term_width(100);
    let data_dir = SETTINGS.iter().find(|setting| setting.name == DATA_DIR).map(arg);
    let data_dir = data_dir.map(|arg| arg.help_heading(Resettable::Reset));
    cli::Command::augment_subcommands(serve)
        .mut_subcommands(|command| command.arg(config()).args(&data_dir).max_term_width(100))
        // After the commands, which would say what they are about.
        .about("Runs Rust functions elsewhere, later or reliably; call them over gRPC.")
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
        // `-1` is a wrong value, not a wrong flag.
        .allow_negative_numbers(true)
        .help(format!("{} [default: {}]", setting.help, setting.default()))
        .value_parser(move |text: &str| -> Result<String, String> {
            setting.set(&mut Config::default(), text).map(|()| text.to_owned())
        });
    // The only short one: it is what people type most.
    if setting.name == "addr" { arg.short('a') } else { arg }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }
}
