//! A ledger that breaks no rule, and for every rule ledgers that break it.

use task_scheduler::models::State;

use super::{TaskStatus, TaskStatuses, check};
use crate::ledger::{Entry, Outcome};

/// Two processes, and every kind of event.
const SOUND: &str = "
    booted 100
    requested a succeeded 1 0
    requested b succeeded 1 200
    needs b a succeeded
    accepted a
    accepted b
    start a 1 1.1 110 0
    saving a 1.1 1
    saved a 1.1 1
    saving a 1.1 2
    killed 120
    booted 130
    start a 1 2.1 140 2
    end a 2.1 succeeded 150 0
    outcome a SUCCEEDED 2.1
    start b 1 2.2 201 0
    end b 2.2 failed 202 10
    start b 2 2.3 212 0
    spawning b 2.3 b/1
    start b/1 1 2.4 213 0
    end b/1 2.4 succeeded 214 0
    spawned b 2.3 b/1
    end b 2.3 succeeded 215 0
    requested c failed 0 0
    start c 1 2.5 220 0
    end c 2.5 failed 221 0
    outcome c FAILED HANDLER_FAILED:2.5
    requested d succeeded 0 0
    needs d c succeeded
    accepted d
    requested e succeeded 0 0
    needs e c ended
    start e 1 2.6 230 0
    end e 2.6 succeeded 231 0
    outcome e SUCCEEDED 2.6
    requested f succeeded 0 900
    accepted f
    cancelling f
    verdict f CANCELLED
    requested g succeeded 0 0
    needs g missing succeeded
    refused g DEPENDENCY_UNMET
    requested h succeeded 0 0
    start h 1 2.7 240 0
    end h 2.7 snoozed 241 20
    start h 1 2.8 262 0
    cancelling h
    verdict h REQUESTED
    end h 2.8 succeeded 263 0
    drained 300";

const STATUSES: &str = "
    a 1 1 SUCCEEDED 2.1
    b 2 0 SUCCEEDED 2.3
    b/1 1 0 SUCCEEDED 2.4
    c 1 0 FAILED HANDLER_FAILED:2.5
    d 0 0 FAILED DEPENDENCY_FAILED:c
    e 1 0 SUCCEEDED 2.6
    f 0 0 CANCELLED
    h 1 0 SUCCEEDED 2.8";

fn findings(ledger: &str, statuses: &str) -> Vec<String> {
    let entries: Vec<Entry> = ledger
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| line.parse().unwrap_or_else(|()| panic!("not a line: {line}")))
        .collect();
    let statuses: TaskStatuses =
        statuses.lines().map(str::trim).filter(|l| !l.is_empty()).map(status).collect();
    check(&entries, &statuses)
}

/// Parses `ID ATTEMPTS RESCUES STATE TEXT`; a task that has not ended has only the first three.
fn status(line: &str) -> (String, TaskStatus) {
    let words: Vec<&str> = line.splitn(5, ' ').collect();
    let outcome = words.get(3).map(|state| {
        let state = State::ALL.into_iter().find(|known| known.as_str() == *state).unwrap();
        Outcome::new(state, words.get(4).unwrap_or(&""))
    });
    let (attempts, rescues) = (words[1].parse().unwrap(), words[2].parse().unwrap());
    (words[0].to_owned(), TaskStatus { outcome, attempts, rescues })
}

/// Asserts what `check` finds after lines of the sound ledger are replaced. An empty new line
/// removes the old one.
#[track_caller]
fn assert_findings(changes: &[(&str, &str)], expected: &[&str]) {
    let mut both = format!("{SOUND}\n==={STATUSES}\n");
    for (old, new) in changes {
        let old = format!("    {old}\n");
        assert_eq!(both.matches(&old).count(), 1, "{old}");
        both = both
            .replace(&old, &if new.is_empty() { String::new() } else { format!("    {new}\n") });
    }
    let (ledger, statuses) = both.split_once("===").unwrap();
    assert_eq!(findings(ledger, statuses), expected);
}

#[test]
fn a_sound_ledger_is_sound() {
    assert_eq!(findings(SOUND, STATUSES), Vec::<String>::new());
}

