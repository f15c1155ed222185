//! A client that calls every method concurrently, and records the answers.

mod plan;

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use task_scheduler::pb;
use tokio_util::sync::CancellationToken;

use crate::client::{CallError, Client, verdict};
use crate::ledger::{Entry, Ledger};
use plan::Planned;

/// Most new tasks of a client in one round; afterwards it only reads, so that rounds end.
const TASKS_A_ROUND: usize = 300;
const MAX_BATCH: usize = 40;
/// Cancels and dependencies concern only the latest tasks.
const RECENT: usize = 60;
/// Between two calls of a client that reached its limit or was refused.
const PAUSE: Duration = Duration::from_millis(3);

/// One client through all rounds.
pub(crate) struct Caller {
    rng: Rng,
    name: String,
    ledger: Arc<Ledger>,
    /// Everything it requested, so that it can repeat requests.
    requested: Vec<Planned>,
    /// Indexes into `requested` of accepted tasks.
    accepted: Vec<usize>,
    /// Indexes into `requested` of tasks whose request was not answered.
    unanswered: Vec<usize>,
    /// The length of `requested` at the start of this round.
    before: usize,
}

impl Caller {
    pub(crate) fn new(name: String, seed: u64, ledger: Arc<Ledger>) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            name,
            ledger,
            requested: Vec::new(),
            accepted: Vec::new(),
            unanswered: Vec::new(),
            before: 0,
        }
    }

    /// Calls until `stop`, or until a call is not answered.
    pub(crate) async fn call(&mut self, client: &Client, stop: &CancellationToken) {
        self.before = self.requested.len();
        if self.repeat_unanswered(client).await.is_err() {
            return;
        }
        while !stop.is_cancelled() {
            let enough = self.requested.len() - self.before >= TASKS_A_ROUND;
            let done = match self.rng.u32(0..100) {
                _ if enough => self.look(client).await,
                0..35 => self.enqueue(client).await,
                35..70 => self.submit(client).await,
                70..78 => self.cancel(client).await,
                78..80 => self.repeat(client).await,
                _ => self.look(client).await,
            };
            match done {
                Ok(()) if enough => tokio::time::sleep(PAUSE).await,
                Ok(()) => {}
                Err(CallError::Refused(_)) => tokio::time::sleep(PAUSE).await,
                Err(CallError::OutcomeUnknown) => return,
            }
        }
    }

    /// Repeats every request that was not answered.
    pub(crate) async fn repeat_unanswered(&mut self, client: &Client) -> Result<(), CallError> {
        let indexes = std::mem::take(&mut self.unanswered);
        let mut batches = indexes.chunks(MAX_BATCH);
        while let Some(batch) = batches.next() {
            if let Err(error) = self.send(client, batch.to_vec()).await {
                self.unanswered.extend(batches.flatten());
                return Err(error);
            }
        }
        Ok(())
    }

    async fn enqueue(&mut self, client: &Client) -> Result<(), CallError> {
        let first = self.requested.len();
        for _ in 0..self.rng.usize(1..=MAX_BATCH) {
            // A task can also depend on tasks of the same call.
            let mut parents = self.recent();
            parents.extend(first..self.requested.len());
            self.plan(&parents, true);
        }
        self.send(client, (first..self.requested.len()).collect()).await
    }

    async fn submit(&mut self, client: &Client) -> Result<(), CallError> {
        let index = self.requested.len();
        self.plan(&[], false);
        self.submit_this(client, index).await
    }

    /// Idempotency: repeats a request with the same id.
    async fn repeat(&mut self, client: &Client) -> Result<(), CallError> {
        let Some(index) = self.any_accepted() else { return Ok(()) };
        if self.rng.bool() {
            self.send(client, vec![index]).await
        } else {
            self.submit_this(client, index).await
        }
    }

    async fn cancel(&mut self, client: &Client) -> Result<(), CallError> {
        let recent = self.recent();
        let amount = self.rng.usize(1..=3);
        let ids: Vec<String> = self
            .rng
            .choose_multiple(recent, amount)
            .into_iter()
            .map(|index| self.requested[index].request.task_id.clone())
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

    /// Reads the result of a random task.
    async fn look(&mut self, client: &Client) -> Result<(), CallError> {
        let Some(index) = self.any_accepted() else { return Ok(()) };
        let id = self.requested[index].request.task_id.clone();
        match client.result(&id).await {
            Ok(Some(outcome)) => self.ledger.write(&Entry::Outcome { id, outcome }),
            Ok(None) => {}
            Err(CallError::Refused(reason)) if reason == "TASK_NOT_FOUND" => {
                self.ledger.write(&Entry::Missing { id });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn any_accepted(&mut self) -> Option<usize> {
        self.rng.choice(&self.accepted).copied()
    }

    /// The latest accepted tasks.
    fn recent(&self) -> Vec<usize> {
        let from = self.accepted.len().saturating_sub(RECENT);
        self.accepted[from..].to_vec()
    }

    fn plan(&mut self, parents: &[usize], later: bool) {
        let id = format!("{}-{}", self.name, self.requested.len());
        let amount = [0, 0, 0, 0, 0, 0, 1, 1, 2, 3][self.rng.usize(0..10)];
        let parents = self
            .rng
            .choose_multiple(parents.iter().copied(), amount)
            .into_iter()
            .map(|index| self.requested[index].request.task_id.clone())
            .collect();
        self.requested.push(plan::plan(&mut self.rng, id, parents, later));
    }

    /// Enqueues the tasks at these indexes, and records the answers.
    async fn send(&mut self, client: &Client, indexes: Vec<usize>) -> Result<(), CallError> {
        let requests: Vec<pb::TaskRequest> =
            indexes.iter().map(|index| self.record_request(*index)).collect();
        let outcomes = match client.enqueue(requests).await {
            Ok(outcomes) => outcomes,
            Err(CallError::OutcomeUnknown) => {
                self.unanswered.extend(indexes);
                return Err(CallError::OutcomeUnknown);
            }
            Err(CallError::Refused(reason)) => {
                for index in indexes {
                    self.refused(index, &reason);
                }
                return Err(CallError::Refused(reason));
            }
        };
        assert_eq!(outcomes.len(), indexes.len(), "each task has its answer");
        for (index, outcome) in indexes.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => {
                    let id = self.requested[index].request.task_id.clone();
                    self.ledger.write(&Entry::Accepted { id });
                    self.accepted.push(index);
                }
                Err(CallError::OutcomeUnknown) => self.unanswered.push(index),
                Err(CallError::Refused(reason)) => self.refused(index, &reason),
            }
        }
        Ok(())
    }

    async fn submit_this(&mut self, client: &Client, index: usize) -> Result<(), CallError> {
        let request = self.record_request(index);
        let id = request.task_id.clone();
        match client.submit(request).await {
            Ok(outcome) => {
                let entry = match outcome {
                    Some(outcome) => Entry::Outcome { id, outcome },
                    None => Entry::Accepted { id },
                };
                self.ledger.write(&entry);
                self.accepted.push(index);
                Ok(())
            }
            Err(CallError::OutcomeUnknown) => {
                self.unanswered.push(index);
                Err(CallError::OutcomeUnknown)
            }
            // Callers that wait for a task get this, too, and do not learn whether it was stored.
            Err(CallError::Refused(reason)) if reason == "DRAINING" => {
                self.unanswered.push(index);
                Err(CallError::Refused(reason))
            }
            Err(CallError::Refused(reason)) => {
                self.refused(index, &reason);
                Err(CallError::Refused(reason))
            }
        }
    }

    fn record_request(&self, index: usize) -> pb::TaskRequest {
        let planned = &self.requested[index];
        for entry in planned.entries() {
            self.ledger.write(&entry);
        }
        planned.request.clone()
    }

    fn refused(&self, index: usize, reason: &str) {
        let id = self.requested[index].request.task_id.clone();
        self.ledger.write(&Entry::Refused { id, reason: reason.to_owned() });
    }
}
