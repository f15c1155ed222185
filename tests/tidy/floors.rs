//! The floors table of ARCHITECTURE.md, and which imports it permits.

use std::collections::BTreeMap;

use crate::paths;

/// How high a module stands. The letter orders floors of one number: 0a is below 0b.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Height {
    number: u32,
    letter: char,
}

/// Where a module stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stand {
    /// Beside the floors. It may import those up to this one, and only the top floor imports it. Its
    /// modules may use each other (the CLI is a client).
    Wing(u32),
    Floor(Height),
}

/// The modules and where they stand.
#[derive(Debug)]
pub(crate) struct Floors(BTreeMap<String, Stand>);

impl Floors {
    /// Reads the table `| floor | modules | never |` out of a Markdown text.
    pub(crate) fn parse(markdown: &str) -> Result<Self, String> {
        let mut rows = markdown
            .lines()
            .map(cells)
            .skip_while(|cells| cells.first().map(String::as_str) != Some("floor"));
        rows.next().ok_or("no table whose first column is `floor`")?;
        let mut floors = BTreeMap::new();
        for row in rows.skip(1).take_while(|cells| !cells.is_empty()) {
            let [floor, modules, ..] = row.as_slice() else {
                return Err(format!("a row with one cell: {row:?}"));
            };
            let stand = stand(floor).ok_or_else(|| {
                format!(
                    "`{floor}` is no floor; expected `7 assembly`, `0b nouns`, `wing` or `wing 4`"
                )
            })?;
            for module in quoted(modules) {
                if floors.insert(module.clone(), stand).is_some() {
                    return Err(format!("`{module}` is on two floors"));
                }
            }
        }
        if floors.is_empty() {
            Err("the table has no modules".to_owned())
        } else {
            Ok(Self(floors))
        }
    }

    /// What is wrong with the paths in one file of `src/`.
    pub(crate) fn check(&self, file: &str, source: &str) -> Vec<String> {
        let place = place(file);
        // The root declares modules and names what it re-exports.
        let Some(own) = place.first() else { return Vec::new() };
        let Some(&from) = self.0.get(own) else {
            return vec![format!("{file}: module `{own}` is not in the floors table")];
        };
        let mut findings = Vec::new();
        for named in paths::named(source, &place) {
            let to = &named.module;
            let verdict = match self.0.get(to) {
                _ if to == own => continue,
                Some(&floor) if self.allows(from, floor) => continue,
                Some(&floor) if floor == from => "is on the same floor",
                Some(Stand::Floor(_)) => "is on a higher floor",
                Some(Stand::Wing(_)) => "is in the wing",
                None => "is no module of the floors table; name things by their module",
            };
            findings.push(format!("{file}:{}: `{own}` names `{to}`, which {verdict}", named.line));
        }
        findings
    }

    fn allows(&self, from: Stand, to: Stand) -> bool {
        // The modules of the top floor are one program, put together of everything.
        let top = self.0.values().max();
        Some(&from) == top
            || match (from, to) {
                (Stand::Wing(_), Stand::Wing(_)) => true,
                (Stand::Wing(reach), Stand::Floor(to)) => to.number <= reach,
                (Stand::Floor(_), Stand::Wing(_)) => false,
                (Stand::Floor(from), Stand::Floor(to)) => to < from,
            }
    }

    /// Modules without a floor, and floors' modules that do not exist.
    pub(crate) fn differences(&self, modules: &[String]) -> Vec<String> {
        let homeless = modules.iter().filter(|module| !self.0.contains_key(*module));
        let ghosts = self.0.keys().filter(|module| !modules.contains(module));
        homeless
            .map(|module| format!("`{module}` has no floor"))
            .chain(ghosts.map(|module| format!("`{module}` does not exist")))
            .collect()
    }
}

