//! Unique keys: at most one task with a key at a time.

use std::time::Duration;

use task_scheduler::pb;
use task_scheduler::pb::TaskState;
use task_scheduler::pb::unique::OnConflict;
use tonic::Code;

use crate::client::{NOTHING, Refused, an_hour, later, named, span, task, with};
use crate::server::with_methods;
use crate::waiting::soon;

fn unique(on_conflict: OnConflict, request: pb::TaskRequest) -> pb::TaskRequest {
    with(request, |o| {
        o.unique =
            Some(pb::Unique { key: "key".into(), window: None, on_conflict: on_conflict.into() });
    })
}

fn within_an_hour(request: pb::TaskRequest) -> pb::TaskRequest {
    with(request, |o| o.unique.as_mut().expect("the request has a key").window = an_hour())
}

#[tokio::test]
async fn a_second_request_with_a_key_gets_the_first_task() {
    let server = with_methods();
    let client = server.client().await;
    let request = |id: &str| {
        let args = [server.path("ledger"), id.into(), server.path("gate")];
        unique(OnConflict::ReturnFirst, named(id, "write_and_wait", args))
    };
    let first = client.enqueue(request("first")).await.unwrap();
    assert_eq!((&*first.task_id, first.joined, first.replaced), ("first", false, false));
    let second = client.enqueue(request("second")).await.unwrap();
    assert_eq!((&*second.task_id, second.joined, second.replaced), ("first", true, false));
    assert_eq!(client.task("second").await.unwrap_err().code(), Code::NotFound);
    assert_eq!(client.task("first").await.unwrap().unique_key, "key");
    // A waiting caller gets the outcome of the first task.
    let third = tokio::spawn({
        let (client, request) = (client.clone(), request("third"));
        async move { client.submit(request).await }
    });
    client.once("first", TaskState::Running).await;
    server.open_gate("gate");
    let third = soon(third).await.unwrap().unwrap();
    assert_eq!((&*third.task_id, &*third.result), ("first", "first"));
    assert_eq!(server.ledger("ledger"), ["first"]);
    // The first task has ended, so the key is free.
    assert_eq!(client.run(request("fourth")).await, "fourth");
}

#[tokio::test]
async fn a_key_can_be_held_for_a_window_after_acceptance() {
    let server = with_methods();
    let client = server.client().await;
    let request = |id: &str| {
        within_an_hour(unique(
            OnConflict::ReturnFirst,
            named(id, "write", [server.path("ledger"), id.into()]),
        ))
    };
    assert_eq!(client.run(request("first")).await, "first");
    let second = client.submit(request("second")).await.unwrap();
    assert_eq!((&*second.task_id, &*second.result), ("first", "first"));
    let third = client.enqueue(request("third")).await.unwrap();
    assert_eq!(
        (&*third.task_id, third.joined, third.state()),
        ("first", true, TaskState::Succeeded)
    );
    assert_eq!(server.ledger("ledger"), ["first"]);
    // A purged task no longer holds its key.
    let purge = pb::PurgeTasksRequest { task_ids: vec!["first".into()], ..Default::default() };
    assert_eq!(client.purge(purge).await.unwrap().purged, 1);
    assert_eq!(client.run(request("fourth")).await, "fourth");
}

#[tokio::test]
async fn replace_changes_the_arguments_of_a_waiting_task() {
    let server = with_methods();
    let client = server.client().await;
    let ledger = server.path("ledger");
    let request =
        |id: &str| unique(OnConflict::Replace, named(id, "write", [ledger.clone(), id.into()]));
    let delayed = |id: &str| with(request(id), |o| o.delay = crate::client::ms(300));
    client.enqueue(delayed("first")).await.unwrap();
    for id in ["second", "third"] {
        let answer = client.enqueue(delayed(id)).await.unwrap();
        assert_eq!((&*answer.task_id, answer.joined, answer.replaced), ("first", true, true));
    }
    assert_eq!(client.task("first").await.unwrap().args[1], "third");
    assert_eq!(client.once("first", TaskState::Succeeded).await.result, "third");
    assert_eq!(server.ledger("ledger"), ["third"]);
}

#[tokio::test]
async fn replace_enqueues_a_second_task_behind_a_running_one() {
    let server = with_methods();
    let client = server.client().await;
    let request = |id: &str| {
        let args = [server.path("ledger"), id.into(), server.path(id)];
        unique(OnConflict::Replace, named(id, "write_and_wait", args))
    };
    client.enqueue(request("first")).await.unwrap();
    client.once("first", TaskState::Running).await;
    let second = client.enqueue(later(request("second"))).await.unwrap();
    assert_eq!((&*second.task_id, second.joined), ("second", false));
    // The second task now holds the key.
    let third = client.enqueue(request("third")).await.unwrap();
    assert_eq!((&*third.task_id, third.replaced), ("second", true));
    server.open_gate("first");
    assert_eq!(client.once("first", TaskState::Succeeded).await.result, "first");
    assert_eq!(client.task("second").await.unwrap().args[1], "third");
}