#[test]
fn a_lost_task_is_found() {
    assert_findings(
        &[("d 0 0 FAILED DEPENDENCY_FAILED:c", "")],
        &["d was acknowledged and is missing"],
    );
    assert_findings(
        &[("accepted d", "accepted d\nmissing d")],
        &["d was acknowledged, and a later GetResult did not find it"],
    );
    assert_findings(&[("b/1 1 0 SUCCEEDED 2.4", "")], &["b/1 was acknowledged and is missing"]);
    // No client knows that it exists, so it may be lost.
    assert_findings(&[("accepted d", ""), ("d 0 0 FAILED DEPENDENCY_FAILED:c", "")], &[]);
}

#[test]
fn a_task_that_does_not_end_is_found() {
    assert_findings(&[("d 0 0 FAILED DEPENDENCY_FAILED:c", "d 0 0")], &["d has not ended"]);
}

#[test]
fn a_task_that_was_never_requested_is_found() {
    assert_findings(
        &[("f 0 0 CANCELLED", "f 0 0 CANCELLED\nx 0 0 CANCELLED")],
        &["x exists and was never requested"],
    );
    assert_findings(
        &[("drained 300", "start x 1 2.9 290 0\ndrained 300")],
        &["x exists and was never requested"],
    );
}

#[test]
fn a_refused_task_that_exists_is_found() {
    assert_findings(
        &[("f 0 0 CANCELLED", "f 0 0 CANCELLED\ng 0 0 FAILED DEPENDENCY_FAILED:x")],
        &["g was refused (DEPENDENCY_UNMET) but exists"],
    );
}

#[test]
fn an_outcome_that_changes_is_found() {
    assert_findings(
        &[("outcome a SUCCEEDED 2.1", "outcome a CANCELLED")],
        &["a was reported as CANCELLED  but ends as SUCCEEDED 2.1"],
    );
    assert_findings(
        &[("verdict h REQUESTED", "verdict h ALREADY_ENDED CANCELLED")],
        &[
            "h: CancelTasks answered ALREADY_ENDED Some(Cancelled), but the task ends as SUCCEEDED 2.8",
        ],
    );
    assert_findings(
        &[("verdict h REQUESTED", "verdict h CANCELLED")],
        &["h: CancelTasks answered CANCELLED None, but the task ends as SUCCEEDED 2.8"],
    );
}

#[test]
fn an_outcome_without_a_reason_is_found() {
    assert_findings(&[("cancelling f", "")], &["f is CANCELLED  for no reason"]);
    assert_findings(
        &[("d 0 0 FAILED DEPENDENCY_FAILED:c", "d 0 0 FAILED QUARANTINED:it")],
        &["d is FAILED QUARANTINED:it for no reason"],
    );
    assert_findings(
        &[("d 0 0 FAILED DEPENDENCY_FAILED:c", "d 0 0 FAILED TIMED_OUT:it")],
        &["d is FAILED TIMED_OUT:it for no reason"],
    );
    assert_findings(
        &[("needs d c succeeded", "needs d a succeeded")],
        &["d is FAILED DEPENDENCY_FAILED:c for no reason"],
    );
    assert_findings(
        &[("requested c failed 0 0", "requested c succeeded 0 0")],
        &["c is FAILED HANDLER_FAILED:2.5 for no reason"],
    );
}