/// The cells of a table's row; none when the line is no row.
fn cells(line: &str) -> Vec<String> {
    let Some(row) = line.trim().strip_prefix('|').and_then(|rest| rest.strip_suffix('|')) else {
        return Vec::new();
    };
    row.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// `7 assembly` → 7, `0b nouns` → 0 and b, `wing` → a wing on the nouns, `wing 4` → one up to floor 4.
fn stand(floor: &str) -> Option<Stand> {
    let mut words = floor.split_whitespace();
    let label = words.next()?;
    if label == "wing" {
        return Some(Stand::Wing(words.next().map_or(Some(0), |reach| reach.parse().ok())?));
    }
    let digits = label.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let letter = label[digits.len()..].chars().next().unwrap_or('a');
    Some(Stand::Floor(Height { number: digits.parse().ok()?, letter }))
}

/// The words between backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// `src/store/memory/mod.rs` → `["store", "memory"]`; the library's root is nowhere.
fn place(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').filter(|part| *part != "lib").map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# Floors\n\n\
        | floor | modules | never |\n|---|---|---|\n\
        | 7 assembly | `main`, `config` | contain behaviour |\n\
        | 3 engine | `engine` | know cron |\n\
        | 1 mechanisms | `cache`, `store` (two of them) | know `each other` |\n\
        | 0b nouns | `models` | do I/O |\n\
        | 0a ground | `error` | import |\n\
        | wing | `client` | import server code |\n\
        | wing 1 | `cli` | import server code |\n\n\
        Not a row: | `x` |\n";

    #[track_caller]
    fn check(file: &str, source: &str, expected: &[&str]) {
        assert_eq!(Floors::parse(TABLE).unwrap().check(file, source), expected);
    }

    #[test]
    fn down_is_fine_and_so_is_home() {
        check("src/engine/core.rs", "use crate::{store::Store, engine::Gate, error::Error};", &[]);
        check("src/models/mod.rs", "use crate::error::Error;", &[]);
        check("src/lib.rs", "pub use crate::engine::Engine;", &[]);
        check("src/main.rs", "use task_scheduler::{config, engine, cli};", &[]);
        check("src/cli/top.rs", "use crate::{client::Client, store::Store};", &[]);
    }

    #[test]
    fn up_and_sideways_are_found() {
        check(
            "src/store/mod.rs",
            "use crate::engine::Engine;\nuse crate::cache::Cache;",
            &[
                "src/store/mod.rs:1: `store` names `engine`, which is on a higher floor",
                "src/store/mod.rs:2: `store` names `cache`, which is on the same floor",
            ],
        );
        check(
            "src/error.rs",
            "mod tests { use crate::models::TaskId; }",
            &["src/error.rs:1: `error` names `models`, which is on a higher floor"],
        );
        check(
            "src/engine/core.rs",
            "use crate::client::Client;",
            &["src/engine/core.rs:1: `engine` names `client`, which is in the wing"],
        );
        check(
            "src/client/mod.rs",
            "use crate::{models::TaskId, store::Store};",
            &["src/client/mod.rs:1: `client` names `store`, which is on a higher floor"],
        );
        check(
            "src/cli/top.rs",
            "use crate::engine::Engine;",
            &["src/cli/top.rs:1: `cli` names `engine`, which is on a higher floor"],
        );
    }

    #[test]
    fn what_the_table_does_not_know_is_found() {
        check(
            "src/engine/core.rs",
            "use crate::Error;",
            &["src/engine/core.rs:1: `engine` names `Error`, which is no module of the floors \
               table; name things by their module"],
        );
        check(
            "src/helpers.rs",
            "",
            &["src/helpers.rs: module `helpers` is not in the floors table"],
        );
        let floors = Floors::parse(TABLE).unwrap();
        let modules = ["main", "config", "engine", "cache", "store", "models", "error", "client"];
        let mut modules: Vec<String> = modules.iter().map(|&m| m.to_owned()).collect();
        assert_eq!(floors.differences(&modules), ["`cli` does not exist"]);
        modules.extend(["cli".to_owned(), "helpers".to_owned()]);
        assert_eq!(floors.differences(&modules), ["`helpers` has no floor"]);
    }

    #[test]
    fn a_broken_table_is_refused() {
        let refused = |table: &str| Floors::parse(table).unwrap_err();
        assert_eq!(refused("# Nothing"), "no table whose first column is `floor`");
        let head = "| floor | modules |\n|---|---|\n";
        assert_eq!(refused(head), "the table has no modules");
        assert_eq!(refused(&format!("{head}| 1 | `a`, `a` |")), "`a` is on two floors");
        assert!(refused(&format!("{head}| top | `a` |")).starts_with("`top` is no floor"));
        assert!(refused(&format!("{head}| wing b | `a` |")).starts_with("`wing b` is no floor"));
    }
}
