//! Removes old log files.

use std::fs;
use std::io;
use std::path::Path;

use crate::logger::{FILE_PREFIX, FILE_SUFFIX};

/// Removes all daily files in `dir` except the newest `keep`.
pub(super) fn prune(dir: &Path, keep: usize) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    outdated(names, keep).iter().try_for_each(|name| fs::remove_file(dir.join(name)))
}

/// The names of our files except the newest `keep`.
fn outdated(mut names: Vec<String>, keep: usize) -> Vec<String> {
    names.retain(|name| is_ours(name));
    // Names sort by their date.
    names.sort_unstable();
    names.truncate(names.len().saturating_sub(keep));
    names
}

/// Whether this is the name of a daily file. Checks every character, because the directory may be shared.
fn is_ours(name: &str) -> bool {
    let day = name
        .strip_prefix(FILE_PREFIX)
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|rest| rest.strip_suffix(FILE_SUFFIX))
        .and_then(|rest| rest.strip_suffix('.'));
    day.is_some_and(|day| {
        day.len() == 10
            && day.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_files_are_kept_and_foreign_files_are_ignored() {
        let names = [
            "task-scheduler.2026-10-02.log",
            "task-scheduler.2025-12-31.log",
            "task-scheduler.2026-10-01.log",
            "task-scheduler.2026-10-01.log.gz",
            "task-scheduler.notes.log",
            "task-scheduler-2.2026-10-01.log",
            "task-scheduler.2020-1x-01.log",
            "other.log",
        ];
        let outdated = |keep| outdated(names.map(String::from).to_vec(), keep);
        assert_eq!(outdated(1), ["task-scheduler.2025-12-31.log", "task-scheduler.2026-10-01.log"]);
        assert_eq!(outdated(2), ["task-scheduler.2025-12-31.log"]);
        assert_eq!(outdated(3), [""; 0]);
        assert_eq!(outdated(9), [""; 0]);
    }
}
