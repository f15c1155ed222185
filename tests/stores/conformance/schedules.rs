//! Schedules: created, enabled, disabled, deleted and read.

use std::sync::Arc;

use task_scheduler::clock::Timestamp;
use task_scheduler::models::{
    CatchUp, Event, Fact, Overlap, Rule, Schedule, ScheduleCounts, ScheduleFact, ScheduleStatus,
};
use task_scheduler::store::{Change, ChangeResult, DueSchedules};

use super::defined::*;
use super::given::*;

on_every_store!(
    a_schedule_is_created_and_read,
    every_rule_and_policy_is_stored,
    another_definition_keeps_runs_and_counts,
    a_disabled_schedule_has_no_next_time,
    a_schedule_is_enabled_and_disabled,
    a_definition_computed_before_a_firing_does_not_reset_the_next_time,
    an_unknown_schedule_is_not_found,
    a_deleted_schedule_is_gone,
    schedules_are_paged_by_name,
    due_schedules_come_earliest_first,
    many_schedules_are_due_at_once,
    a_schedule_survives_the_process,
);

fn told(given: &Given, fact: ScheduleFact) -> Event {
    Event { at: given.now(), fact: Fact::Schedule(called("s"), fact) }
}

async fn a_schedule_is_created_and_read(given: Given) {
    let next = Some(given.after(SECOND));
    let defined = schedule("s", Overlap::Skip);
    let applied = given.tell(set(&defined, true, next)).await;
    assert_eq!(applied.result, ChangeResult::Done);
    assert_eq!(applied.events, [told(&given, ScheduleFact::Created { next })]);
    let expected = ScheduleStatus {
        schedule: defined,
        revision: 1,
        enabled: true,
        next,
        created_at: given.now(),
        updated_at: given.now(),
        runs: Vec::new(),
        counts: ScheduleCounts::default(),
    };
    assert_eq!(given.status("s").await, expected);
    assert_eq!(given.known("template").await, None, "its task is no task");
}

async fn every_rule_and_policy_is_stored(given: Given) {
    let cron = Rule::Cron { expression: "0 4 * * MON".into(), time_zone: "Europe/Berlin".into() };
    let every = Rule::Every { interval: 3 * SECOND / 2, anchor: given.now() };
    for rule in [cron, every] {
        for overlap in [Overlap::Allow, Overlap::Skip, Overlap::Replace] {
            for catch_up in [CatchUp::None, CatchUp::Last, CatchUp::All(17)] {
                let rule = rule.clone();
                let defined =
                    Schedule { rule, catch_up, ..Schedule::clone(&schedule("s", overlap)) };
                given.commit(set(&Arc::new(defined.clone()), true, None)).await;
                assert_eq!(*given.status("s").await.schedule, defined);
            }
        }
    }
}

async fn another_definition_keeps_runs_and_counts(given: Given) {
    given.define("s", Overlap::Skip).await;
    given.fire("s", &["r1"]).await;
    let before = given.status("s").await;
    given.wait(SECOND);
    let (next, defined) = (Some(given.after(SECOND)), schedule("s", Overlap::Allow));
    let applied = given.tell(set(&defined, true, next)).await;
    assert_eq!(applied.events, [told(&given, ScheduleFact::Updated { next })]);
    let expected = ScheduleStatus {
        schedule: defined,
        revision: 2,
        next,
        updated_at: given.now(),
        ..before.clone()
    };
    assert_eq!(before.runs.len(), 1);
    assert_eq!(given.status("s").await, expected);
}

async fn a_disabled_schedule_has_no_next_time(given: Given) {
    let applied = given.tell(set(&schedule("s", Overlap::Skip), false, Some(given.now()))).await;
    assert_eq!(applied.events, [told(&given, ScheduleFact::Created { next: None })]);
    let status = given.status("s").await;
    assert_eq!((status.enabled, status.next), (false, None));
    let due = given.store.due_schedules(given.now(), 9).await.expect("it reads");
    assert_eq!(due, DueSchedules::default());
}

