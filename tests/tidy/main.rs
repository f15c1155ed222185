//! Checks that the source agrees with ARCHITECTURE.md: layers, traits, services, threads and paths; and that every
//! file is reachable, every link works and no denied word is used. Each checker is a pure function with tests of
//! its own.

mod architecture;
mod files;
mod layers;
mod links;
mod modules;
mod paths;
mod prose;
mod tables;
mod words;

use std::path::Path;

use layers::Layers;

/// Files longer than this are named, with the reason, in ARCHITECTURE.md.
const LONG_FILE_LINES: usize = 500;

/// The repository's root.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The files of a folder with their text.
fn sources(folder: &str) -> Vec<(String, String)> {
    let files = files::with_extension(root(), folder, "rs");
    files.into_iter().map(|file| (file.clone(), files::read(&root().join(&file)))).collect()
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
fn a_module_names_only_what_its_layer_permits() {
    let layers = Layers::parse(&architecture()).expect("a sound layers table in ARCHITECTURE.md");
    let mut findings = Vec::new();
    for file in files::with_extension(root(), "src", "rs") {
        let source = files::read(&root().join(&file));
        findings.extend(layers.check(&file, &source));
    }
    assert_none(&findings, "imports that the layers table of ARCHITECTURE.md does not permit");
}

#[test]
fn the_layers_table_names_every_module_and_no_other() {
    let layers = Layers::parse(&architecture()).expect("a sound layers table in ARCHITECTURE.md");
    let library = files::read(&root().join("src/lib.rs"));
    let mut modules: Vec<String> =
        modules::declared(&library).into_iter().map(|declared| declared.name).collect();
    modules.push("main".to_owned());
    assert_none(&layers.differences(&modules), "the layers table in ARCHITECTURE.md");
}

#[test]
fn the_core_of_the_engine_names_nothing_of_its_parent() {
    let mut findings = Vec::new();
    for file in files::with_extension(root(), "src/engine/core", "rs") {
        let source = files::read(&root().join(&file));
        findings.extend(architecture::leaves_core(&file, &source));
    }
    assert_none(&findings, "`engine/core` names its parent");
}

#[test]
fn the_traits_table_names_every_trait_and_no_other() {
    let sources = sources("src");
    assert_none(&architecture::traits(&architecture(), &sources), "the traits table");
}

#[test]
fn the_threads_table_names_every_thread_and_no_other() {
    let sources = sources("src");
    assert_none(&architecture::threads(&architecture(), &sources), "the threads table");
}

#[test]
fn the_services_table_names_every_service_and_no_other() {
    let sources = sources("src");
    assert_none(&architecture::services(&architecture(), &sources), "the services table");
}

#[test]
fn paths_in_the_architecture_exist() {
    let missing = architecture::missing_paths(&architecture(), |path| root().join(path).exists());
    assert_none(&missing, "paths that ARCHITECTURE.md names and that do not exist");
}

#[test]
fn the_architecture_is_at_most_200_lines_long() {
    let lines = architecture().lines().count();
    assert!(lines <= 200, "{lines} lines; move decisions to docs/decisions/");
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

#[test]
fn prose_is_plain() {
    let mut findings = Vec::new();
    for (folder, extension) in prose::PLACES {
        for file in files::with_extension(root(), folder, extension) {
            findings.extend(prose::denied(&file, &files::read(&root().join(&file))));
        }
    }
    assert_none(&findings, "denied words in comments, documents and test names");
}
