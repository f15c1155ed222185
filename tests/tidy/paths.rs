//! Which of the crate's modules a source file names.
//!
//! Works on tokens, not on syntax: what stands inside a macro call counts too, comments and strings
//! do not.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A module named in a path, and the line of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) module: String,
    pub(crate) line: usize,
}

/// Everything that `source` names by `crate::`, `task_scheduler::` or enough `super::`s. `place` is
/// the module that the source is the file of: `["store", "memory"]`.
pub(crate) fn named(source: &str, place: &[String]) -> Vec<Named> {
    let tokens: TokenStream = source.parse().expect("the compiler reads it too");
    let mut found = Vec::new();
    walk(tokens, &mut place.to_vec(), &mut found);
    found
}

fn walk(tokens: TokenStream, place: &mut Vec<String>, found: &mut Vec<Named>) {
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
                    walk(body.stream(), place, found);
                    place.pop();
                    at += 2;
                }
            }
            TokenTree::Ident(word) => {
                let after_root = match word.to_string().as_str() {
                    "crate" | "task_scheduler" => after_separator(&tokens, at),
                    "super" => after_supers(&tokens, at, place.len()),
                    _ => None,
                };
                if let Some(next) = after_root {
                    heads(&tokens[next..], found);
                }
            }
            TokenTree::Group(group) => walk(group.stream(), place, found),
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

/// The first names of what follows `crate::`: `a::b` names `a`, `{a::b, c}` names `a` and `c`.
fn heads(tokens: &[TokenTree], found: &mut Vec<Named>) {
    match tokens.first() {
        // A macro of the crate: exported macros live at its root, whichever file they stand in.
        Some(TokenTree::Ident(_)) if matches!(tokens.get(1), Some(TokenTree::Punct(p)) if p.as_char() == '!') =>
            {}
        Some(TokenTree::Ident(name)) if name != "self" => {
            found.push(Named { module: name.to_string(), line: name.span().start().line });
        }
        Some(TokenTree::Punct(star)) if star.as_char() == '*' => {
            found.push(Named { module: "*".to_owned(), line: star.span().start().line });
        }
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            let is_comma = |t: &TokenTree| matches!(t, TokenTree::Punct(p) if p.as_char() == ',');
            for element in inner.split(is_comma) {
                heads(element, found);
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
    fn comments_and_strings_name_nothing() {
        check(
            "// crate::store\n/// [`crate::store`]\nfn f() { \"crate::store\"; }",
            &["engine"],
            &[],
        );
    }

    #[test]
    fn the_line_is_that_of_the_name() {
        let expected = vec![Named { module: "store".to_owned(), line: 3 }];
        assert_eq!(named("\nuse crate::{\n    store,\n};", &["engine".to_owned()]), expected);
    }
}
