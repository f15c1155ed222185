//! Where tasks are kept, and how people say it: `memory`, `sqlite`, `sqlite:DIR`.

use std::fmt;
use std::path::PathBuf;

/// Where tasks are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// In what.
    pub backend: Backend,
    /// The directory of those that keep files.
    pub data_dir: PathBuf,
}

/// In what tasks are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// In this process; they end with it.
    Memory,
    /// In SQLite files; what was acknowledged survives.
    Sqlite,
}

impl Default for Store {
    fn default() -> Self {
        Self { backend: Backend::Sqlite, data_dir: "./data".into() }
    }
}

impl Store {
    /// Takes what `text` says; `None` when it says nothing known.
    pub(super) fn choose(&mut self, text: &str) -> Option<()> {
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

/// Whether `text` is a store with its directory: `sqlite:DIR`.
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
    fn a_store_is_named_with_or_without_its_directory() {
        fn check(text: &str, expected: Option<(Backend, &str)>) {
            let mut store = Store::default();
            let chosen = store.choose(text).map(|()| store);
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
