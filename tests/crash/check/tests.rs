//! A sound ledger, and for every rule ledgers that break it.

use task_scheduler::models::State;

use super::{Standing, Standings, check};
use crate::ledger::{Entry, Told};

/// Two rounds in which everything happens that may happen.
const SOUND: &str = "
    booted 100
    asked a well 1 0
    asked b well 1 200
    needs b a well
    accepted a
    accepted b
    start a 1 1.1 110 0
    saving a 1.1 1
    saved a 1.1 1
    saving a 1.1 2
    killed 120
    booted 130
    start a 1 2.1 140 2
    end a 2.1 well 150 0
    told a SUCCEEDED 2.1
    start b 1 2.2 201 0
    end b 2.2 failed 202 10
    start b 2 2.3 212 0
    spawning b 2.3 b/1
    start b/1 1 2.4 213 0
    end b/1 2.4 well 214 0
    spawned b 2.3 b/1
    end b 2.3 well 215 0
    asked c failed 0 0
    start c 1 2.5 220 0
    end c 2.5 failed 221 0
    told c FAILED HANDLER_FAILED:2.5
    asked d well 0 0
    needs d c well
    accepted d
    asked e well 0 0
    needs e c anyhow
    start e 1 2.6 230 0
    end e 2.6 well 231 0
    told e SUCCEEDED 2.6
    asked f well 0 900
    accepted f
    cancelling f
    verdict f CANCELLED
    asked g well 0 0
    needs g nobody well
    refused g DEPENDENCY_UNMET
    asked h well 0 0
    start h 1 2.7 240 0
    end h 2.7 snoozed 241 20
    start h 1 2.8 262 0
    cancelling h
    verdict h REQUESTED
    end h 2.8 well 263 0
    drained 300";

const STANDINGS: &str = "
    a 1 1 SUCCEEDED 2.1
    b 2 0 SUCCEEDED 2.3
    b/1 1 0 SUCCEEDED 2.4
    c 1 0 FAILED HANDLER_FAILED:2.5
    d 0 0 FAILED DEPENDENCY_FAILED:c
    e 1 0 SUCCEEDED 2.6
    f 0 0 CANCELLED
    h 1 0 SUCCEEDED 2.8";

fn findings(ledger: &str, standings: &str) -> Vec<String> {
    let entries: Vec<Entry> = ledger
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| line.parse().unwrap_or_else(|()| panic!("not a line: {line}")))
        .collect();
    let standings: Standings =
        standings.lines().map(str::trim).filter(|l| !l.is_empty()).map(standing).collect();
    check(&entries, &standings)
}

/// `ID ATTEMPTS RESCUES STATE TEXT`; of what has not ended only the first three.
fn standing(line: &str) -> (String, Standing) {
    let words: Vec<&str> = line.splitn(5, ' ').collect();
    let told = words.get(3).map(|state| {
        let state = State::ALL.into_iter().find(|known| known.as_str() == *state).unwrap();
        Told::new(state, words.get(4).unwrap_or(&""))
    });
    let (attempts, rescues) = (words[1].parse().unwrap(), words[2].parse().unwrap());
    (words[0].to_owned(), Standing { told, attempts, rescues })
}

/// What is found when these lines of the sound ledger are others. An empty new line takes the old
/// one out; so does a new one that ends in a line break put one before it.
#[track_caller]
fn broken(changes: &[(&str, &str)], expected: &[&str]) {
    let mut both = format!("{SOUND}\n==={STANDINGS}\n");
    for (old, new) in changes {
        let old = format!("    {old}\n");
        assert_eq!(both.matches(&old).count(), 1, "{old}");
        both = both
            .replace(&old, &if new.is_empty() { String::new() } else { format!("    {new}\n") });
    }
    let (ledger, standings) = both.split_once("===").unwrap();
    assert_eq!(findings(ledger, standings), expected);
}

#[test]
fn a_sound_ledger_is_sound() {
    assert_eq!(findings(SOUND, STANDINGS), Vec::<String>::new());
}

