//! Reads the file of schedules.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::clock;
use crate::schedules::{Declared, FileProblem, MAX_FILE_BYTES, parse_file};

/// Why the file of schedules is refused.
#[derive(Debug)]
pub(super) struct BadFile {
    path: PathBuf,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Unreadable(io::Error),
    TooLarge,
    Wrong(Vec<FileProblem>),
}

impl BadFile {
    /// A file with these problems.
    pub(super) fn wrong(path: &Path, problems: Vec<FileProblem>) -> Self {
        Self { path: path.to_owned(), why: Why::Wrong(problems) }
    }
}

/// One line for each problem.
impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.why {
            Why::Unreadable(error) => write!(f, "cannot read the schedules file {path}: {error}"),
            Why::TooLarge => {
                write!(f, "the schedules file {path} is larger than {MAX_FILE_BYTES} bytes")
            }
            Why::Wrong(problems) => {
                for (at, problem) in problems.iter().enumerate() {
                    write!(f, "{}{path}:{problem}", if at == 0 { "" } else { "\n" })?;
                }
                Ok(())
            }
        }
    }
}

/// Reads and parses the file.
///
/// # Errors
/// [`BadFile`] with every problem.
pub(super) fn read(path: &Path) -> Result<Vec<Declared>, BadFile> {
    let bad = |why| BadFile { path: path.to_owned(), why };
    let unreadable = |error| bad(Why::Unreadable(error));
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(bad(Why::TooLarge));
    }
    parse_file(&text, clock::now().wall).map_err(|problems| BadFile::wrong(path, problems))
}
