//! `--schedules FILE.yaml`.

use task_scheduler::clock::Timestamp;
use task_scheduler::schedules::parse_file;

use crate::binary::{Binary, assert_refused};
use crate::schedules::Schedules;
use crate::server::Setup;

#[tokio::test]
async fn schedules_of_a_file_exist_when_the_server_listens() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/schedules.yaml");
    let server = Setup::stock().flags(["--schedules", example]).start();
    let schedules = Schedules::of(&server).await;
    let beat = schedules.status("heartbeat").await;
    assert_eq!(beat.schedule.unwrap().task.unwrap().method, "ping");
    let nightly = schedules.status("nightly-sum").await;
    assert!(nightly.next_run_at.is_some());
    assert!(schedules.status("end-of-month").await.schedule.unwrap().disabled);
}

#[test]
fn each_problem_in_the_file_is_a_line_and_the_exit_code_is_78() {
    let text = "\
- name: nightly
  crn: 30 4 * * *
  method: add
- name: never
  cron: 0 0 31 2 *
  time_zone: Europe/Berln
  method: add
";
    let binary = Binary::new().file("s.yaml", text);
    let stderr = "\
task-scheduler: s.yaml:1:3: neither `cron` nor `every`; expected one of them
task-scheduler: s.yaml:2:3: unknown key \"crn\"; did you mean `cron`?
task-scheduler: s.yaml:6:14: time_zone: unknown time zone \"Europe/Berln\"; did you mean Europe/Berlin?
";
    assert_refused(&binary.run(&["--schedules", "s.yaml"]), 78, stderr);
    assert!(!binary.path().join("data").exists(), "the server did not start");
}

#[test]
fn invalid_tasks_are_reported_with_their_line_and_the_server_does_not_start() {
    let text = "\
- name: nobody
  every: 1h
  method: nope
- name: wrong
  every: 1h
  method: add
  args: [1, two]
  timeout: 8d
";
    let binary = Binary::new().file("s.yaml", text);
    let ran = binary.run(&["--addr", "127.0.0.1:0", "--log-dir", "none", "--schedules", "s.yaml"]);
    let lines: Vec<&str> =
        ran.stderr.lines().filter(|line| line.starts_with("task-scheduler: ")).collect();
    assert_eq!((ran.code, &*ran.stdout, lines.len()), (Some(78), "", 2), "{ran:?}");
    assert_eq!(
        lines[0],
        "task-scheduler: s.yaml:3:11: schedule \"nobody\": Method not found: nope"
    );
    assert!(lines[1].starts_with("task-scheduler: s.yaml:7:9: args: "), "{lines:?}");
}

#[test]
fn a_file_of_schedules_that_cannot_be_read_is_one_line() {
    let stderr = "task-scheduler: cannot read the schedules file nowhere.yaml: No such file or directory \
                  (os error 2)\n";
    assert_refused(&Binary::new().run(&["--schedules", "nowhere.yaml"]), 78, stderr);
    let stderr = "task-scheduler: the schedules file /dev/zero is larger than 67108864 bytes\n";
    assert_refused(&Binary::new().run(&["--schedules", "/dev/zero"]), 78, stderr);
}

#[test]
fn the_example_file_of_the_docs_is_valid() {
    for page in ["README.md", "docs/schedules.md"] {
        let text =
            std::fs::read_to_string(format!("{}/{page}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let mut shown = 0;
        for block in text.split("```yaml\n").skip(1) {
            let yaml = block.split("```").next().expect("split yields at least one part");
            let declared = parse_file(yaml, Timestamp::EPOCH);
            assert!(declared.is_ok_and(|declared| !declared.is_empty()), "{page}: {yaml}");
            shown += 1;
        }
        assert_eq!(shown, 1, "{page}");
    }
}
