use std::time::Duration;

use super::*;
use crate::models::{ArgValue, CatchUp, Overlap, Request, StartTime, TaskOptions};
use crate::schedules::RuleRequest;

fn now() -> Timestamp {
    Timestamp::from_micros(1_796_000_000_000_000).unwrap()
}

fn problems(text: &str) -> Vec<String> {
    let problems = parse_file(text, now()).expect_err("refused");
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn every_key_sets_its_field() {
    let text = r#"
# What runs at night.
- name: nightly
  description: Sums up the day.
  cron: 30 4 * * MON-FRI
  time_zone: Europe/Berlin
  method: reports/daily@2
  args: [1, -2, 3.5, "7", yes, true, null, { a: [b] }]
  queue: reports
  priority: -3
  retries: 5
  timeout: 30m
  ttl: 2h
  tags: [nightly, "2"]
  overlap: allow
  catch_up: all
  max_catch_up: 7
  jitter: 90s
  enabled: false
- { name: beat, every: 30s, anchor: "2026-01-01T00:00:00Z", method: heartbeat, overlap: replace }
"#;
    let declared = parse_file(text, now()).unwrap();
    let nightly = ScheduleRequest {
        name: "nightly".into(),
        description: "Sums up the day.".into(),
        rule: RuleRequest::Cron {
            expression: "30 4 * * MON-FRI".into(),
            time_zone: "Europe/Berlin".into(),
        },
        task: Request::of("reports/daily@2")
            .arg(1)
            .arg(-2)
            .arg(3.5)
            .arg("7")
            .arg("yes")
            .arg(true)
            .arg(ArgValue::Null)
            .arg(ArgValue::Map([("a".into(), ArgValue::Array(vec!["b".into()]))].into()))
            .with(|options| {
                *options = TaskOptions {
                    queue: Some("reports".into()),
                    priority: Some(-3),
                    retries: Some(5),
                    timeout: Some(Duration::from_secs(1_800)),
                    expiry: Some(StartTime::After(Duration::from_secs(7_200))),
                    ..TaskOptions::default()
                };
                options.labels.tags = vec!["nightly".into(), "2".into()];
            }),
        overlap: Overlap::Allow,
        catch_up: CatchUp::All(7),
        jitter: Duration::from_secs(90),
        enabled: Some(false),
    };
    let anchor = Timestamp::from_micros(1_767_225_600_000_000).unwrap();
    let half_a_minute = Duration::from_secs(30);
    let beat = ScheduleRequest::every_from("beat", anchor, half_a_minute, Request::of("heartbeat"))
        .overlap(Overlap::Replace);
    let requests: Vec<ScheduleRequest> = declared.into_iter().map(|one| one.request).collect();
    assert_eq!(requests, [nightly, beat]);
}

#[test]
fn an_empty_file_declares_nothing() {
    for text in ["", "# later\n", "\n\n", "[]", "---\n"] {
        assert!(parse_file(text, now()).unwrap().is_empty(), "{text:?}");
    }
}

#[test]
fn all_problems_are_reported_with_line_and_column() {
    let text = "\
- name: nightly
  crn: 30 4 * * *
  method: add
- name: no name
  cron: 61 4 * * *
  time_zone: Europe/Berln
  method: add
- cron: '@daily'
- just words
- name: never
  cron: 0 0 31 2 *
  method: add
- name: both
  cron: '@daily'
  every: 10s
  method: add
- name: odd
  every: 0s
  time_zone: UTC
  retries: many
  args: 7
  enabled: yes
  method: 12
- name: beat
  every: 5
  method: add
- name: never
  every: 5s
  jitter: 1h
  catch_up: sometimes
  max_catch_up: 3
  method: add
";
    let expected = "\
1:3: neither `cron` nor `every`; expected one of them
2:3: unknown key \"crn\"; did you mean `cron`?
4:9: name: \"no name\" is no name; expected 1 to 80 letters, digits, `_`, `-` or `.`
5:9: cron: \"61 4 * * *\": ";
    let found = problems(text);
    assert_eq!(&found[..3], expected.lines().take(3).collect::<Vec<_>>());
    assert!(found[3].starts_with("5:9: cron: \"61 4 * * *\": "), "{}", found[3]);
    let rest = [
        "6:14: time_zone: unknown time zone \"Europe/Berln\"; did you mean Europe/Berlin?",
        "8:3: `method` is missing; every schedule needs one",
        "8:3: `name` is missing; every schedule needs one",
        "9:3: \"just words\"; expected a schedule with name, method, and cron or every",
        "11:9: cron: \"0 0 31 2 *\" has no future occurrence; expected a rule that runs some day",
        "15:10: both `cron` and `every`; expected one of them",
        "19:14: `time_zone` needs `cron`",
        "20:12: retries: \"many\"; expected a whole number from 0 on",
        "21:9: args: 7; expected a list of arguments",
        "22:12: enabled: \"yes\"; expected true or false",
        "23:11: method: 12; expected text, in quotes if it looks like something else",
        "25:10: every: 5; expected a number and a unit, such as 500ms, 30s, 5m, 24h or 7d",
        "30:13: catch_up: \"sometimes\"; expected none, last or all",
        "31:17: `max_catch_up` needs `catch_up: all`",
    ];
    assert_eq!(found[4..], rest);
}

#[test]
fn catching_up_all_is_refused_where_runs_may_not_overlap() {
    let text = "- {name: a, every: 1s, method: add, catch_up: all}\n";
    let expected = "1:47: catch_up: all needs `overlap: allow`: missed runs start at once, and `skip` \
                    drops all but the first";
    assert_eq!(problems(text), [expected]);
}

#[test]
fn a_duplicate_name_is_refused_at_its_second_declaration() {
    let text = "- {name: a, every: 1s, method: add}\n- {name: a, every: 2s, method: add}\n";
    assert_eq!(problems(text), ["2:10: \"a\" is already declared in line 1"]);
}

#[test]
fn invalid_yaml_is_reported_at_its_location() {
    let found = problems("- name: a\n  every: [1s\n");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("2:") || found[0].starts_with("3:"), "{found:?}");
    let found = problems("name: a\nevery: 1s\n");
    assert_eq!(found, ["1:1: a map; expected a list of schedules"]);
    let twice = problems("- name: a\n  name: b\n  every: 1s\n  method: add\n");
    assert!(twice[0].starts_with("2:3: "), "{twice:?}");
    let deep = format!("- args: {}", "[".repeat(100_000));
    assert_eq!(problems(&deep).len(), 1);
}

#[test]
fn an_error_of_the_engine_is_reported_at_the_key_that_caused_it() {
    let text = "- name: a\n  every: 1s\n  method: nope\n  timeout: 9d\n  args: [x]\n  tags: [a]\n";
    let declared = parse_file(text, now()).unwrap().remove(0);
    let check = |error: Error, expected: &str| {
        let found: Vec<String> =
            declared.problems(&error).iter().map(ToString::to_string).collect();
        assert_eq!(found, [expected]);
    };
    let no_method = Error::new(crate::error::Code::MethodNotFound, "Method not found: nope");
    check(no_method, "3:11: schedule \"a\": Method not found: nope");
    check(Error::invalid("task.options.timeout", "long"), "4:12: timeout: long");
    check(Error::invalid("task.args[0].fields[\"x\"]", "bad"), "5:9: args: bad");
    check(Error::invalid("task.options.tags[0]", "bad"), "6:9: tags: bad");
    check(
        Error::invalid("task.options.source_system", "bad"),
        "3:11: schedule \"a\": task.options.source_system: bad",
    );
}
