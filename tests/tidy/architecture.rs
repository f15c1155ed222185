//! Tables and paths of ARCHITECTURE.md, compared with the source.

use std::collections::BTreeSet;

use crate::{paths, tables};

/// Paths and texts of source files.
type Sources = [(String, String)];

/// The paths in a file of `src/engine/core` that name a child of `engine` other than `core`.
pub(crate) fn leaves_core(file: &str, source: &str) -> Vec<String> {
    let place: Vec<String> = file
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .trim_end_matches("/mod")
        .split('/')
        .map(str::to_owned)
        .collect();
    paths::named_in(&["engine"], source, &place)
        .into_iter()
        .filter(|named| named.module != "core")
        .map(|named| format!("{file}:{}: `{}`", named.line, named.module))
        .collect()
}

/// Differences between the first column of the traits table and the traits that `src/` declares outside tests.
pub(crate) fn traits(markdown: &str, sources: &Sources) -> Vec<String> {
    let declared = words_after(sources, "trait ");
    let mut listed = first_column(markdown, "trait");
    // `cache::key::Probe` → `Probe`.
    listed =
        listed.iter().map(|name| name.rsplit("::").next().unwrap_or(name).to_owned()).collect();
    differences("trait", &listed, &declared)
}

/// Threads of `src/` that the table does not list, and listed names that no string of `src/` has.
pub(crate) fn threads(markdown: &str, sources: &Sources) -> Vec<String> {
    let sources: Vec<&str> =
        sources.iter().filter(|(file, _)| !is_test(file)).map(|(_, text)| text.as_str()).collect();
    let mut named = BTreeSet::new();
    for text in &sources {
        for marker in [".thread_name(", "thread::Builder::new().name(", "spawn("] {
            for rest in text.split(marker).skip(1) {
                let rest = rest.trim_start().trim_start_matches("format!(");
                if let Some(name) = rest.strip_prefix('"').and_then(|rest| rest.split('"').next()) {
                    named.insert(name.split('{').next().unwrap_or(name).to_owned());
                }
            }
        }
    }
    let listed = first_column(markdown, "thread");
    let listed: BTreeSet<String> =
        listed.iter().map(|name| name.trim_end_matches('N').to_owned()).collect();
    // Some threads get their names through a parameter.
    let quoted = |name: &str| {
        let literals = [format!("\"{name}\""), format!("\"{name}{{")];
        sources.iter().any(|text| literals.iter().any(|literal| text.contains(literal)))
    };
    named.extend(listed.iter().filter(|name| quoted(name)).cloned());
    differences("thread", &listed, &named)
}

/// Differences between the first column of the services table and the names that services have.
pub(crate) fn services(markdown: &str, sources: &Sources) -> Vec<String> {
    let mut named = BTreeSet::new();
    for (_, text) in sources.iter().filter(|(file, _)| !is_test(file)) {
        let code: Vec<&str> =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let text = code.join("\n");
        // `impl Executable for X { fn name(&self) -> &str { "sampler" }`
        for implementation in text.split("Executable for ").skip(1) {
            let Some(rest) = implementation.split("fn name(&self)").nth(1) else { continue };
            let body = rest.split('}').next().unwrap_or("");
            if let Some(name) = body.split('"').nth(1) {
                named.insert(name.to_owned());
            }
        }
    }
    let mut listed = first_column(markdown, "service");
    // The name of a subscriber's service is not known here.
    listed.retain(|name| !name.contains(' '));
    differences("service", &listed, &named)
}

/// The paths between backquotes that exist neither below `src/` nor in the repository.
pub(crate) fn missing_paths(markdown: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let is_path = |word: &String| {
        let ends = [".rs", ".proto", ".md", ".yaml", ".toml", "/"];
        ends.iter().any(|end| word.ends_with(end))
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
    };
    let mut missing = Vec::new();
    for (line, text) in (1..).zip(markdown.lines()) {
        // `retry.rs` beside `engine/core/conclusion.rs` is in the same folder.
        let mut folder = String::new();
        for path in tables::quoted(text).filter(is_path) {
            let found = [String::new(), "src/".to_owned(), folder.clone()]
                .iter()
                .any(|prefix| exists(&format!("{prefix}{path}")));
            if !found {
                missing.push(format!("ARCHITECTURE.md:{line}: `{path}`"));
            }
            if let Some((parent, _)) = path.rsplit_once('/') {
                folder = format!("src/{parent}/");
            }
        }
    }
    missing
}

