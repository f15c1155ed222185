//! What the binary does beside serving: it looks after a store's files, and helps people who write
//! tasks and subscribers.
//!
//! Owns the commands' names and what they say. How a store is checked, copied and put back is the
//! store's own.

mod events;
mod generate;

use generate::Generate;

use std::path::{Path, PathBuf};

use crate::store::{self, sqlite};

/// What to do instead of serving. What is said of each is its help.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Command {
    /// Check every page and every task of the data directory, and say what is wrong; a server may be
    /// running on it
    #[command(
        after_help = "Exit codes: 0 nothing is wrong, 1 something is, a line each, 78 there is no store, or only what is left of one."
    )]
    Verify {
        /// A backup to check instead of the data directory
        #[arg(value_name = "FILE", conflicts_with = "data-dir")]
        backup: Option<PathBuf>,
    },
    /// Copy all that the data directory holds, as it is at one moment, into a new file; a server may
    /// be running on it
    Backup {
        /// The file, which must not exist yet
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
    /// Put a backup into a data directory that holds no store yet, after checking it
    Restore {
        /// The backup
        #[arg(value_name = "FILE")]
        from: PathBuf,
    },
    /// List the events that there are, or tell all about one
    Events {
        /// `task.failed`, or those that begin alike: `task.*`
        #[arg(value_name = "EVENT")]
        name: Option<String>,
    },
    /// Write a file to begin with: it compiles, and has a test
    #[command(subcommand)]
    Generate(Generate),
}

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store did not do what it was asked.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// It was looked through, and this is what is wrong with it.
    #[error("{}", .0.join("\n"))]
    Unsound(Vec<String>),
    /// It was asked for something that cannot be.
    #[error("{0}")]
    InvalidArgument(String),
    /// A file could not be written.
    #[error("cannot write {}: {why}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
}

impl Command {
    /// Does it, those that look after a store with the one in `dir`, and answers what to say about it.
    ///
    /// # Errors
    /// [`Error`]; what was there is as it was.
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