async fn a_schedule_is_enabled_and_disabled(given: Given) {
    given.define("s", Overlap::Skip).await;
    let enable = |enabled, next| Change::EnableSchedule { name: called("s"), enabled, next };
    let applied = given.tell(enable(false, None)).await;
    assert_eq!(applied.events, [told(&given, ScheduleFact::Disabled)]);
    let status = given.status("s").await;
    assert_eq!((status.enabled, status.next, status.revision), (false, None, 2));
    let next = Some(given.after(SECOND));
    let applied = given.tell(enable(true, next)).await;
    assert_eq!(applied.events, [told(&given, ScheduleFact::Enabled { next })]);
    assert_eq!(given.status("s").await.next, next);
    // It is enabled already.
    let before = given.status("s").await;
    assert_eq!((before.enabled, before.next, before.revision), (true, next, 3));
    assert_eq!(given.tell(enable(true, Some(given.after(2 * SECOND)))).await.events, []);
    assert_eq!(given.status("s").await, before);
}

async fn a_definition_computed_before_a_firing_does_not_reset_the_next_time(given: Given) {
    given.define("s", Overlap::Allow).await;
    let seen = given.status("s").await;
    given.fire("s", &["r1"]).await;
    let fired = given.status("s").await;
    assert!(fired.next > seen.next);
    let anew = Arc::new(Schedule {
        description: "anew".into(),
        ..Schedule::clone(&schedule("s", Overlap::Allow))
    });
    let redefine = |revision, enabled| Change::RedefineSchedule {
        schedule: anew.clone(),
        enabled,
        next: seen.next,
        revision,
    };
    let applied = given.tell(redefine(seen.revision, true)).await;
    assert_eq!(applied.events, [told(&given, ScheduleFact::Updated { next: fired.next })]);
    let expected = ScheduleStatus { schedule: anew.clone(), revision: 2, ..fired };
    assert_eq!(given.status("s").await, expected);
    // Another definition came first.
    assert_eq!(given.commit(redefine(seen.revision, true)).await.result, ChangeResult::Stale);
    assert_eq!(given.status("s").await, expected);
    // A schedule without a next time gets this one, unless it is disabled.
    given.tell(redefine(2, false)).await;
    assert_eq!(given.status("s").await.next, None);
    given.tell(redefine(3, true)).await;
    assert_eq!(given.status("s").await.next, seen.next);
    given.commit(Change::DeleteSchedule { name: called("s") }).await;
    assert_eq!(given.commit(redefine(4, true)).await.result, ChangeResult::Stale);
}

async fn an_unknown_schedule_is_not_found(given: Given) {
    let name = called("nobody");
    let run = given.insert(run_of("nobody", "r"));
    for change in [
        Change::EnableSchedule { name: name.clone(), enabled: true, next: None },
        Change::DeleteSchedule { name: name.clone() },
        Change::Trigger { name: name.clone(), occurrence: given.now(), run },
    ] {
        assert_eq!(given.commit(change).await.result, ChangeResult::NotFound);
    }
    assert_eq!(given.store.schedule(&name).await.expect("it reads"), None);
    assert_eq!(given.known("r").await, None);
}

async fn a_deleted_schedule_is_gone(given: Given) {
    given.define("s", Overlap::Skip).await;
    given.fire("s", &["r1"]).await;
    let applied = given.tell(Change::DeleteSchedule { name: called("s") }).await;
    assert_eq!(applied.events, [told(&given, ScheduleFact::Deleted)]);
    assert_eq!(given.store.schedule(&called("s")).await.expect("it reads"), None);
    assert_eq!(given.store.schedules(None, 9).await.expect("it reads"), []);
    let due = given.store.due_schedules(given.after(99 * SECOND), 9).await.expect("it reads");
    assert_eq!(due, DueSchedules::default());
    // Its runs go on, and a new schedule of that name does not count them.
    let sequence = given.find("r1").await.sequence.expect("it is stored");
    given.define("s", Overlap::Skip).await;
    let fence = given.claim(sequence).await.expect("it goes on").fence;
    given.commit(fail(sequence, fence)).await;
    let status = given.status("s").await;
    assert_eq!(
        (status.revision, status.runs, status.counts),
        (1, vec![], ScheduleCounts::default())
    );
}

