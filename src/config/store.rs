//! The setting `store`: `memory`, `sqlite` or `sqlite:DIR`.

use std::fmt;
use std::path::PathBuf;

/// Where durable tasks are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// The kind of store.
    pub backend: Backend,
    /// The directory of the SQLite files.
    pub data_dir: PathBuf,
}

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// In memory: tasks end with the process.
    Memory,
    /// In SQLite files: acknowledged tasks survive.
    Sqlite,
}

impl Default for Store {
    fn default() -> Self {
        Self { backend: Backend::Sqlite, data_dir: "./data".into() }
    }
}

impl Store {
    /// Parses `text` into the setting; `None` if it is not accepted.
    pub(super) fn set(&mut self, text: &str) -> Option<()> {
        let (backend, dir) = parse(text)?;
        self.backend = backend;
        if let Some(dir) = dir {
            self.data_dir = dir.into();
        }
        Some(())
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
        })
    }
}

/// Whether `text` contains a directory: `sqlite:DIR`.
pub(super) fn names_directory(text: &str) -> bool {
    parse(text).is_some_and(|(_, dir)| dir.is_some())
}

fn parse(text: &str) -> Option<(Backend, Option<&str>)> {
    match text.split_once(':') {
        None if text == "memory" => Some((Backend::Memory, None)),
        None if text == "sqlite" => Some((Backend::Sqlite, None)),
        Some(("sqlite", dir)) if !dir.is_empty() => Some((Backend::Sqlite, Some(dir))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_parsed_with_or_without_a_directory() {
        fn check(text: &str, expected: Option<(Backend, &str)>) {
            let mut store = Store::default();
            let chosen = store.set(text).map(|()| store);
            let expected = expected.map(|(backend, dir)| Store { backend, data_dir: dir.into() });
            assert_eq!(chosen, expected, "{text}");
        }
        check("memory", Some((Backend::Memory, "./data")));
        check("sqlite", Some((Backend::Sqlite, "./data")));
        check("sqlite:/var/lib/tasks", Some((Backend::Sqlite, "/var/lib/tasks")));
        check("sqlite:C:/tasks", Some((Backend::Sqlite, "C:/tasks")));
        for text in ["", "Memory", "postgres", "sqlite:", "memory:", "memory:/tmp", ":memory:"] {
            check(text, None);
        }
    }
}
