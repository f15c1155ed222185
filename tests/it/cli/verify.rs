//! `verify`: sound stores, damaged ones, and no store.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;

use super::{STORE_FILE, assert_filled, assert_one_line, directory, fill, serve};
use crate::binary::Binary;

const PAGE_BYTES: u64 = 4_096;

#[tokio::test]
async fn a_sound_store_is_reported_as_sound_even_while_its_server_runs() {
    let binary = Binary::new();
    fill(&binary, "data").await;
    let assert_sound = || {
        let ran = binary.run(&["verify"]);
        let output = (ran.code, &*ran.stdout, &*ran.stderr);
        assert_eq!(output, (Some(0), "./data is sound\n", ""));
    };
    assert_sound();
    let server = serve(&directory(&binary, "data"));
    assert_sound();
    drop(server);
    assert_filled(&directory(&binary, "data")).await;
}

#[tokio::test]
async fn each_problem_is_a_line_and_the_exit_code_is_1() {
    let binary = Binary::new();
    fill(&binary, "data").await;
    let file = rusqlite::Connection::open(binary.path().join("data").join(STORE_FILE)).unwrap();
    file.execute_batch("DELETE FROM ended; UPDATE meta SET alarms = alarms + 1").unwrap();
    drop(file);
    let ran = binary.run(&["verify", "--data-dir", "data"]);
    assert_eq!((ran.code, &*ran.stdout), (Some(1), ""), "{ran:?}");
    let lines: Vec<_> = ran.stderr.lines().collect();
    for problem in ["task 1 has no state", "the counter alarms is 1; expected 0"] {
        let line = format!("task-scheduler: {problem}");
        assert!(lines.contains(&line.as_str()), "no {line:?} in {}", ran.stderr);
    }
}

#[tokio::test]
async fn damaged_pages_are_reported() {
    let binary = Binary::new();
    fill(&binary, "data").await;
    let path = binary.path().join("data").join(STORE_FILE);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    // All but the first page, which holds the schema.
    for page in 1..file.metadata().unwrap().len() / PAGE_BYTES {
        file.write_all_at(&[0xa5; 64], page * PAGE_BYTES).unwrap();
    }
    assert_one_line(
        &binary.run(&["verify"]),
        78,
        &["data/tasks.db is damaged", "restore a backup"],
    );
}

#[test]
fn without_a_store_verify_fails_and_creates_none() {
    let binary = Binary::new().file("taken", "");
    assert_one_line(&binary.run(&["verify"]), 78, &["./data"]);
    assert!(!binary.path().join("data").exists());
    assert_one_line(&binary.run(&["verify", "--data-dir", "taken"]), 78, &["taken"]);
}
