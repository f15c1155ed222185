//! The commands of the binary: maintenance of a store's files, the event catalogue, and code generation.
//!
//! Owns the commands' names and output. The store itself verifies, backs up and restores its files.

mod events;
mod generate;

use generate::Generate;

use std::path::{Path, PathBuf};

use crate::store::{self, sqlite};

/// A command. The docs of the variants are their `--help`.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Command {
    /// Check every page and every task of the data directory; a server may be using it
    #[command(
        after_help = "Exit codes: 0 no problems, 1 problems, one per line, 78 no store or an incomplete one."
    )]
    Verify {
        /// A backup to check instead of the data directory
        #[arg(value_name = "FILE", conflicts_with = "data-dir")]
        backup: Option<PathBuf>,
    },
    /// Copy the data directory into a new file, as a consistent snapshot; a server may be using it
    Backup {
        /// The backup file, which must not exist
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
    /// Check a backup and copy it into a data directory without a store
    Restore {
        /// The backup file
        #[arg(value_name = "FILE")]
        from: PathBuf,
    },
    /// List all events, or describe one
    Events {
        /// An event such as `task.failed`, or a pattern such as `task.*`
        #[arg(value_name = "EVENT")]
        name: Option<String>,
    },
    /// Generate the source of a task or a subscriber, with a test
    #[command(subcommand)]
    Generate(Generate),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Problems that `verify` found in the store, one per line.
    #[error("{}", .0.join("\n"))]
    Unsound(Vec<String>),
    /// An argument is invalid.
    #[error("{0}")]
    InvalidArgument(String),
    /// A file could not be written.
    #[error("cannot write {}: {why}", .path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        why: std::io::Error,
    },
}

impl Command {
    /// Runs the command and returns the text to print. Maintenance commands use the store in `dir`.
    ///
    /// # Errors
    /// [`Error`]; existing files are unchanged.
    pub fn run(&self, dir: &Path) -> Result<String, Error> {
        match self {
            Self::Verify { backup } => {
                let path = backup.as_deref().unwrap_or(dir);
                let problems = sqlite::verify(path)?;
                match problems.is_empty() {
                    true => Ok(format!("{} is sound\n", path.display())),
                    false => Err(Error::Unsound(problems)),
                }
            }
            Self::Backup { to } => {
                sqlite::backup(dir, to)?;
                Ok(format!("{} holds all of {}\n", to.display(), dir.display()))
            }
            Self::Restore { from } => {
                sqlite::restore(from, dir)?;
                Ok(format!("{} holds all of {}\n", dir.display(), from.display()))
            }
            Self::Events { name } => events::events(name.as_deref()),
            Self::Generate(generate) => generate.run(),
        }
    }
}