#[test]
fn a_task_that_is_lost_is_found() {
    broken(&[("d 0 0 FAILED DEPENDENCY_FAILED:c", "")], &["d was acknowledged, and is gone"]);
    broken(
        &[("accepted d", "accepted d\nmissing d")],
        &["d was acknowledged, and later GetResult did not know it"],
    );
    broken(&[("b/1 1 0 SUCCEEDED 2.4", "")], &["b/1 was acknowledged, and is gone"]);
    // Nobody was told of it, so it may be gone.
    broken(&[("accepted d", ""), ("d 0 0 FAILED DEPENDENCY_FAILED:c", "")], &[]);
}

#[test]
fn a_task_that_does_not_end_is_found() {
    broken(&[("d 0 0 FAILED DEPENDENCY_FAILED:c", "d 0 0")], &["d has not ended"]);
}

#[test]
fn a_stranger_is_found() {
    broken(
        &[("f 0 0 CANCELLED", "f 0 0 CANCELLED\nx 0 0 CANCELLED")],
        &["x is there, and nobody asked for it"],
    );
    broken(
        &[("drained 300", "start x 1 2.9 290 0\ndrained 300")],
        &["x is there, and nobody asked for it"],
    );
}

#[test]
fn a_refused_task_that_is_there_is_found() {
    broken(
        &[("f 0 0 CANCELLED", "f 0 0 CANCELLED\ng 0 0 FAILED DEPENDENCY_FAILED:x")],
        &["g was refused (DEPENDENCY_UNMET), and is there"],
    );
}

#[test]
fn an_outcome_that_changes_is_found() {
    broken(
        &[("told a SUCCEEDED 2.1", "told a CANCELLED")],
        &["a was told to be CANCELLED , and is SUCCEEDED 2.1 in the end"],
    );
    broken(
        &[("verdict h REQUESTED", "verdict h ALREADY_ENDED CANCELLED")],
        &[
            "h: who cancelled it was told ALREADY_ENDED Some(Cancelled), and it is SUCCEEDED 2.8 in the end",
        ],
    );
    broken(
        &[("verdict h REQUESTED", "verdict h CANCELLED")],
        &["h: who cancelled it was told CANCELLED None, and it is SUCCEEDED 2.8 in the end"],
    );
}

#[test]
fn an_ending_without_a_reason_is_found() {
    broken(&[("cancelling f", "")], &["f is CANCELLED  for no reason"]);
    broken(
        &[("d 0 0 FAILED DEPENDENCY_FAILED:c", "d 0 0 FAILED QUARANTINED:it")],
        &["d is FAILED QUARANTINED:it for no reason"],
    );
    broken(
        &[("d 0 0 FAILED DEPENDENCY_FAILED:c", "d 0 0 FAILED TIMED_OUT:it")],
        &["d is FAILED TIMED_OUT:it for no reason"],
    );
    broken(
        &[("needs d c well", "needs d a well")],
        &["d is FAILED DEPENDENCY_FAILED:c for no reason"],
    );
    broken(
        &[("asked c failed 0 0", "asked c well 0 0")],
        &["c is FAILED HANDLER_FAILED:2.5 for no reason"],
    );
}

