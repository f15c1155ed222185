//! Schedules and crashes: each occurrence runs exactly once, and the catch-up policy loses none.

use std::collections::BTreeMap;
use std::fs;

use task_scheduler::pb;

use crate::client::{Client, named};
use crate::ledger::Entry;
use crate::server::Fixture;
use crate::waiting::eventually;

/// Enough for a batch that a kill is likely to interrupt.
const SCHEDULES: usize = 200;
const KILLS: usize = 4;

fn every_second(name: &str) -> pb::Schedule {
    let task = pb::TaskRequest { task_id: String::new(), ..named("", "quick", []) };
    let every = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    // All schedules are due at the same time.
    let anchor = Some(prost_types::Timestamp { seconds: 0, nanos: 0 });
    pb::Schedule {
        name: name.into(),
        rule: Some(pb::schedule::Rule::Interval(pb::IntervalRule { every, anchor })),
        task: Some(task),
        overlap: pb::OverlapPolicy::Allow.into(),
        catch_up: pb::CatchUpPolicy::All.into(),
        max_catch_up: 1_000,
        ..Default::default()
    }
}

fn name(n: usize) -> String {
    format!("s{n}")
}

/// How often each task of a schedule has started.
fn started(fixture: &Fixture) -> BTreeMap<String, usize> {
    let mut started = BTreeMap::new();
    for entry in fixture.ledger.read() {
        if let Entry::Start { id, .. } = entry {
            *started.entry(id).or_default() += 1;
        }
    }
    started
}

async fn status(client: &Client, name: &str) -> pb::ScheduleStatus {
    let request = pb::GetScheduleRequest { name: name.into() };
    let answer = client.rpc().get_schedule(request).await.unwrap().into_inner();
    answer.schedule.expect("an answer without its schedule")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_occurrence_runs_once_although_the_process_is_killed_in_a_due_batch() {
    let fixture = Fixture::new();
    // Tasks that ran at a kill run again; after several kills they would be quarantined.
    let flags = ["--quarantine-after", "0"];
    let mut server = fixture.boot(&flags);
    let client = server.client().await;
    for n in 0..SCHEDULES {
        let request = pb::PutScheduleRequest { schedule: Some(every_second(&name(n))) };
        client.rpc().put_schedule(request).await.unwrap();
    }
    for _ in 0..KILLS {
        // Kill while some tasks of a batch have started and others, most likely, have not.
        let before = started(&fixture).len();
        eventually("some tasks of a batch have started", async || {
            (started(&fixture).len() > before).then_some(())
        })
        .await;
        fixture.kill(server);
        server = fixture.boot(&flags);
    }
    let client = server.client().await;
    let mut statuses = Vec::new();
    for n in 0..SCHEDULES {
        let request = pb::DisableScheduleRequest { name: name(n) };
        client.rpc().disable_schedule(request).await.unwrap();
        statuses.push(status(&client, &name(n)).await);
    }
    let accepted: u64 = statuses.iter().map(|status| status.executed).sum();
    eventually("every run has started", async || {
        (started(&fixture).len() as u64 >= accepted).then_some(())
    })
    .await;
    let started = started(&fixture);
    assert_eq!(started.len() as u64, accepted, "one task for each run that was accepted");
    for (n, status) in statuses.iter().enumerate() {
        let name = name(n);
        let prefix = format!("schedule/{name}/");
        let mut seconds: Vec<i64> = started
            .keys()
            .filter_map(|id| id.strip_prefix(&prefix))
            .map(|time| time.parse::<prost_types::Timestamp>().unwrap().seconds)
            .collect();
        seconds.sort_unstable();
        assert!(
            seconds.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "{name} lost a second, or has one twice: {seconds:?}"
        );
        assert_eq!((status.missed, status.skipped), (0, 0), "{name}");
        assert_eq!(seconds.len() as u64, status.executed, "{name}");
    }
    fixture.drain(server).await;
    // A task that started twice was rescued: it is the same run of the same occurrence.
    println!("{accepted} occurrences of {SCHEDULES} schedules through {KILLS} kills");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn declared_schedules_keep_their_next_run_and_their_disabled_state_across_restarts() {
    let fixture = Fixture::new();
    let file = fixture.gate("schedules.yaml");
    let declare = |text: &str| fs::write(&file, text).unwrap();
    declare(
        "- {name: rare, cron: '0 0 29 2 *', method: quick}\n- {name: off, every: 1h, method: quick}\n",
    );
    let flags = ["--schedules", &*file];
    let server = fixture.boot(&flags);
    let client = server.client().await;
    let first = status(&client, "rare").await;
    client.rpc().disable_schedule(pb::DisableScheduleRequest { name: "off".into() }).await.unwrap();
    let undeclared = pb::PutScheduleRequest { schedule: Some(every_second("undeclared")) };
    client.rpc().put_schedule(undeclared).await.unwrap();
    fixture.kill(server);

    let server = fixture.boot(&flags);
    let client = server.client().await;
    assert_eq!(status(&client, "rare").await, first, "an unchanged definition is not replaced");
    assert!(status(&client, "off").await.schedule.unwrap().disabled);
    // A schedule that the file does not declare stays.
    assert!(!status(&client, "undeclared").await.schedule.unwrap().disabled);
    fixture.kill(server);

    declare(
        "- {name: rare, cron: '0 0 1 1 *', method: quick}\n- {name: off, every: 1h, method: quick, enabled: true}\n",
    );
    let server = fixture.boot(&flags);
    let client = server.client().await;
    let second = status(&client, "rare").await;
    assert_eq!(second.created_at, first.created_at);
    assert_ne!(second.next_run_at, first.next_run_at, "the file wins");
    assert!(!status(&client, "off").await.schedule.unwrap().disabled);
    fixture.drain(server).await;
}
