//! `events` and `generate`: they need no server and no data.

use std::fs;
use std::path::Path;

use super::assert_one_line;
use crate::binary::Binary;

/// The files of `tests/it/task_authors/generated`, which the tests compile and run, and the
/// arguments that generate each.
const GENERATED: [(&str, &[&str]); 4] = [
    (
        "notification.rs",
        &["subscriber", "notification", "--events", "task.completed", "task.failed"],
    ),
    (
        "audit.rs",
        &["subscriber", "audit", "--events", "task.*", "node.draining", "custom.order-paid"],
    ),
    ("charge.rs", &["task", "payments/charge"]),
    ("hello.rs", &["task", "hello"]),
];

#[test]
fn the_compiled_files_are_what_generate_writes() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/task_authors/generated");
    let binary = Binary::new();
    for (file, args) in GENERATED {
        let ran = binary.run(&[&["generate"], args, &["--out", file]].concat());
        let expected_stdout =
            format!("wrote {file}; add it to your crate with a `mod` declaration\n");
        assert_eq!((ran.code, &*ran.stdout, &*ran.stderr), (Some(0), &*expected_stdout, ""));
        let made = fs::read_to_string(binary.path().join(file)).unwrap();
        let shown = binary.run(&[&["generate"], args].concat());
        assert_eq!((shown.code, &shown.stdout), (Some(0), &made), "stdout has the same text");
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            fs::write(kept.join(file), &made).unwrap();
        }
        let expected = fs::read_to_string(kept.join(file)).unwrap();
        assert_eq!(made, expected, "{file}: UPDATE_GENERATED=1 updates it");
    }
}

#[test]
fn generate_overwrites_nothing_and_refuses_invalid_names() {
    let binary = Binary::new();
    fs::write(binary.path().join("mine.rs"), "mine").unwrap();
    let ran = binary.run(&["generate", "task", "mine", "--out", "mine.rs"]);
    assert_one_line(&ran, 1, &["mine.rs", "exists"]);
    assert_eq!(fs::read_to_string(binary.path().join("mine.rs")).unwrap(), "mine");
    let ran = binary.run(&["generate", "task", "My-Task"]);
    assert_one_line(&ran, 2, &["\"My-Task\" is no name for Rust code"]);
    let ran = binary.run(&["generate", "subscriber", "mail", "--events", "task.complete"]);
    assert_one_line(
        &ran,
        2,
        &["no event is called \"task.complete\"; did you mean task.completed"],
    );
}

#[test]
fn the_events_are_listed_without_a_store() {
    let binary = Binary::new();
    let ran = binary.run(&["events"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("\ntask.completed "), "{}", ran.stdout);
    let ran = binary.run(&["events", "task.completed"]);
    assert!(ran.stdout.starts_with("task.completed: A task succeeded\n"), "{}", ran.stdout);
    assert!(!binary.path().join("data").exists(), "the command opens no store");
    let ran = binary.run(&["events", "task.complete"]);
    assert_one_line(&ran, 2, &["did you mean task.completed"]);
}
