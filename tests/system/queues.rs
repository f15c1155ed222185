use std::time::Duration;

use task_scheduler::error::Code;
use task_scheduler::models::{QueueLimits, QueueName, QueueSettings, Rate, Request, State};

use crate::harness::*;

fn slow() -> QueueName {
    QueueName::parse("slow", "queue").expect("a valid name")
}

fn in_slow(task: &str) -> Request {
    with(named(task, "add", &[1, 2]), |it| it.queue = Some("slow".to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_queue_starts_nothing_until_it_is_resumed() {
    let system = start().await;
    let paused = system.tasks().pause(&slow()).await.expect("it is stored");
    assert_eq!((paused.settings.paused, paused.waiting()), (true, 0));
    for request in [in_slow("durable"), ephemeral_in_slow("ephemeral")] {
        system.tasks().enqueue(request).await.expect("it is accepted");
    }
    // Tasks of other queues run meanwhile.
    system.tasks().submit(named("other", "add", &[1, 2])).await.expect("it runs");
    for task in ["durable", "ephemeral"] {
        assert_eq!(
            system.tasks().find(&id(task)).await.expect("known").state,
            State::Queued,
            "{task}"
        );
    }
    let known = system.tasks().queues().await.expect("it lists");
    let of_slow = known.iter().find(|it| it.queue == slow()).expect("it holds something");
    assert_eq!((of_slow.waiting(), of_slow.running), (2, 0));
    system.tasks().resume(&slow()).await.expect("it is stored");
    for task in ["durable", "ephemeral"] {
        assert_eq!(state(&system, task).await, State::Succeeded, "{task}");
    }
    system.stop();
}

fn ephemeral_in_slow(task: &str) -> Request {
    let mut request = ephemeral(named(task, "add", &[1, 2]));
    request.options.get_or_insert_default().queue = Some("slow".to_owned());
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_limits_the_starts_of_a_queue() {
    let system = start().await;
    let rate = Rate { count: 2, per: Duration::from_millis(100) };
    let limits = QueueLimits { rate: Some(rate), ..QueueLimits::default() };
    system.tasks().limit(&slow(), limits).await.expect("it is stored");
    for number in 0..6 {
        system.tasks().enqueue(in_slow(&format!("t{number}"))).await.expect("it is accepted");
    }
    let mut starts = Vec::new();
    for number in 0..6 {
        starts.push(outcome(&system, &format!("t{number}")).await.started_at.expect("it ran"));
    }
    starts.sort();
    let spread = starts[5].since(starts[0]);
    // The start time is read a little later than the rate limit's clock.
    assert!(spread >= Duration::from_millis(190), "{spread:?}");
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_tasks() {
    let system = start().await;
    let limits = QueueLimits { max_length: Some(1), ..QueueLimits::default() };
    system.tasks().limit(&slow(), limits).await.expect("it is stored");
    system.tasks().pause(&slow()).await.expect("it is stored");
    system.tasks().enqueue(in_slow("a")).await.expect("it is accepted");
    let refused = system.tasks().enqueue(in_slow("b")).await.expect_err("full");
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (Code::QueueFull, "queue slow holds 1 tasks, as many as it may")
    );
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_limits_are_refused() {
    let system = start().await;
    let check = async |limits: QueueLimits, expected: &str| {
        let refused = system.tasks().limit(&slow(), limits).await.expect_err(expected);
        assert_eq!((refused.code, refused.message.as_str()), (Code::InvalidArgument, expected));
    };
    let none = QueueLimits::default();
    check(QueueLimits { weight: 0, ..none }, "limits.weight: 0; expected 1 to 1000").await;
    check(
        QueueLimits { concurrency: Some(0), ..none },
        "limits.concurrency: 0 would never run anything; pause the queue instead",
    )
    .await;
    let rate = Some(Rate { count: 0, per: Duration::from_secs(1) });
    check(QueueLimits { rate, ..none }, "limits.rate.count: 0; expected at least 1").await;
    assert_eq!(system.tasks().queues().await.expect("it lists"), []);
    let settings = QueueSettings::default();
    let unpaused = system.tasks().resume(&slow()).await.expect("it is stored");
    assert_eq!(unpaused.settings, settings);
    system.stop();
}
