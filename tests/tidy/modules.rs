//! Which files the `mod` declarations reach.

use std::collections::{BTreeSet, VecDeque};

use proc_macro2::{TokenStream, TokenTree};

/// A module that a file declares without a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) name: String,
    /// What its `#[path = "…"]` says.
    pub(crate) path: Option<String>,
}

/// The `mod x;` of a source.
pub(crate) fn declared(source: &str) -> Vec<Declared> {
    let tokens: TokenStream = source.parse().expect("the compiler reads it too");
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut found = Vec::new();
    let mut path = None;
    for window in 0..tokens.len() {
        match &tokens[window..] {
            [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Punct(end), ..]
                if word == "mod" && end.as_char() == ';' =>
            {
                found.push(Declared { name: name.to_string(), path: path.take() });
            }
            [TokenTree::Group(attribute), ..] => {
                let text = attribute.stream().to_string();
                if let Some(quoted) = text.strip_prefix("path = ") {
                    path = Some(quoted.trim_matches('"').to_owned());
                }
            }
            _ => {}
        }
    }
    found
}

/// Those of `files` that no root reaches. Roots are what Cargo takes for one: `lib.rs`, `main.rs`,
/// and the files directly in `tests`.
pub(crate) fn orphans(files: &[String], read: impl Fn(&str) -> String) -> Vec<String> {
    let known: BTreeSet<&str> = files.iter().map(String::as_str).collect();
    let mut reached: BTreeSet<String> = BTreeSet::new();
    let mut open: VecDeque<String> = files.iter().filter(|file| is_root(file)).cloned().collect();
    while let Some(file) = open.pop_front() {
        let folder = children_folder(&file);
        for module in declared(&read(&file)) {
            let candidates = match module.path {
                Some(path) => vec![format!("{}/{path}", parent(&file))],
                None => vec![
                    format!("{folder}/{}.rs", module.name),
                    format!("{folder}/{}/mod.rs", module.name),
                ],
            };
            open.extend(
                candidates
                    .into_iter()
                    .filter(|c| known.contains(c.as_str()) && !reached.contains(c)),
            );
        }
        reached.insert(file);
    }
    files.iter().filter(|file| !reached.contains(*file)).cloned().collect()
}

fn is_root(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    matches!(name, "lib.rs" | "main.rs") || parent(file) == "tests"
}

/// The folder of a file.
pub(crate) fn parent(file: &str) -> &str {
    file.rsplit_once('/').map_or(".", |(folder, _)| folder)
}

/// Where the modules that a file declares live.
fn children_folder(file: &str) -> String {
    let is_folders_own = is_root(file) || file.ends_with("/mod.rs");
    if is_folders_own { parent(file).to_owned() } else { file.trim_end_matches(".rs").to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let names: Vec<String> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
        let read = |file: &str| {
            let (_, source) = files.iter().find(|(name, _)| *name == file).expect("known");
            (*source).to_owned()
        };
        assert_eq!(orphans(&names, read), expected);
    }

    #[test]
    fn a_file_that_no_mod_names_is_an_orphan() {
        check(
            &[
                ("src/lib.rs", "pub mod store;\n// mod lost;\nmod inline { fn f() {} }"),
                ("src/lost.rs", ""),
                ("src/store/mod.rs", "mod memory;"),
                ("src/store/memory.rs", "mod rows;"),
                ("src/store/memory/rows.rs", ""),
                ("src/store/rows.rs", ""),
            ],
            &["src/lost.rs", "src/store/rows.rs"],
        );
    }

    #[test]
    fn files_of_tests_are_roots_and_paths_are_followed() {
        check(
            &[
                ("tests/memory.rs", "#[path = \"it/links.rs\"]\nmod links;\nmod other;"),
                ("tests/it/links.rs", ""),
                ("tests/it/other.rs", ""),
                ("tests/it/main.rs", "#[cfg(unix)] mod drain;"),
                ("tests/it/drain.rs", ""),
            ],
            &["tests/it/other.rs"],
        );
    }
}
