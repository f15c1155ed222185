//! Which of the crate's modules a source file names.
//!
//! Works on tokens, not on syntax: what stands inside a macro call counts too, comments and strings
//! do not.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A module named in a path, and the line of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) module: String,
    pub(crate) line: usize,
    /// Whether only tests are compiled with it.
    pub(crate) in_tests: bool,
}

/// The top modules that `source` names by `crate::`, `task_scheduler::` or enough `super::`s. `place` is the
/// module that the source is the file of: `["store", "memory"]`.
pub(crate) fn named(source: &str, place: &[String]) -> Vec<Named> {
    named_in(&[], source, place)
}

/// The same for the children of the module `parent`: `engine` for `crate::engine::x` and, in `engine::core`,
/// `super::x`.
pub(crate) fn named_in(parent: &[&str], source: &str, place: &[String]) -> Vec<Named> {
    let tokens: TokenStream = source.parse().expect("the compiler reads it too");
    let mut found = Vec::new();
    walk(tokens, parent, &mut place.to_vec(), &mut found);
    found
}

fn walk(tokens: TokenStream, parent: &[&str], place: &mut Vec<String>, found: &mut Vec<Named>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(word) if word == "mod" => {
                // An inline module, such as `mod tests { … }`, is one `super` further from the root.
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    place.push(name.to_string());
                    walk(body.stream(), parent, place, found);
                    place.pop();
                    at += 2;
                }
            }
            TokenTree::Ident(word) => {
                let in_tests = place.iter().any(|part| part == "tests" || part == "simulation");
                match word.to_string().as_str() {
                    "crate" | "task_scheduler" => {
                        if let Some(next) = after_separator(&tokens, at) {
                            children(parent, &tokens[next..], in_tests, found);
                        }
                    }
                    "super" => {
                        let depth = place.len();
                        if let Some(next) = after_supers(&tokens, at, depth) {
                            children(parent, &tokens[next..], in_tests, found);
                        } else if let Some(next) = after_supers(&tokens, at, depth - parent.len()) {
                            heads(&tokens[next..], in_tests, found);
                        }
                    }
                    _ => {}
                }
            }
            TokenTree::Group(group) => walk(group.stream(), parent, place, found),
            _ => {}
        }
        at += 1;
    }
}

/// The index behind `word ::`, when `tokens[at]` is that word.
fn after_separator(tokens: &[TokenTree], at: usize) -> Option<usize> {
    is_separator(tokens, at + 1).then_some(at + 3)
}

/// The index behind a chain of `super ::` that starts at `at`, when it reaches the crate's root.
fn after_supers(tokens: &[TokenTree], mut at: usize, depth: usize) -> Option<usize> {
    let mut climbed = 0;
    while matches!(tokens.get(at), Some(TokenTree::Ident(word)) if word == "super") {
        at = after_separator(tokens, at)?;
        climbed += 1;
    }
    (climbed >= depth).then_some(at)
}

fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon =
        |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
    colon(at) && colon(at + 1)
}

/// The names that follow `parent` in what follows `crate::`.
fn children(parent: &[&str], tokens: &[TokenTree], in_tests: bool, found: &mut Vec<Named>) {
    let Some((first, rest)) = parent.split_first() else { return heads(tokens, in_tests, found) };
    match tokens.first() {
        Some(TokenTree::Ident(name)) if name == first => {
            if let Some(next) = after_separator(tokens, 0) {
                children(rest, &tokens[next..], in_tests, found);
            }
        }
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            for element in elements(group) {
                children(parent, &element, in_tests, found);
            }
        }
        _ => {}
    }
}

/// The elements of `{a::b, c}`.
fn elements(group: &Group) -> Vec<Vec<TokenTree>> {
    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
    let is_comma = |t: &TokenTree| matches!(t, TokenTree::Punct(p) if p.as_char() == ',');
    inner.split(is_comma).map(<[TokenTree]>::to_vec).collect()
}

/// The first names of what follows `crate::`: `a::b` names `a`, `{a::b, c}` names `a` and `c`.
fn heads(tokens: &[TokenTree], in_tests: bool, found: &mut Vec<Named>) {
    match tokens.first() {
        // A macro of the crate: exported macros live at its root, whichever file they stand in.
        Some(TokenTree::Ident(_)) if matches!(tokens.get(1), Some(TokenTree::Punct(p)) if p.as_char() == '!') =>
            {}
        Some(TokenTree::Ident(name)) if name != "self" => {
            let line = name.span().start().line;
            found.push(Named { module: name.to_string(), line, in_tests });
        }
        Some(TokenTree::Punct(star)) if star.as_char() == '*' => {
            let line = star.span().start().line;
            found.push(Named { module: "*".to_owned(), line, in_tests });
        }
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            for element in elements(group) {
                heads(&element, in_tests, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, place: &[&str], expected: &[&str]) {
        let place: Vec<String> = place.iter().map(|&part| part.to_owned()).collect();
        let modules: Vec<String> = named(source, &place).into_iter().map(|n| n.module).collect();
        assert_eq!(modules, expected, "{source}");
    }

    #[test]
    fn every_way_to_name_a_module_is_seen() {
        check("use crate::store::Store;", &["engine"], &["store"]);
        check("use crate::{store::{Store, Change}, models};", &["engine"], &["store", "models"]);
        check("use crate as us;", &["engine"], &[]);
        check("fn f(x: &crate::error::Error) {}", &["engine"], &["error"]);
        check("use task_scheduler::config;", &["main"], &["config"]);
        check("use ::task_scheduler::config;", &["main"], &["config"]);
        check("pub use crate::*;", &["engine"], &["*"]);
        check("tokio::select! { x = crate::store::wait() => {} }", &["engine"], &["store"]);
        check("macro_rules! m { () => { $crate::tasks::collect() } }", &["tasks"], &["tasks"]);
        check("pub(crate) fn f() {}", &["engine"], &[]);
        check("crate::log_task!(id)", &["engine"], &[]);
    }

    #[test]
    fn supers_count_when_they_reach_the_root() {
        check("use super::error;", &["engine"], &["error"]);
        check("use super::error;", &["engine", "core"], &[]);
        check("use super::super::{error, store::Store};", &["engine", "core"], &["error", "store"]);
        check("mod tests { use super::*; }", &["clock"], &[]);
        check("mod tests { use super::super::store; }", &["clock"], &["store"]);
    }

    #[test]
    fn the_children_of_a_module_are_named_by_its_path_or_by_super() {
        let check = |source: &str, expected: &[&str]| {
            let place = ["engine", "core", "slots"].map(str::to_owned);
            let found = named_in(&["engine"], source, &place);
            let modules: Vec<String> = found.into_iter().map(|n| n.module).collect();
            assert_eq!(modules, expected, "{source}");
        };
        check("use crate::engine::{gate, core::Slots};", &["gate", "core"]);
        check("use crate::{engine::gate::Gate, store};", &["gate"]);
        check("use super::super::gate;", &["gate"]);
        check("use super::timers; use crate::store;", &[]);
    }

    #[test]
    fn comments_and_strings_name_nothing() {
        check(
            "// crate::store\n/// [`crate::store`]\nfn f() { \"crate::store\"; }",
            &["engine"],
            &[],
        );
    }

    #[test]
    fn the_line_is_that_of_the_name() {
        let expected = vec![Named { module: "store".to_owned(), line: 3, in_tests: false }];
        assert_eq!(named("\nuse crate::{\n    store,\n};", &["engine".to_owned()]), expected);
    }
}