#[test]
fn a_death_that_quarantines_two_is_found() {
    let deaths =
        "killed 1\nkilled 2\nkilled 3\nasked q well 0 0\nkilled 4\nkilled 5\nkilled 6\ndrained 300";
    broken(
        &[
            ("drained 300", deaths),
            ("f 0 0 CANCELLED", "f 0 0 CANCELLED\nq 0 3 FAILED QUARANTINED:x"),
        ],
        &[],
    );
    let two = "asked p well 0 0\nasked q well 0 0\nkilled 4\nkilled 5\nkilled 6\ndrained 300";
    let standings = (1..=5).map(|n| format!("\nq{n} 0 0 FAILED QUARANTINED:x")).collect::<String>();
    let asked = (1..=5).map(|n| format!("asked q{n} well 0 0\n")).collect::<String>();
    broken(
        &[
            ("drained 300", &format!("{asked}{two}")),
            ("f 0 0 CANCELLED", &format!("f 0 0 CANCELLED{standings}")),
        ],
        &[r#"4 deaths quarantined ["q1", "q2", "q3", "q4", "q5"]"#],
    );
}

#[test]
fn a_fence_that_is_used_twice_is_found() {
    broken(
        &[
            ("start c 1 2.5 220 0", "start c 1 2.6 220 0"),
            ("end c 2.5 failed 221 0", "end c 2.6 failed 221 0"),
            ("told c FAILED HANDLER_FAILED:2.5", "told c FAILED HANDLER_FAILED:2.6"),
            ("c 1 0 FAILED HANDLER_FAILED:2.5", "c 1 0 FAILED HANDLER_FAILED:2.6"),
        ],
        &["e starts under 2.6, as c did"],
    );
}

#[test]
fn a_fence_that_goes_back_is_found() {
    broken(
        &[
            ("start h 1 2.7 240 0", "start h 1 2.9 240 0"),
            ("end h 2.7 snoozed 241 20", "end h 2.9 snoozed 241 20"),
        ],
        &["h starts under 2.9 and then under 2.8"],
    );
    broken(
        &[
            (
                "drained 300",
                "drained 300\nasked x well 0 0\nstart x 1 2.99 400 0\nend x 2.99 well 401 0",
            ),
            ("f 0 0 CANCELLED", "f 0 0 CANCELLED\nx 1 0 SUCCEEDED 2.99"),
        ],
        &["x starts under 2.99, of a boot that is over"],
    );
}

#[test]
fn a_run_after_the_end_is_found() {
    // Told.
    broken(
        &[("drained 300", "killed 300\nstart a 1 3.1 310 2\nend a 3.1 well 311 0")],
        &[
            "a is SUCCEEDED 2.1, and was last started under 3.1",
            "a starts under 3.1 after its outcome was told",
            "b starts before a starts",
        ],
    );
    // Committed, and told nobody.
    broken(
        &[("drained 300", "killed 300\nstart b/1 1 3.1 310 0\nend b/1 3.1 well 311 0")],
        &["b/1 is SUCCEEDED 2.4, and was last started under 3.1"],
    );
    broken(
        &[("drained 300", "start f 1 2.9 910 0\ndrained 300")],
        &["f starts under 2.9 after CANCELLED"],
    );
    broken(
        &[
            ("verdict h REQUESTED", "verdict h REQUESTED\nkilled 1\nstart h 1 3.8 263 0"),
            ("end h 2.8 well 263 0", "end h 3.8 well 263 0"),
            ("h 1 0 SUCCEEDED 2.8", "h 1 0 SUCCEEDED 3.8"),
        ],
        &["h starts under 3.8 after REQUESTED"],
    );
}

#[test]
fn an_outcome_that_no_body_said_is_found() {
    broken(&[("end b 2.3 well 215 0", "")], &["b is SUCCEEDED 2.3, and its body did not say so"]);
    broken(
        &[("b 2 0 SUCCEEDED 2.3", "b 2 0 SUCCEEDED nonsense")],
        &["b is SUCCEEDED nonsense, which no body said"],
    );
}

#[test]
fn a_dependant_that_runs_too_early_is_found() {
    broken(
        &[("needs b a well", "needs b a well\nneeds b h anyhow")],
        &["b starts before h starts", "b starts before h ends"],
    );
    broken(
        &[("needs b a well", "needs b d well")],
        &["b is SUCCEEDED 2.3 for no reason", "b starts, and d is FAILED DEPENDENCY_FAILED:c"],
    );
    broken(
        &[("needs e c anyhow", "needs e h anyhow"), ("h 1 0 SUCCEEDED 2.8", "h 1 0")],
        &["h has not ended", "e starts, and h has not ended"],
    );
}

#[test]
fn a_start_before_its_time_is_found() {
    broken(&[("start b 1 2.2 201 0", "start b 1 2.2 190 0")], &["b starts 10 ms before its time"]);
    broken(&[("start h 1 2.8 262 0", "start h 1 2.8 250 0")], &["h starts again 11 ms too early"]);
    broken(
        &[("end b 2.2 failed 202 10", "end b 2.2 failed 202 20")],
        &["b starts again 10 ms too early"],
    );
}

#[test]
fn a_checkpoint_that_goes_back_is_found() {
    let found = |what: &str| {
        format!("a finds the checkpoint {what} under 2.1, after Some(1) to 2 were saved")
    };
    broken(&[("start a 1 2.1 140 2", "start a 1 2.1 140 0")], &[&found("0")]);
    broken(&[("start a 1 2.1 140 2", "start a 1 2.1 140 3")], &[&found("3")]);
    broken(&[("start a 1 2.1 140 2", "start a 1 2.1 140 1")], &[]);
}

#[test]
fn a_stale_write_is_found() {
    broken(
        &[("start b 2 2.3 212 0", "start b 2 2.3 212 0\nsaving b 2.2 1\nsaved b 2.2 1")],
        &["b saves 1 under 2.2, which is over"],
    );
    broken(
        &[("told a SUCCEEDED 2.1", "told a SUCCEEDED 2.1\nsaving a 2.1 3\nsaved a 2.1 3")],
        &["a saves 3 under 2.1, which is over"],
    );
    broken(
        &[("start b 2 2.3 212 0", "start b 2 2.3 212 0\nspawning b 2.2 b/1\nspawned b 2.2 b/1")],
        &["b spawns b/1 under 2.2, which is over"],
    );
    // Refused, as it should be.
    broken(&[("start b 2 2.3 212 0", "start b 2 2.3 212 0\nsaving b 2.2 1")], &[]);
}

#[test]
fn an_attempt_that_is_misnumbered_is_found() {
    broken(
        &[
            ("start b 2 2.3 212 0", "start b 3 2.3 212 0"),
            ("b 2 0 SUCCEEDED 2.3", "b 2 0 SUCCEEDED 2.3"),
        ],
        &[
            "b: after attempt 1 (2.2, Some(Failed)) comes attempt 3 (2.3)",
            "b counts 2 attempts; the last was 3",
        ],
    );
    broken(
        &[
            ("start b 2 2.3 212 0", "start b 1 2.3 212 0"),
            ("b 2 0 SUCCEEDED 2.3", "b 1 0 SUCCEEDED 2.3"),
        ],
        &["b: after attempt 1 (2.2, Some(Failed)) comes attempt 1 (2.3)"],
    );
    broken(
        &[
            ("start h 1 2.8 262 0", "start h 2 2.8 262 0"),
            ("h 1 0 SUCCEEDED 2.8", "h 1 0 SUCCEEDED 2.8"),
        ],
        &[
            "h: after attempt 1 (2.7, Some(Snoozed)) comes attempt 2 (2.8)",
            "h counts 1 attempts; the last was 2",
        ],
    );
    broken(
        &[("start h 1 2.7 240 0", "start h 2 2.7 240 0")],
        &[
            "h begins with attempt 2",
            "h: after attempt 2 (2.7, Some(Snoozed)) comes attempt 1 (2.8)",
        ],
    );
}

#[test]
fn attempts_and_rescues_that_are_miscounted_are_found() {
    broken(
        &[("a 1 1 SUCCEEDED 2.1", "a 1 0 SUCCEEDED 2.1")],
        &["a counts 0 rescues; there were 1 to 1"],
    );
    broken(
        &[("a 1 1 SUCCEEDED 2.1", "a 1 2 SUCCEEDED 2.1")],
        &["a counts 2 rescues; there were 1 to 1"],
    );
    broken(
        &[("e 1 0 SUCCEEDED 2.6", "e 1 1 SUCCEEDED 2.6")],
        &["e counts 1 rescues; there were 0 to 0"],
    );
    broken(
        &[("asked b well 1 200", "asked b well 0 200")],
        &["b had 2 attempts, and might have 1"],
    );
    // A claim that was not synced is no run that was cut short.
    broken(
        &[("killed 120", "power-lost 120"), ("a 1 1 SUCCEEDED 2.1", "a 1 0 SUCCEEDED 2.1")],
        &[],
    );
    // The start was before the acknowledgement, so the insert may have been lost with it.
    broken(&[("accepted a", ""), ("a 1 1 SUCCEEDED 2.1", "a 1 0 SUCCEEDED 2.1")], &[]);
}
