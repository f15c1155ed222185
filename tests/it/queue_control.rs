//! ListQueues, PauseQueue, ResumeQueue and SetQueueLimits.

use std::time::Duration;

use task_scheduler::pb;
use task_scheduler::pb::TaskState;

use crate::client::{Client, NOTHING, Refused, in_queue, later, named, span};
use crate::server::{Server, Setup, with_methods};

/// Enqueues tasks that wait for gates with their own ids, in this queue.
async fn enqueue(server: &Server, client: &Client, queue: &str, names: &[&str]) {
    for name in names {
        client.enqueue(in_queue(queue, named(name, "wait", [server.path(name)]))).await.unwrap();
    }
}

async fn states(client: &Client, names: &[&str]) -> Vec<TaskState> {
    let mut states = Vec::new();
    for name in names {
        states.push(client.task(name).await.unwrap().state());
    }
    states
}

fn limits(set: impl FnOnce(&mut pb::QueueLimits)) -> Option<pb::QueueLimits> {
    let mut limits = pb::QueueLimits::default();
    set(&mut limits);
    Some(limits)
}

/// `count` starts, then none for an hour.
fn an_hour_for(count: u32) -> Option<pb::RateLimit> {
    Some(pb::RateLimit { count, per: span(Duration::from_secs(3_600 * u64::from(count))) })
}

#[tokio::test]
async fn a_paused_queue_starts_nothing_and_its_running_tasks_continue() {
    let server = with_methods();
    let client = server.client().await;
    enqueue(&server, &client, "mail", &["before"]).await;
    client.once("before", TaskState::Running).await;
    assert!(client.pause("mail").await.paused);
    for durability in [pb::Durability::Durable, pb::Durability::Ephemeral] {
        let id = format!("{durability:?}");
        let request = in_queue("mail", named(&id, "write", [server.path("ledger"), id.clone()]));
        let request = crate::client::with(request, |o| o.durability = durability.into());
        assert_eq!(client.enqueue(request).await.unwrap().state(), TaskState::Queued);
    }
    // Other queues and running tasks are not affected.
    assert_eq!(client.run(named("other", "ping", NOTHING)).await, "pong");
    server.open_gate("before");
    client.once("before", TaskState::Succeeded).await;
    assert_eq!(states(&client, &["Durable", "Ephemeral"]).await, [TaskState::Queued; 2]);
    let queue = client.queue("mail").await;
    assert_eq!((queue.paused, queue.waiting, queue.running), (true, 2, 0));

    assert!(!client.resume("mail").await.paused);
    client.once("Durable", TaskState::Succeeded).await;
    client.once("Ephemeral", TaskState::Succeeded).await;
}

#[tokio::test]
async fn a_repeated_pause_or_resume_is_answered() {
    let server = with_methods();
    let client = server.client().await;
    for _ in 0..2 {
        assert!(client.pause("new").await.paused);
    }
    for _ in 0..2 {
        assert!(!client.resume("new").await.paused);
    }
    assert_eq!(client.run(in_queue("new", named("one", "ping", NOTHING))).await, "pong");
}

#[tokio::test]
async fn a_task_of_a_paused_queue_can_be_cancelled_and_can_expire() {
    let server = with_methods();
    let client = server.client().await;
    client.pause("mail").await;
    client.enqueue(in_queue("mail", named("unwanted", "ping", NOTHING))).await.unwrap();
    let cancel = pb::CancelTasksRequest { queue: "mail".into(), ..Default::default() };
    client.cancel(cancel).await.unwrap();
    assert_eq!(states(&client, &["unwanted"]).await, [TaskState::Cancelled]);
    let late = crate::client::with(in_queue("mail", named("late", "ping", NOTHING)), |o| {
        o.ttl = crate::client::ms(50);
    });
    client.enqueue(late).await.unwrap();
    client.once("late", TaskState::Expired).await;
}

#[tokio::test]
async fn raising_the_limit_starts_more_tasks_at_once() {
    use TaskState::{Queued, Running};
    let server = with_methods();
    let client = server.client().await;
    let queue = client.limit("mail", limits(|o| o.concurrency = 1)).await.unwrap();
    let expected =
        pb::QueueLimits { weight: 1, concurrency: 1, concurrency_per_key: 1, ..Default::default() };
    assert_eq!(queue.limits, Some(expected));
    let names = ["a", "b", "c", "d"];
    enqueue(&server, &client, "mail", &names).await;
    client.once("a", Running).await;
    assert_eq!(states(&client, &names).await, [Running, Queued, Queued, Queued]);
    client.limit("mail", limits(|o| o.concurrency = 3)).await.unwrap();
    client.once("c", Running).await;
    assert_eq!(states(&client, &names).await, [Running, Running, Running, Queued]);
    // A lower limit stops no running task; nothing new starts until the queue is within it.
    client.limit("mail", limits(|o| o.concurrency = 1)).await.unwrap();
    server.open_gate("a");
    client.once("a", TaskState::Succeeded).await;
    assert_eq!(states(&client, &names[1..]).await, [Running, Running, Queued]);
    // Without limits, all may run.
    client.limit("mail", None).await.unwrap();
    client.once("d", Running).await;
    for name in names {
        server.open_gate(name);
        client.once(name, TaskState::Succeeded).await;
    }
}