#[tokio::test]
async fn on_conflict_refuse_refuses_the_second_request() {
    let server = with_methods();
    let client = server.client().await;
    let request = |id: &str| unique(OnConflict::Refuse, named(id, "ping", NOTHING));
    client.enqueue(later(request("first"))).await.unwrap();
    let refused = client.refused(request("second")).await;
    assert_eq!((refused.code, &*refused.reason), (Code::AlreadyExists, "UNIQUE_TAKEN"));
    let enqueued = Refused::from(client.enqueue(request("third")).await.unwrap_err());
    assert_eq!(enqueued.reason, "UNIQUE_TAKEN");
    for id in ["second", "third"] {
        assert_eq!(client.task(id).await.unwrap_err().code(), Code::NotFound);
    }
    // A repeated request for the first task joins it.
    assert!(client.enqueue(request("first")).await.unwrap().joined);
    let cancel = pb::CancelTasksRequest { task_ids: vec!["first".into()], ..Default::default() };
    client.cancel(cancel).await.unwrap();
    assert_eq!(client.run(request("second")).await, "pong");
}

#[tokio::test]
async fn keys_of_other_methods_and_other_keys_do_not_conflict() {
    let server = with_methods();
    let client = server.client().await;
    client
        .enqueue(later(unique(OnConflict::Refuse, named("first", "ping", NOTHING))))
        .await
        .unwrap();
    let other = with(task("ping", NOTHING), |o| {
        o.unique = Some(pb::Unique { key: "other".into(), ..Default::default() });
    });
    assert_eq!(client.run(other).await, "pong");
    assert_eq!(client.run(task("ping", NOTHING)).await, "pong");
}

#[tokio::test]
async fn sixty_four_clients_race_for_one_key_and_one_task_is_accepted() {
    let server = with_methods();
    let observer = server.client().await;
    for on_conflict in [OnConflict::ReturnFirst, OnConflict::Refuse] {
        let (ledger, gate) = (format!("{on_conflict:?}"), format!("gate of {on_conflict:?}"));
        let mut racing = Vec::new();
        for number in 0..64 {
            let client = server.client().await;
            let id = format!("{on_conflict:?}-{number}");
            let args = [server.path(&ledger), id.clone(), server.path(&gate)];
            let request = with(named(&id, "write_and_wait", args), |o| {
                o.unique = Some(pb::Unique {
                    key: format!("{on_conflict:?}"),
                    window: span(Duration::from_secs(3_600)),
                    on_conflict: on_conflict.into(),
                });
            });
            racing.push(tokio::spawn(async move { client.enqueue(request).await }));
        }
        let (mut first, mut entered, mut joined, mut refused) = (None, 0, 0, 0);
        for racer in racing {
            match soon(racer).await.unwrap() {
                Ok(answer) => {
                    if answer.joined {
                        joined += 1
                    } else {
                        entered += 1
                    }
                    assert_eq!(*first.get_or_insert(answer.task_id.clone()), answer.task_id);
                }
                Err(status) => {
                    assert_eq!(Refused::from(status).reason, "UNIQUE_TAKEN");
                    refused += 1;
                }
            }
        }
        let expected = if on_conflict == OnConflict::Refuse { (1, 0, 63) } else { (1, 63, 0) };
        assert_eq!((entered, joined, refused), expected);
        server.open_gate(&gate);
        let first = first.expect("one task was accepted");
        observer.once(&first, TaskState::Succeeded).await;
        assert_eq!(server.ledger(&ledger), [first]);
    }
}

#[tokio::test]
async fn many_tasks_of_one_call_with_one_key_are_one_task() {
    use pb::enqueue_outcome::Outcome;
    let server = with_methods();
    let client = server.client().await;
    let tasks = (0..100).map(|n| {
        let id = format!("t{n}");
        unique(OnConflict::ReturnFirst, later(named(&id, "ping", NOTHING)))
    });
    let outcomes = client.enqueue_many(tasks.collect()).await.unwrap();
    for (n, outcome) in outcomes.iter().enumerate() {
        match &outcome.outcome {
            Some(Outcome::Accepted(answer)) => {
                assert_eq!((&*answer.task_id, answer.joined), ("t0", n > 0));
            }
            other => panic!("{n} was not accepted: {other:?}"),
        }
    }
}

#[tokio::test]
async fn invalid_unique_options_are_refused() {
    let server = with_methods();
    let client = server.client().await;
    let check = async |unique: pb::Unique, field: &str, why: &str| {
        let refused =
            client.refused(with(task("ping", NOTHING), |o| o.unique = Some(unique))).await;
        assert_eq!(refused, Refused::invalid(field, why));
    };
    let of = |key: &str| pb::Unique { key: key.into(), ..Default::default() };
    check(of(""), "options.unique.key", "empty; expected 1 to 255 bytes").await;
    check(of(&"k".repeat(256)), "options.unique.key", "256 bytes long; at most 255 are accepted")
        .await;
    check(
        pb::Unique { window: span(Duration::from_secs(366 * 86_400 + 1)), ..of("k") },
        "options.unique.window",
        "31622401s; at most 366 days are accepted",
    )
    .await;
    check(
        pb::Unique { on_conflict: 4, ..of("k") },
        "options.unique.on_conflict",
        "4 has no meaning; expected RETURN_FIRST (1), REPLACE (2) or REFUSE (3)",
    )
    .await;
    let ephemeral = with(unique(OnConflict::Refuse, task("ping", NOTHING)), |o| {
        o.durability = pb::Durability::Ephemeral.into();
    });
    let refused = client.refused(ephemeral).await;
    assert_eq!(
        (refused.code, &*refused.fields),
        (Code::InvalidArgument, &["options.unique".into()][..])
    );
}
