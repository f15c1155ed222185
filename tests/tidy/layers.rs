//! The layers table of ARCHITECTURE.md: which module may name which.

use std::collections::{BTreeMap, BTreeSet};

use crate::paths;
use crate::tables;

/// One module of the table.
#[derive(Debug)]
struct Module {
    /// The row, counted from the top. Rows of `side` modules have none: no layer names those.
    row: Option<usize>,
    may_name: MayName,
}

#[derive(Clone, Debug)]
enum MayName {
    Everything,
    These(BTreeSet<String>),
}

/// The modules and what each may name.
#[derive(Debug)]
pub(crate) struct Layers(BTreeMap<String, Module>);

impl Layers {
    /// Reads the table `| layer | modules | may name | never |` of a Markdown text.
    ///
    /// # Errors
    /// There is no such table, a module has two rows, or a row may name a module that is unknown, in its own row or
    /// above it: then the layers would have a cycle.
    pub(crate) fn parse(markdown: &str) -> Result<Self, String> {
        let rows = tables::rows(markdown, &["layer", "modules", "may name"])?;
        let mut layers = BTreeMap::new();
        for (row, cells) in rows.iter().enumerate() {
            let [layer, modules, may_name, ..] = cells.as_slice() else {
                return Err(format!("a row with too few cells: {cells:?}"));
            };
            let row = (!layer.starts_with("side")).then_some(row);
            let may_name = match may_name.as_str() {
                "everything" => MayName::Everything,
                names => MayName::These(tables::quoted(names).collect()),
            };
            for module in tables::quoted(modules) {
                let entry = Module { row, may_name: may_name.clone() };
                if layers.insert(module.clone(), entry).is_some() {
                    return Err(format!("`{module}` is in two layers"));
                }
            }
        }
        let layers = Self(layers);
        match layers.upward() {
            findings if findings.is_empty() => Ok(layers),
            findings => Err(findings.join("; ")),
        }
    }

    /// The permissions that do not lead to a lower layer.
    fn upward(&self) -> Vec<String> {
        let mut findings = Vec::new();
        for (name, module) in &self.0 {
            let MayName::These(allowed) = &module.may_name else { continue };
            for to in allowed {
                match self.0.get(to).map(|to| to.row) {
                    None => findings.push(format!("`{name}` may name `{to}`, which has no layer")),
                    Some(Some(below)) if module.row.is_none_or(|row| below > row) => {}
                    Some(_) => {
                        findings.push(format!("`{name}` may name `{to}`, which is not below it"))
                    }
                }
            }
        }
        findings
    }

    /// The paths in one file of `src/` that name a module that the file's own module may not name. Tests may name
    /// every lower layer.
    pub(crate) fn check(&self, file: &str, source: &str) -> Vec<String> {
        let place = place(file);
        // The root declares modules and names what it re-exports.
        let Some(own) = place.first() else { return Vec::new() };
        let Some(from) = self.0.get(own) else {
            return vec![format!("{file}: module `{own}` is not in the layers table")];
        };
        let mut findings = Vec::new();
        for named in paths::named(source, &place) {
            let to = &named.module;
            if to == own || self.allows(from, to, named.in_tests) {
                continue;
            }
            let why = if self.0.contains_key(to) {
                "which it may not name"
            } else {
                "which is no module of the layers table; name things by their module"
            };
            findings.push(format!("{file}:{}: `{own}` names `{to}`, {why}", named.line));
        }
        findings
    }

