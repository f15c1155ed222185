//! A hundred thousand tasks, and one kill in the middle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::check::assert_sound;
use crate::client::{CallError, Client, named};
use crate::ledger::{Entry, Expected, Ledger};
use crate::server::Fixture;
use crate::waiting::eventually;

const TASKS: usize = 100_000;
const BATCH: usize = 1_000;
const CALLERS: usize = 4;

/// The tasks of one caller.
struct Producer {
    /// Numbers of batches; the last one is next.
    batches: Vec<usize>,
    ledger: Arc<Ledger>,
    accepted: Arc<AtomicUsize>,
}

impl Producer {
    /// Enqueues until everything is accepted or a call is not answered; that batch is repeated.
    async fn call(&mut self, client: Client) {
        while let Some(batch) = self.batches.last() {
            let ids: Vec<String> =
                (batch * BATCH..(batch + 1) * BATCH).map(|n| format!("t-{n}")).collect();
            for id in &ids {
                let id = id.clone();
                self.ledger.write(&Entry::Requested {
                    id,
                    expected: Expected::Succeeded,
                    retries: 3,
                    due: 0,
                });
            }
            let requests = ids.iter().map(|id| named(id, "quick", [])).collect();
            match client.enqueue(requests).await {
                Ok(outcomes) => {
                    assert!(outcomes.iter().all(Result::is_ok), "every task is accepted");
                    for id in ids {
                        self.ledger.write(&Entry::Accepted { id });
                    }
                    self.accepted.fetch_add(BATCH, Ordering::Relaxed);
                    self.batches.pop();
                }
                Err(CallError::OutcomeUnknown) => return,
                Err(CallError::Refused(reason)) => panic!("refused: {reason}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_tasks_end_exactly_once_although_the_process_is_killed() {
    let fixture = Fixture::new();
    let accepted = Arc::new(AtomicUsize::new(0));
    let mut producers: Vec<Producer> = (0..CALLERS)
        .map(|caller| Producer {
            batches: (0..TASKS / BATCH).filter(|batch| batch % CALLERS == caller).collect(),
            ledger: fixture.ledger.clone(),
            accepted: accepted.clone(),
        })
        .collect();
    let middle = fastrand::usize(TASKS / 4..TASKS * 3 / 4);
    let mut server = fixture.boot(&[]);
    for killed in [true, false] {
        let mut calls = Vec::new();
        for mut producer in producers.drain(..) {
            let client = server.client().await;
            calls.push(tokio::spawn(async move {
                producer.call(client).await;
                producer
            }));
        }
        if killed {
            eventually("half of the tasks are accepted", async || {
                (accepted.load(Ordering::Relaxed) >= middle).then_some(())
            })
            .await;
            fixture.kill(server);
            server = fixture.boot(&[]);
        }
        for call in calls {
            producers.push(call.await.unwrap());
        }
    }
    assert_eq!(accepted.load(Ordering::Relaxed), TASKS);
    let client = server.client().await;
    client.wait_until_idle().await;
    let statuses = client.statuses().await;
    assert_eq!(statuses.len(), TASKS);
    fixture.drain(server).await;
    let entries = fixture.ledger.read();
    let starts = entries.iter().filter(|entry| matches!(entry, Entry::Start { .. })).count();
    println!("killed after {middle} were accepted; {starts} starts");
    assert_sound(&entries, &statuses);
}
