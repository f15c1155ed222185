//! A client that does everything at once, and writes down what it is told.

mod plan;

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use task_scheduler::pb;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, Not, verdict};
use crate::ledger::{Entry, Ledger};
use plan::Planned;

/// How many tasks a client asks for in one round; then it only looks, so that rounds end.
const TASKS_A_ROUND: usize = 300;
const MAX_BATCH: usize = 40;
/// Cancels and dependencies are about tasks as recent as this.
const RECENT: usize = 60;
/// Between two calls of a client that has asked for enough, or was refused.
const BREATH: Duration = Duration::from_millis(3);

/// One client through all rounds.
pub(crate) struct Caller {
    rng: Rng,
    name: String,
    ledger: Arc<Ledger>,
    /// Everything it asked for, so that it can ask again.
    asked: Vec<Planned>,
    /// Where in `asked` stands what was accepted.
    accepted: Vec<usize>,
    /// Where in `asked` stands what nobody answered.
    unanswered: Vec<usize>,
    /// How much was asked for before this round.
    before: usize,
}

impl Caller {
    pub(crate) fn new(name: String, seed: u64, ledger: Arc<Ledger>) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            name,
            ledger,
            asked: Vec::new(),
            accepted: Vec::new(),
            unanswered: Vec::new(),
            before: 0,
        }
    }

    /// Calls until it is told to stop or a call is not answered.
    pub(crate) async fn call(&mut self, client: &Client, stop: &CancellationToken) {
        self.before = self.asked.len();
        if self.ask_again(client).await.is_err() {
            return;
        }
        while !stop.is_cancelled() {
            let enough = self.asked.len() - self.before >= TASKS_A_ROUND;
            let done = match self.rng.u32(0..100) {
                _ if enough => self.look(client).await,
                0..35 => self.enqueue(client).await,
                35..70 => self.submit(client).await,
                70..78 => self.cancel(client).await,
                78..80 => self.repeat(client).await,
                _ => self.look(client).await,
            };
            match done {
                Ok(()) if enough => tokio::time::sleep(BREATH).await,
                Ok(()) => {}
                Err(Not::Refused(_)) => tokio::time::sleep(BREATH).await,
                Err(Not::Answered) => return,
            }
        }
    }

    /// Asks again for everything that was not answered.
    pub(crate) async fn ask_again(&mut self, client: &Client) -> Result<(), Not> {
        let places = std::mem::take(&mut self.unanswered);
        let mut batches = places.chunks(MAX_BATCH);
        while let Some(batch) = batches.next() {
            if let Err(not) = self.send(client, batch.to_vec()).await {
                self.unanswered.extend(batches.flatten());
                return Err(not);
            }
        }
        Ok(())
    }

    async fn enqueue(&mut self, client: &Client) -> Result<(), Not> {
        let first = self.asked.len();
        for _ in 0..self.rng.usize(1..=MAX_BATCH) {
            // What comes in the same call can be waited for, too.
            let mut parents = self.recent();
            parents.extend(first..self.asked.len());
            self.plan(&parents, true);
        }
        self.send(client, (first..self.asked.len()).collect()).await
    }

    async fn submit(&mut self, client: &Client) -> Result<(), Not> {
        let place = self.asked.len();
        self.plan(&[], false);
        self.submit_this(client, place).await
    }

    /// The same task under the same id once more: it is the same task.
    async fn repeat(&mut self, client: &Client) -> Result<(), Not> {
        let Some(place) = self.any_accepted() else { return Ok(()) };
        if self.rng.bool() {
            self.send(client, vec![place]).await
        } else {
            self.submit_this(client, place).await
        }
    }

    async fn cancel(&mut self, client: &Client) -> Result<(), Not> {
        let recent = self.recent();
        let amount = self.rng.usize(1..=3);
        let ids: Vec<String> = self
            .rng
            .choose_multiple(recent, amount)
            .into_iter()
            .map(|place| self.asked[place].request.task_id.clone())
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        for id in &ids {
            self.ledger.write(&Entry::Cancelling { id: id.clone() });
        }
        for outcome in client.cancel(ids).await? {
            let (verdict, state) = verdict(&outcome);
            self.ledger.write(&Entry::Verdict { id: outcome.task_id, verdict, state });
        }
        Ok(())
    }

    /// Asks what became of some task.
    async fn look(&mut self, client: &Client) -> Result<(), Not> {
        let Some(place) = self.any_accepted() else { return Ok(()) };
        let id = self.asked[place].request.task_id.clone();
        match client.result(&id).await {
            Ok(Some(told)) => self.ledger.write(&Entry::Told { id, told }),
            Ok(None) => {}
            Err(Not::Refused(reason)) if reason == "TASK_NOT_FOUND" => {
                self.ledger.write(&Entry::Missing { id });
            }
            Err(not) => return Err(not),
        }
        Ok(())
    }

    fn any_accepted(&mut self) -> Option<usize> {
        self.rng.choice(&self.accepted).copied()
    }

    /// The latest of those that were accepted.
    fn recent(&self) -> Vec<usize> {
        let from = self.accepted.len().saturating_sub(RECENT);
        self.accepted[from..].to_vec()
    }

    fn plan(&mut self, parents: &[usize], later: bool) {
        let id = format!("{}-{}", self.name, self.asked.len());
        let amount = [0, 0, 0, 0, 0, 0, 1, 1, 2, 3][self.rng.usize(0..10)];
        let parents = self
            .rng
            .choose_multiple(parents.iter().copied(), amount)
            .into_iter()
            .map(|place| self.asked[place].request.task_id.clone())
            .collect();
        self.asked.push(plan::plan(&mut self.rng, id, parents, later));
    }

    /// Enqueues what stands at these places, and writes down what is answered.
    async fn send(&mut self, client: &Client, places: Vec<usize>) -> Result<(), Not> {
        let requests: Vec<pb::TaskRequest> =
            places.iter().map(|place| self.about_to_ask(*place)).collect();
        let outcomes = match client.enqueue(requests).await {
            Ok(outcomes) => outcomes,
            Err(Not::Answered) => {
                self.unanswered.extend(places);
                return Err(Not::Answered);
            }
            Err(Not::Refused(reason)) => {
                for place in places {
                    self.refused(place, &reason);
                }
                return Err(Not::Refused(reason));
            }
        };
        assert_eq!(outcomes.len(), places.len(), "each task has its answer");
        for (place, outcome) in places.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => {
                    let id = self.asked[place].request.task_id.clone();
                    self.ledger.write(&Entry::Accepted { id });
                    self.accepted.push(place);
                }
                Err(Not::Answered) => self.unanswered.push(place),
                Err(Not::Refused(reason)) => self.refused(place, &reason),
            }
        }
        Ok(())
    }

    async fn submit_this(&mut self, client: &Client, place: usize) -> Result<(), Not> {
        let request = self.about_to_ask(place);
        let id = request.task_id.clone();
        match client.submit(request).await {
            Ok(told) => {
                let entry = match told {
                    Some(told) => Entry::Told { id, told },
                    None => Entry::Accepted { id },
                };
                self.ledger.write(&entry);
                self.accepted.push(place);
                Ok(())
            }
            Err(Not::Answered) => {
                self.unanswered.push(place);
                Err(Not::Answered)
            }
            // Said to callers that wait for a task, too, and those do not learn whether it was kept.
            Err(Not::Refused(reason)) if reason == "DRAINING" => {
                self.unanswered.push(place);
                Err(Not::Refused(reason))
            }
            Err(Not::Refused(reason)) => {
                self.refused(place, &reason);
                Err(Not::Refused(reason))
            }
        }
    }

    fn about_to_ask(&self, place: usize) -> pb::TaskRequest {
        let planned = &self.asked[place];
        for entry in planned.entries() {
            self.ledger.write(&entry);
        }
        planned.request.clone()
    }

    fn refused(&self, place: usize, reason: &str) {
        let id = self.asked[place].request.task_id.clone();
        self.ledger.write(&Entry::Refused { id, reason: reason.to_owned() });
    }
}