    fn allows(&self, from: &Module, to: &str, in_tests: bool) -> bool {
        let Some(target) = self.0.get(to) else { return false };
        let below = match (from.row, target.row) {
            (Some(from), Some(to)) => from < to,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        match &from.may_name {
            MayName::Everything => true,
            MayName::These(names) => names.contains(to) || (in_tests && below),
        }
    }

    /// Modules without a layer, and modules of the table that do not exist.
    pub(crate) fn differences(&self, modules: &[String]) -> Vec<String> {
        let missing = modules.iter().filter(|module| !self.0.contains_key(*module));
        let unknown = self.0.keys().filter(|module| !modules.contains(module));
        missing
            .map(|module| format!("`{module}` has no layer"))
            .chain(unknown.map(|module| format!("`{module}` does not exist")))
            .collect()
    }
}

/// `src/store/memory/mod.rs` → `["store", "memory"]`; the library's root has no module.
fn place(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').filter(|part| *part != "lib").map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# Layers\n\n\
        | layer | modules | may name | never |\n|---|---|---|---|\n\
        | 7 assembly | `main`, `config` | everything | contains behaviour |\n\
        | 3 engine | `engine` | `store`, `models`, `error` | knows cron |\n\
        | 1 mechanisms | `cache`, `store` | `models`, `error` | knows `each other` |\n\
        | 0b values | `models` | `error` | does I/O |\n\
        | 0a base | `error` | – | imports |\n\
        | side | `client` | `models` | names server code |\n\n\
        Not a row: | `x` |\n";

    #[track_caller]
    fn check(file: &str, source: &str, expected: &[&str]) {
        assert_eq!(Layers::parse(TABLE).unwrap().check(file, source), expected);
    }

    #[test]
    fn a_module_names_itself_and_what_its_row_permits() {
        check("src/engine/core.rs", "use crate::{store::Store, engine::Gate, error::Error};", &[]);
        check("src/models/mod.rs", "use crate::error::Error;", &[]);
        check("src/lib.rs", "pub use crate::engine::Engine;", &[]);
        check("src/main.rs", "use task_scheduler::{config, engine, client};", &[]);
    }

    #[test]
    fn a_module_that_the_row_does_not_list_is_found() {
        check(
            "src/store/mod.rs",
            "use crate::engine::Engine;\nuse crate::cache::Cache;",
            &[
                "src/store/mod.rs:1: `store` names `engine`, which it may not name",
                "src/store/mod.rs:2: `store` names `cache`, which it may not name",
            ],
        );
        check(
            "src/engine/core.rs",
            "use crate::cache::Cache;",
            &["src/engine/core.rs:1: `engine` names `cache`, which it may not name"],
        );
        check(
            "src/client/mod.rs",
            "use crate::{models::TaskId, store::Store};",
            &["src/client/mod.rs:1: `client` names `store`, which it may not name"],
        );
        check(
            "src/engine/core.rs",
            "use crate::client::Client;",
            &["src/engine/core.rs:1: `engine` names `client`, which it may not name"],
        );
    }

    #[test]
    fn tests_name_every_lower_layer_and_no_higher_one() {
        check("src/engine/core.rs", "mod tests { use crate::cache::Cache; }", &[]);
        check("src/engine/core/tests.rs", "use crate::cache::Cache;", &[]);
        check("src/client/tests.rs", "use crate::store::Store;", &[]);
        check(
            "src/store/mod.rs",
            "mod tests { use crate::engine::Engine; }",
            &["src/store/mod.rs:1: `store` names `engine`, which it may not name"],
        );
    }

    #[test]
    fn a_module_without_a_row_is_found() {
        check(
            "src/engine/core.rs",
            "use crate::Error;",
            &["src/engine/core.rs:1: `engine` names `Error`, which is no module of the layers \
               table; name things by their module"],
        );
        check("src/extra.rs", "", &["src/extra.rs: module `extra` is not in the layers table"]);
        let layers = Layers::parse(TABLE).unwrap();
        let modules = ["main", "config", "engine", "cache", "store", "models", "error"];
        let mut modules: Vec<String> = modules.iter().map(|&m| m.to_owned()).collect();
        assert_eq!(layers.differences(&modules), ["`client` does not exist"]);
        modules.extend(["client".to_owned(), "extra".to_owned()]);
        assert_eq!(layers.differences(&modules), ["`extra` has no layer"]);
    }

    #[test]
    fn a_table_with_a_fault_is_refused() {
        let refused = |table: &str| Layers::parse(table).unwrap_err();
        assert_eq!(
            refused("# Nothing"),
            "no table that begins with the columns layer, modules, may name"
        );
        let head = "| layer | modules | may name |\n|---|---|---|\n";
        assert_eq!(refused(&format!("{head}| 1 | `a`, `a` | – |")), "`a` is in two layers");
        assert_eq!(
            refused(&format!("{head}| 1 | `a` | `b` |")),
            "`a` may name `b`, which has no layer"
        );
        assert_eq!(
            refused(&format!("{head}| 1 | `a` | – |\n| 0 | `b` | `a` |")),
            "`b` may name `a`, which is not below it"
        );
        assert_eq!(
            refused(&format!("{head}| 1 | `a` | `b` |\n| side | `b` | – |")),
            "`a` may name `b`, which is not below it"
        );
    }
}