fn first_column(markdown: &str, header: &str) -> BTreeSet<String> {
    let rows = tables::rows(markdown, &[header]).unwrap_or_default();
    rows.iter()
        .filter_map(|cells| cells.first())
        .flat_map(|cell| tables::quoted(cell).collect::<Vec<_>>())
        .collect()
}

fn words_after(sources: &Sources, keyword: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, text) in sources.iter().filter(|(file, _)| !is_test(file)) {
        for line in text.lines() {
            let line = line.trim_start();
            let line = line
                .strip_prefix("pub(")
                .and_then(|rest| rest.split_once(") "))
                .map_or(line, |(_, rest)| rest);
            let line = line.strip_prefix("pub ").unwrap_or(line);
            if let Some(rest) = line.strip_prefix(keyword) {
                let name =
                    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
                found.insert(name.to_owned());
            }
        }
    }
    found
}

fn is_test(file: &str) -> bool {
    file.split('/').any(|part| matches!(part.trim_end_matches(".rs"), "tests" | "simulation"))
}

fn differences(what: &str, listed: &BTreeSet<String>, declared: &BTreeSet<String>) -> Vec<String> {
    let unlisted =
        declared.difference(listed).map(|name| format!("{what} `{name}` is not in the table"));
    let gone =
        listed.difference(declared).map(|name| format!("{what} `{name}` is not in the source"));
    unlisted.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Vec<(String, String)> {
        vec![
            ("src/a.rs".to_owned(), text.to_owned()),
            ("src/a/tests.rs".to_owned(), "trait Fake {}".to_owned()),
        ]
    }

    #[test]
    fn traits_are_compared_both_ways() {
        let table = "| trait | implementors |\n|---|---|\n| `store::Store` | x |\n| `Gone` | y |\n";
        let sources = source("pub trait Store: Send {}\n    pub(crate) trait Host {}\n// trait X");
        assert_eq!(
            traits(table, &sources),
            ["trait `Host` is not in the table", "trait `Gone` is not in the source"]
        );
    }

    #[test]
    fn threads_are_compared_both_ways() {
        let table =
            "| thread | work |\n|---|---|\n| `accept` | x |\n| `serve-N` | x |\n| `gone` | y |\n";
        let sources = source(
            "thread::Builder::new().name(\"accept\".into());\n\
             thread::Builder::new().name(format!(\"serve-{}\", 1));\n\
             runtime::Builder::new().thread_name(\"engine\")",
        );
        assert_eq!(
            threads(table, &sources),
            ["thread `engine` is not in the table", "thread `gone` is not in the source"]
        );
    }

    #[test]
    fn services_are_compared_both_ways() {
        let table =
            "| service | a turn |\n|---|---|\n| `sampler` | x |\n| `subscriber NAME` | x |\n";
        let sources =
            source("impl Executable for Ticker {\n fn name(&self) -> &str {\n \"ticker\" }\n}");
        assert_eq!(
            services(table, &sources),
            ["service `ticker` is not in the table", "service `sampler` is not in the source"]
        );
    }

    #[test]
    fn a_path_that_does_not_exist_is_found() {
        let text = "`engine/gate.rs`, `retry.rs` and `gone.rs`, `a::b`, `proto/`";
        let exists =
            |path: &str| ["src/engine/gate.rs", "src/engine/retry.rs", "proto/"].contains(&path);
        assert_eq!(missing_paths(text, exists), ["ARCHITECTURE.md:1: `gone.rs`"]);
    }

    #[test]
    fn a_path_out_of_the_core_is_found() {
        let check = |source: &str| leaves_core("src/engine/core/slots.rs", source);
        assert_eq!(
            check("use crate::engine::core::Timer;\nuse super::timers;"),
            Vec::<String>::new()
        );
        assert_eq!(
            check("use crate::engine::gate;\nuse super::super::mailbox;"),
            ["src/engine/core/slots.rs:1: `gate`", "src/engine/core/slots.rs:2: `mailbox`"]
        );
    }
}