#[test]
fn one_crash_that_quarantines_two_tasks_is_found() {
    let exits = "killed 1\nkilled 2\nkilled 3\nrequested q succeeded 0 0\nkilled 4\nkilled 5\nkilled 6\ndrained 300";
    assert_findings(
        &[
            ("drained 300", exits),
            ("f 0 0 CANCELLED", "f 0 0 CANCELLED\nq 0 3 FAILED QUARANTINED:x"),
        ],
        &[],
    );
    let two = "requested p succeeded 0 0\nrequested q succeeded 0 0\nkilled 4\nkilled 5\nkilled 6\ndrained 300";
    let statuses = (1..=5).map(|n| format!("\nq{n} 0 0 FAILED QUARANTINED:x")).collect::<String>();
    let requested = (1..=5).map(|n| format!("requested q{n} succeeded 0 0\n")).collect::<String>();
    assert_findings(
        &[
            ("drained 300", &format!("{requested}{two}")),
            ("f 0 0 CANCELLED", &format!("f 0 0 CANCELLED{statuses}")),
        ],
        &[r#"4 crashes quarantined ["q1", "q2", "q3", "q4", "q5"]"#],
    );
}

#[test]
fn a_fence_that_is_used_twice_is_found() {
    assert_findings(
        &[
            ("start c 1 2.5 220 0", "start c 1 2.6 220 0"),
            ("end c 2.5 failed 221 0", "end c 2.6 failed 221 0"),
            ("outcome c FAILED HANDLER_FAILED:2.5", "outcome c FAILED HANDLER_FAILED:2.6"),
            ("c 1 0 FAILED HANDLER_FAILED:2.5", "c 1 0 FAILED HANDLER_FAILED:2.6"),
        ],
        &["e starts under 2.6, as c did"],
    );
}

#[test]
fn a_fence_that_goes_back_is_found() {
    assert_findings(
        &[
            ("start h 1 2.7 240 0", "start h 1 2.9 240 0"),
            ("end h 2.7 snoozed 241 20", "end h 2.9 snoozed 241 20"),
        ],
        &["h starts under 2.9 and then under 2.8"],
    );
    assert_findings(
        &[
            (
                "drained 300",
                "drained 300\nrequested x succeeded 0 0\nstart x 1 2.99 400 0\nend x 2.99 succeeded 401 0",
            ),
            ("f 0 0 CANCELLED", "f 0 0 CANCELLED\nx 1 0 SUCCEEDED 2.99"),
        ],
        &["x starts under 2.99, of an earlier process"],
    );
}

#[test]
fn a_start_after_the_end_is_found() {
    // The outcome was reported.
    assert_findings(
        &[("drained 300", "killed 300\nstart a 1 3.1 310 2\nend a 3.1 succeeded 311 0")],
        &[
            "a is SUCCEEDED 2.1, and was last started under 3.1",
            "a starts under 3.1 after its outcome was reported",
            "b starts before a starts",
        ],
    );
    // The outcome was committed but not reported.
    assert_findings(
        &[("drained 300", "killed 300\nstart b/1 1 3.1 310 0\nend b/1 3.1 succeeded 311 0")],
        &["b/1 is SUCCEEDED 2.4, and was last started under 3.1"],
    );
    assert_findings(
        &[("drained 300", "start f 1 2.9 910 0\ndrained 300")],
        &["f starts under 2.9 after CANCELLED"],
    );
    assert_findings(
        &[
            ("verdict h REQUESTED", "verdict h REQUESTED\nkilled 1\nstart h 1 3.8 263 0"),
            ("end h 2.8 succeeded 263 0", "end h 3.8 succeeded 263 0"),
            ("h 1 0 SUCCEEDED 2.8", "h 1 0 SUCCEEDED 3.8"),
        ],
        &["h starts under 3.8 after REQUESTED"],
    );
}

#[test]
fn an_outcome_that_no_handler_returned_is_found() {
    assert_findings(
        &[("end b 2.3 succeeded 215 0", "")],
        &["b is SUCCEEDED 2.3, but its handler did not return that"],
    );
    assert_findings(
        &[("b 2 0 SUCCEEDED 2.3", "b 2 0 SUCCEEDED nonsense")],
        &["b is SUCCEEDED nonsense, which no handler returned"],
    );
}

#[test]
fn a_dependant_that_starts_too_early_is_found() {
    assert_findings(
        &[("needs b a succeeded", "needs b a succeeded\nneeds b h ended")],
        &["b starts before h starts", "b starts before h ends"],
    );
    assert_findings(
        &[("needs b a succeeded", "needs b d succeeded")],
        &["b is SUCCEEDED 2.3 for no reason", "b starts, and d is FAILED DEPENDENCY_FAILED:c"],
    );
    assert_findings(
        &[("needs e c ended", "needs e h ended"), ("h 1 0 SUCCEEDED 2.8", "h 1 0")],
        &["h has not ended", "e starts, and h has not ended"],
    );
}

#[test]
fn a_start_before_the_start_time_is_found() {
    assert_findings(&[("start b 1 2.2 201 0", "start b 1 2.2 190 0")], &["b starts 10 ms early"]);
    assert_findings(
        &[("start h 1 2.8 262 0", "start h 1 2.8 250 0")],
        &["h starts again 11 ms too early"],
    );
    assert_findings(
        &[("end b 2.2 failed 202 10", "end b 2.2 failed 202 20")],
        &["b starts again 10 ms too early"],
    );
}

#[test]
fn a_checkpoint_that_goes_back_is_found() {
    let found = |what: &str| {
        format!("a finds the checkpoint {what} under 2.1, after Some(1) to 2 were saved")
    };
    assert_findings(&[("start a 1 2.1 140 2", "start a 1 2.1 140 0")], &[&found("0")]);
    assert_findings(&[("start a 1 2.1 140 2", "start a 1 2.1 140 3")], &[&found("3")]);
    assert_findings(&[("start a 1 2.1 140 2", "start a 1 2.1 140 1")], &[]);
}

#[test]
fn a_stale_write_is_found() {
    assert_findings(
        &[("start b 2 2.3 212 0", "start b 2 2.3 212 0\nsaving b 2.2 1\nsaved b 2.2 1")],
        &["b saves 1 under 2.2, which is stale"],
    );
    assert_findings(
        &[("outcome a SUCCEEDED 2.1", "outcome a SUCCEEDED 2.1\nsaving a 2.1 3\nsaved a 2.1 3")],
        &["a saves 3 under 2.1, which is stale"],
    );
    assert_findings(
        &[("start b 2 2.3 212 0", "start b 2 2.3 212 0\nspawning b 2.2 b/1\nspawned b 2.2 b/1")],
        &["b spawns b/1 under 2.2, which is stale"],
    );
    // The server refused the write.
    assert_findings(&[("start b 2 2.3 212 0", "start b 2 2.3 212 0\nsaving b 2.2 1")], &[]);
}

#[test]
fn an_attempt_that_is_misnumbered_is_found() {
    assert_findings(
        &[
            ("start b 2 2.3 212 0", "start b 3 2.3 212 0"),
            ("b 2 0 SUCCEEDED 2.3", "b 2 0 SUCCEEDED 2.3"),
        ],
        &[
            "b: after attempt 1 (2.2, Some(Failed)) comes attempt 3 (2.3)",
            "b counts 2 attempts; the last was 3",
        ],
    );
    assert_findings(
        &[
            ("start b 2 2.3 212 0", "start b 1 2.3 212 0"),
            ("b 2 0 SUCCEEDED 2.3", "b 1 0 SUCCEEDED 2.3"),
        ],
        &["b: after attempt 1 (2.2, Some(Failed)) comes attempt 1 (2.3)"],
    );
    assert_findings(
        &[
            ("start h 1 2.8 262 0", "start h 2 2.8 262 0"),
            ("h 1 0 SUCCEEDED 2.8", "h 1 0 SUCCEEDED 2.8"),
        ],
        &[
            "h: after attempt 1 (2.7, Some(Snoozed)) comes attempt 2 (2.8)",
            "h counts 1 attempts; the last was 2",
        ],
    );
    assert_findings(
        &[("start h 1 2.7 240 0", "start h 2 2.7 240 0")],
        &[
            "h begins with attempt 2",
            "h: after attempt 2 (2.7, Some(Snoozed)) comes attempt 1 (2.8)",
        ],
    );
}

#[test]
fn attempts_and_rescues_that_are_miscounted_are_found() {
    assert_findings(
        &[("a 1 1 SUCCEEDED 2.1", "a 1 0 SUCCEEDED 2.1")],
        &["a counts 0 rescues; there were 1 to 1"],
    );
    assert_findings(
        &[("a 1 1 SUCCEEDED 2.1", "a 1 2 SUCCEEDED 2.1")],
        &["a counts 2 rescues; there were 1 to 1"],
    );
    assert_findings(
        &[("e 1 0 SUCCEEDED 2.6", "e 1 1 SUCCEEDED 2.6")],
        &["e counts 1 rescues; there were 0 to 0"],
    );
    assert_findings(
        &[("requested b succeeded 1 200", "requested b succeeded 0 200")],
        &["b had 2 attempts; the limit is 1"],
    );
    // A claim that was not synced is no rescue.
    assert_findings(
        &[("killed 120", "power-lost 120"), ("a 1 1 SUCCEEDED 2.1", "a 1 0 SUCCEEDED 2.1")],
        &[],
    );
    // The start precedes the acknowledgement, so the insert may have been lost with it.
    assert_findings(&[("accepted a", ""), ("a 1 1 SUCCEEDED 2.1", "a 1 0 SUCCEEDED 2.1")], &[]);
}