#[tokio::test]
async fn a_queue_accepts_as_many_tasks_as_its_length() {
    let server = with_methods();
    let client = server.client().await;
    client.limit("mail", limits(|o| o.max_length = Some(2))).await.unwrap();
    for id in ["a", "b"] {
        client.enqueue(in_queue("mail", later(named(id, "ping", NOTHING)))).await.unwrap();
    }
    let third = in_queue("mail", later(named("c", "ping", NOTHING)));
    let refused = Refused::from(client.enqueue(third.clone()).await.unwrap_err());
    assert_eq!(refused.reason, "QUEUE_FULL");
    client.limit("mail", limits(|o| o.max_length = Some(3))).await.unwrap();
    client.enqueue(third).await.unwrap();
}

#[tokio::test]
async fn the_rate_limits_how_many_tasks_start() {
    use TaskState::{Queued, Succeeded};
    let server = with_methods();
    let client = server.client().await;
    client.limit("mail", limits(|o| o.rate = an_hour_for(3))).await.unwrap();
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        client.enqueue(in_queue("mail", named(name, "ping", NOTHING))).await.unwrap();
    }
    client.once("c", Succeeded).await;
    assert_eq!(client.run(named("other", "ping", NOTHING)).await, "pong");
    let expected = [Succeeded, Succeeded, Succeeded, Queued, Queued];
    assert_eq!(states(&client, &names).await, expected);
    // A higher rate starts them at once.
    let rate = Some(pb::RateLimit { count: 1_000, per: span(Duration::from_secs(1)) });
    client.limit("mail", limits(|o| o.rate = rate)).await.unwrap();
    client.once("e", Succeeded).await;
}

#[tokio::test]
async fn a_rate_limit_starts_the_next_task_in_time() {
    let server = with_methods();
    let client = server.client().await;
    let rate = Some(pb::RateLimit { count: 1, per: crate::client::ms(100) });
    client.limit("mail", limits(|o| o.rate = rate)).await.unwrap();
    for n in 0..4 {
        client.enqueue(in_queue("mail", named(&format!("t{n}"), "ping", NOTHING))).await.unwrap();
    }
    client.once("t3", TaskState::Succeeded).await;
    let mut started = Vec::new();
    for n in 0..4 {
        let at = client.task(&format!("t{n}")).await.unwrap().started_at.unwrap();
        started.push(at.seconds * 1_000_000 + i64::from(at.nanos) / 1_000);
    }
    let apart: Vec<i64> = started.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(apart.iter().all(|apart| *apart >= 99_000), "{apart:?} µs");
}

#[tokio::test]
async fn queues_are_listed_by_name_with_their_counts() {
    let server =
        Setup::with_methods().config("[queues.declared]\nweight = 7\nconcurrency = 2\n").start();
    let client = server.client().await;
    enqueue(&server, &client, "mail", &["runs"]).await;
    client.once("runs", TaskState::Running).await;
    for id in ["a", "b"] {
        client.enqueue(in_queue("mail", later(named(id, "ping", NOTHING)))).await.unwrap();
    }
    client.pause("alone").await;
    let answer = client.rpc().list_queues(pb::ListQueuesRequest {}).await.unwrap().into_inner();
    let names: Vec<_> = answer.queues.iter().map(|queue| &*queue.name).collect();
    assert!(names.is_sorted(), "{names:?}");
    for name in ["alone", "declared", "mail"] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    let mail = client.queue("mail").await;
    assert_eq!((mail.waiting, mail.running, mail.paused), (2, 1, false));
    let declared = client.queue("declared").await;
    let expected =
        pb::QueueLimits { weight: 7, concurrency: 2, concurrency_per_key: 1, ..Default::default() };
    assert_eq!((declared.limits, declared.waiting), (Some(expected), 0));
    assert!(client.queue("alone").await.paused);
    server.open_gate("runs");
}

#[tokio::test]
async fn invalid_limits_are_refused_and_change_nothing() {
    let server = with_methods();
    let client = server.client().await;
    client.limit("mail", limits(|o| o.weight = 5)).await.unwrap();
    let check = async |set: fn(&mut pb::QueueLimits), field: &str, why: &str| {
        let refused = client.limit("mail", limits(set)).await.unwrap_err();
        assert_eq!(Refused::from(refused), Refused::invalid(field, why));
    };
    check(|o| o.weight = 1_001, "limits.weight", "1001; expected 1 to 1000").await;
    check(
        |o| o.rate = Some(pb::RateLimit::default()),
        "limits.rate.count",
        "0; expected at least 1",
    )
    .await;
    check(
        |o| o.rate_per_key = Some(pb::RateLimit { count: 1, per: None }),
        "limits.rate_per_key.per",
        "0ns; expected more than 0 and at most 24 hours",
    )
    .await;
    assert_eq!(client.queue("mail").await.limits.unwrap().weight, 5);
    for queue in ["", "no such/queue"] {
        let refused = Refused::from(client.limit(queue, None).await.unwrap_err());
        assert_eq!(refused.fields, ["queue"]);
        let request = pb::PauseQueueRequest { queue: queue.into() };
        let refused = Refused::from(client.rpc().pause_queue(request).await.unwrap_err());
        assert_eq!(refused.fields, ["queue"]);
    }
}
