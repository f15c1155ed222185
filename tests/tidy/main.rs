//! Keeps the house in the shape that ARCHITECTURE.md describes: floors, reachable files, living
//! links, words. Every checker is a pure function with fixtures of its own, so that it can fail.

mod files;
mod floors;
mod links;
mod modules;
mod paths;
mod words;

use std::path::Path;

use floors::Floors;

/// Files longer than this are named, with the reason, in ARCHITECTURE.md.
const LONG_FILE_LINES: usize = 500;

/// The repository's root.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn architecture() -> String {
    files::read(&root().join("ARCHITECTURE.md"))
}

/// Fails with every finding at once, one a line.
#[track_caller]
fn assert_none(findings: &[String], rule: &str) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

#[test]
fn a_file_imports_from_lower_floors_only() {
    let floors = Floors::parse(&architecture()).expect("ARCHITECTURE.md has the floors table");
    let mut findings = Vec::new();
    for file in files::with_extension(root(), "src", "rs") {
        let source = files::read(&root().join(&file));
        findings.extend(floors.check(&file, &source));
    }
    assert_none(&findings, "imports that go up or sideways (see the floors in ARCHITECTURE.md)");
}

#[test]
fn the_floors_table_names_every_module_and_no_other() {
    let floors = Floors::parse(&architecture()).expect("ARCHITECTURE.md has the floors table");
    let library = files::read(&root().join("src/lib.rs"));
    let mut modules: Vec<String> =
        modules::declared(&library).into_iter().map(|declared| declared.name).collect();
    modules.push("main".to_owned());
    assert_none(&floors.differences(&modules), "the floors table in ARCHITECTURE.md");
}

#[test]
fn every_source_file_is_reachable() {
    let mut orphans = Vec::new();
    for folder in ["src", "task-macro/src", "examples", "benches", "tests"] {
        let mut sources = files::with_extension(root(), folder, "rs");
        // A folder with `.stderr` files holds cases for the compiler, which no `mod` reaches.
        let outputs = files::with_extension(root(), folder, "stderr");
        sources.retain(|source| {
            !outputs.iter().any(|o| modules::parent(o) == modules::parent(source))
        });
        orphans.extend(modules::orphans(&sources, |file| files::read(&root().join(file))));
    }
    assert_none(&orphans, "files that no `mod` reaches");
}

#[test]
fn every_source_file_says_what_it_owns() {
    let silent: Vec<String> = ["src", "task-macro/src", "benches", "examples"]
        .iter()
        .flat_map(|folder| files::with_extension(root(), folder, "rs"))
        // They own what the file beside them owns.
        .filter(|file| !file.ends_with("/tests.rs"))
        .filter(|file| !files::read(&root().join(file)).starts_with("//!"))
        .collect();
    assert_none(&silent, "files that do not open with a `//!` comment");
}

#[test]
fn long_files_are_explained() {
    let explained = architecture();
    let unexplained: Vec<String> = files::with_extension(root(), ".", "rs")
        .into_iter()
        .filter(|file| files::read(&root().join(file)).lines().count() > LONG_FILE_LINES)
        .filter(|file| !explained.contains(&format!("`{file}`:")))
        .collect();
    assert_none(
        &unexplained,
        "over 500 lines and not explained in ARCHITECTURE.md (\"`file`: why\")",
    );
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut dead = Vec::new();
    for file in files::with_extension(root(), ".", "md") {
        dead.extend(links::dead(root(), &file, &files::read(&root().join(&file))));
    }
    assert_none(&dead, "dead links");
}

#[test]
fn nothing_is_left_undone() {
    let mut findings = Vec::new();
    for extension in ["rs", "proto", "py", "toml", "yaml"] {
        for file in files::with_extension(root(), ".", extension) {
            findings.extend(words::undone(&file, &files::read(&root().join(&file))));
        }
    }
    assert_none(&findings, "notes about work to do");
}

#[test]
fn one_word_for_one_thing() {
    let mut findings = Vec::new();
    for (folder, extension) in
        [("src", "rs"), ("task-macro/src", "rs"), ("examples", "rs"), ("proto", "proto")]
    {
        for file in files::with_extension(root(), folder, extension) {
            findings.extend(words::foreign(&file, &files::read(&root().join(&file))));
        }
    }
    assert_none(&findings, "words that this project has another word for");
}