async fn schedules_are_paged_by_name(given: Given) {
    for name in ["b", "a-2", "C", "a.1"] {
        given.define(name, Overlap::Skip).await;
    }
    let page = async |after: Option<&str>, limit| {
        let after = after.map(called);
        let page = given.store.schedules(after.as_ref(), limit).await.expect("it reads");
        page.iter().map(|status| status.schedule.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 9).await, ["C", "a-2", "a.1", "b"]);
    assert_eq!(page(None, 2).await, ["C", "a-2"]);
    assert_eq!(page(Some("a-2"), 2).await, ["a.1", "b"]);
    assert_eq!(page(Some("aa"), 2).await, ["b"]);
    assert_eq!(page(Some("b"), 2).await, Vec::<String>::new());
}

async fn due_schedules_come_earliest_first(given: Given) {
    let at = |seconds: u32| given.after(seconds * SECOND);
    for (name, next) in [("late", 9), ("second", 2), ("first", 1), ("a-second", 2)] {
        given.commit(set(&schedule(name, Overlap::Skip), true, Some(at(next)))).await;
    }
    given.commit(set(&schedule("never", Overlap::Skip), true, None)).await;
    let due = async |now, limit| {
        let DueSchedules { due, next } =
            given.store.due_schedules(now, limit).await.expect("it reads");
        let names = due.iter().map(|status| status.schedule.name.to_string());
        (names.collect::<Vec<_>>(), next)
    };
    let none: Vec<String> = Vec::new();
    assert_eq!(due(at(0), 9).await, (none, Some(at(1))));
    let both = ["first", "a-second", "second"].map(str::to_owned).to_vec();
    assert_eq!(due(at(2), 9).await, (both, Some(at(9))));
    assert_eq!(due(at(2), 1).await, (vec!["first".to_owned()], Some(at(2))));
    let all = ["first", "a-second", "second", "late"].map(str::to_owned).to_vec();
    assert_eq!(due(at(10), 9).await, (all, None));
}

async fn many_schedules_are_due_at_once(given: Given) {
    let now = given.now();
    let changes = (0..500)
        .map(|number| set(&schedule(&format!("s{number}"), Overlap::Skip), true, Some(now)));
    given.commit_all(changes.collect()).await;
    let due = given.store.due_schedules(now, 1_000).await.expect("it reads");
    assert_eq!((due.due.len(), due.next), (500, None));
    let firings = due.due.iter().map(|status| {
        let name = status.schedule.name.clone();
        let run = given.insert(run_of(name.as_str(), &format!("run of {name}")));
        let next = Some(now.plus(60 * SECOND));
        Change::Fire(task_scheduler::store::Firing {
            name,
            revision: status.revision,
            due: now,
            runs: vec![(now, run)],
            missed: None,
            next,
        })
    });
    for applied in given.commit_all(firings.collect()).await.applied {
        assert_eq!(applied.result, ChangeResult::Fired { entered: vec![true] });
    }
    let due = given.store.due_schedules(now, 1_000).await.expect("it reads");
    assert_eq!((due.due.len(), due.next), (0, Some(now.plus(60 * SECOND))));
}

async fn a_schedule_survives_the_process(mut given: Given) {
    given.define("s", Overlap::Replace).await;
    given.fire("s", &["r1", "r2"]).await;
    let before = given.status("s").await;
    let due = given.store.due_schedules(Timestamp::EPOCH, 9).await.expect("it reads");
    let durable = given.store.properties().durable;
    given.restart().await;
    if durable {
        assert_eq!(given.status("s").await, before);
        let again = given.store.due_schedules(Timestamp::EPOCH, 9).await.expect("it reads");
        assert_eq!(again, due);
        let result = given.fire("s", &["r3"]).await.result;
        assert_eq!(result, ChangeResult::Fired { entered: vec![true] });
    } else {
        assert_eq!(given.store.schedules(None, 9).await.expect("it reads"), []);
    }
}
