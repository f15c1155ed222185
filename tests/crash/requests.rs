//! Single requests of a test, recorded in the ledger.

use std::time::Duration;

use task_scheduler::models::ArgValue;
use task_scheduler::pb;

use crate::check::assert_sound;
use crate::client::{CallError, Client, named};
use crate::ledger::{Entry, Expected, Outcome};
use crate::server::{Fixture, Server};

/// A task that is not retried.
pub(crate) fn task(
    id: &str,
    method: &str,
    args: impl IntoIterator<Item = ArgValue>,
) -> pb::TaskRequest {
    let mut request = named(id, method, args);
    let options = request.options.get_or_insert_default();
    options.retry = Some(pb::RetryPolicy { retries: Some(0), ..Default::default() });
    request
}

/// The same task with a delay.
pub(crate) fn delayed(mut request: pb::TaskRequest, delay: Duration) -> pb::TaskRequest {
    let delay = delay.try_into().expect("a short time");
    request.options.get_or_insert_default().delay = Some(delay);
    request
}

/// A client of one server that records its requests and the answers.
pub(crate) struct Requests<'a> {
    fixture: &'a Fixture,
    client: Client,
}

impl<'a> Requests<'a> {
    pub(crate) async fn of(fixture: &'a Fixture, server: &Server) -> Self {
        Self { fixture, client: server.client().await }
    }

    /// The client, for calls that are not recorded.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    fn record_request(&self, id: &str, expected: Expected) {
        self.fixture.ledger.write(&Entry::Requested {
            id: id.into(),
            expected,
            retries: 0,
            due: 0,
        });
    }

    fn refused(&self, id: &str, error: &CallError) {
        if let CallError::Refused(reason) = error {
            self.fixture.ledger.write(&Entry::Refused { id: id.into(), reason: reason.clone() });
        }
    }

    /// Submits a task; returns its outcome if the server answers.
    pub(crate) async fn submit(&self, request: pb::TaskRequest) -> Result<Outcome, CallError> {
        let id = request.task_id.clone();
        self.record_request(&id, Expected::Succeeded);
        let answer = self.client.submit(request).await;
        let outcome = answer.inspect_err(|error| self.refused(&id, error))?;
        let outcome = outcome.expect("SubmitTask answers when the task has ended");
        self.fixture.ledger.write(&Entry::Outcome { id, outcome: outcome.clone() });
        Ok(outcome)
    }

    pub(crate) async fn enqueue(
        &self,
        request: pb::TaskRequest,
        expected: Expected,
    ) -> Result<(), CallError> {
        let id = request.task_id.clone();
        self.record_request(&id, expected);
        let answer = self.client.enqueue(vec![request]).await;
        let answer = answer.and_then(|mut one| one.pop().expect("one answer for one task"));
        answer.inspect_err(|error| self.refused(&id, error))?;
        self.fixture.ledger.write(&Entry::Accepted { id });
        Ok(())
    }

    /// Calls GetResult; `None`: the task has not ended.
    pub(crate) async fn result(&self, id: &str) -> Result<Option<Outcome>, CallError> {
        let outcome = self.client.result(id).await?;
        if let Some(outcome) = &outcome {
            self.fixture.ledger.write(&Entry::Outcome { id: id.into(), outcome: outcome.clone() });
        }
        Ok(outcome)
    }

    /// Waits until every task has ended, and checks the ledger.
    pub(crate) async fn finish(&self) {
        self.client.wait_until_idle().await;
        assert_sound(&self.fixture.ledger.read(), &self.client.statuses().await);
    }
}
