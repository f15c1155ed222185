//! A hundred thousand tasks, and a kill in the middle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::check::assert_sound;
use crate::client::{Client, Not, named};
use crate::ledger::{Ends, Entry, Ledger};
use crate::server::Place;
use crate::waiting::eventually;

const TASKS: usize = 100_000;
const BATCH: usize = 1_000;
const CALLERS: usize = 4;

/// What one caller has to ask for.
struct Share {
    /// Numbers of batches; the last one is next.
    batches: Vec<usize>,
    ledger: Arc<Ledger>,
    accepted: Arc<AtomicUsize>,
}

impl Share {
    /// Asks until everything is accepted or a call is not answered. That batch is asked for again.
    async fn call(&mut self, client: Client) {
        while let Some(batch) = self.batches.last() {
            let ids: Vec<String> =
                (batch * BATCH..(batch + 1) * BATCH).map(|n| format!("t-{n}")).collect();
            for id in &ids {
                let id = id.clone();
                self.ledger.write(&Entry::Asked { id, ends: Ends::Well, retries: 3, due: 0 });
            }
            let requests = ids.iter().map(|id| named(id, "quick", [])).collect();
            match client.enqueue(requests).await {
                Ok(outcomes) => {
                    assert!(outcomes.iter().all(Result::is_ok), "each of them is accepted");
                    for id in ids {
                        self.ledger.write(&Entry::Accepted { id });
                    }
                    self.accepted.fetch_add(BATCH, Ordering::Relaxed);
                    self.batches.pop();
                }
                Err(Not::Answered) => return,
                Err(Not::Refused(reason)) => panic!("refused: {reason}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_tasks_end_exactly_once_though_the_process_is_killed_among_them() {
    let place = Place::new();
    let accepted = Arc::new(AtomicUsize::new(0));
    let mut shares: Vec<Share> = (0..CALLERS)
        .map(|caller| Share {
            batches: (0..TASKS / BATCH).filter(|batch| batch % CALLERS == caller).collect(),
            ledger: place.ledger.clone(),
            accepted: accepted.clone(),
        })
        .collect();
    let middle = fastrand::usize(TASKS / 4..TASKS * 3 / 4);
    let mut server = place.boot(&[]);
    for killed in [true, false] {
        let mut calls = Vec::new();
        for mut share in shares.drain(..) {
            let client = server.client().await;
            calls.push(tokio::spawn(async move {
                share.call(client).await;
                share
            }));
        }
        if killed {
            eventually("the middle is reached", async || {
                (accepted.load(Ordering::Relaxed) >= middle).then_some(())
            })
            .await;
            place.kill(server);
            server = place.boot(&[]);
        }
        for call in calls {
            shares.push(call.await.unwrap());
        }
    }
    assert_eq!(accepted.load(Ordering::Relaxed), TASKS);
    let client = server.client().await;
    client.at_rest().await;
    let standings = client.standings().await;
    assert_eq!(standings.len(), TASKS);
    place.drain(server).await;
    let entries = place.ledger.read();
    let starts = entries.iter().filter(|entry| matches!(entry, Entry::Start { .. })).count();
    println!("killed after {middle} were accepted; {starts} starts");
    assert_sound(&entries, &standings);
}
