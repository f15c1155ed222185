//! Schedules through ends of the process: each occurrence runs once, and none is lost that the policy
//! makes up for.

use std::collections::BTreeMap;
use std::fs;

use task_scheduler::pb;

use crate::client::{Client, named};
use crate::ledger::Entry;
use crate::server::Place;
use crate::waiting::eventually;

/// As many as make a batch in which a kill is likely to fall.
const SCHEDULES: usize = 200;
const KILLS: usize = 4;

fn every_second(name: &str) -> pb::Schedule {
    let task = pb::TaskRequest { task_id: String::new(), ..named("", "quick", []) };
    let every = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    // All of them are due in one moment.
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

/// The occurrences of each schedule for which a body has begun, and how often.
fn begun(place: &Place) -> BTreeMap<String, usize> {
    let mut begun = BTreeMap::new();
    for entry in place.ledger.read() {
        if let Entry::Start { id, .. } = entry {
            *begun.entry(id).or_default() += 1;
        }
    }
    begun
}

async fn status(client: &Client, name: &str) -> pb::ScheduleStatus {
    let request = pb::GetScheduleRequest { name: name.into() };
    let answer = client.rpc().get_schedule(request).await.unwrap().into_inner();
    answer.schedule.expect("an answer without its schedule")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_occurrence_runs_once_however_often_the_process_dies_in_a_due_batch() {
    let place = Place::new();
    // What ran at a kill runs again, so often that it would be held for suspect.
    let flags = ["--quarantine-after", "0"];
    let mut server = place.boot(&flags);
    let client = server.client().await;
    for n in 0..SCHEDULES {
        let request = pb::PutScheduleRequest { schedule: Some(every_second(&name(n))) };
        client.rpc().put_schedule(request).await.unwrap();
    }
    for _ in 0..KILLS {
        // As soon as some of a batch have begun and others, most likely, have not.
        let before = begun(&place).len();
        eventually("a batch is under way", async || (begun(&place).len() > before).then_some(()))
            .await;
        place.kill(server);
        server = place.boot(&flags);
    }
    let client = server.client().await;
    let mut ends = Vec::new();
    for n in 0..SCHEDULES {
        let request = pb::DisableScheduleRequest { name: name(n) };
        client.rpc().disable_schedule(request).await.unwrap();
        ends.push(status(&client, &name(n)).await);
    }
    let accepted: u64 = ends.iter().map(|end| end.executed).sum();
    eventually("every run has begun", async || {
        (begun(&place).len() as u64 >= accepted).then_some(())
    })
    .await;
    let begun = begun(&place);
    assert_eq!(begun.len() as u64, accepted, "one task for each run that was accepted");
    for (n, end) in ends.iter().enumerate() {
        let name = name(n);
        let prefix = format!("schedule/{name}/");
        let mut seconds: Vec<i64> = begun
            .keys()
            .filter_map(|id| id.strip_prefix(&prefix))
            .map(|time| time.parse::<prost_types::Timestamp>().unwrap().seconds)
            .collect();
        seconds.sort_unstable();
        assert!(
            seconds.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "{name} lost a second, or has one twice: {seconds:?}"
        );
        assert_eq!((end.missed, end.skipped), (0, 0), "{name}");
        assert_eq!(seconds.len() as u64, end.executed, "{name}");
    }
    place.drain(server).await;
    // Whatever began twice was rescued: it is the same run of the same occurrence.
    println!("{accepted} occurrences of {SCHEDULES} schedules through {KILLS} kills");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn declared_schedules_keep_their_next_time_and_their_being_disabled_through_restarts() {
    let place = Place::new();
    let file = place.gate("schedules.yaml");
    let declare = |text: &str| fs::write(&file, text).unwrap();
    declare(
        "- {name: rare, cron: '0 0 29 2 *', method: quick}\n- {name: off, every: 1h, method: quick}\n",
    );
    let flags = ["--schedules", &*file];
    let server = place.boot(&flags);
    let client = server.client().await;
    let first = status(&client, "rare").await;
    client.rpc().disable_schedule(pb::DisableScheduleRequest { name: "off".into() }).await.unwrap();
    let by_hand = pb::PutScheduleRequest { schedule: Some(every_second("by-hand")) };
    client.rpc().put_schedule(by_hand).await.unwrap();
    place.kill(server);

    let server = place.boot(&flags);
    let client = server.client().await;
    assert_eq!(status(&client, "rare").await, first, "nothing was defined anew");
    assert!(status(&client, "off").await.schedule.unwrap().disabled);
    // What no file declares stays.
    assert!(!status(&client, "by-hand").await.schedule.unwrap().disabled);
    place.kill(server);

    declare(
        "- {name: rare, cron: '0 0 1 1 *', method: quick}\n- {name: off, every: 1h, method: quick, enabled: true}\n",
    );
    let server = place.boot(&flags);
    let client = server.client().await;
    let second = status(&client, "rare").await;
    assert_eq!(second.created_at, first.created_at);
    assert_ne!(second.next_run_at, first.next_run_at, "the file wins");
    assert!(!status(&client, "off").await.schedule.unwrap().disabled);
    place.drain(server).await;
}
