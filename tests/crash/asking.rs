//! Calls of a test that asks for few tasks and writes down what it is told.

use std::time::Duration;

use task_scheduler::models::ArgValue;
use task_scheduler::pb;

use crate::check::assert_sound;
use crate::client::{Client, Not, named};
use crate::ledger::{Ends, Entry, Told};
use crate::server::{Place, Server};

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

/// The same, after that much time.
pub(crate) fn delayed(mut request: pb::TaskRequest, delay: Duration) -> pb::TaskRequest {
    let delay = delay.try_into().expect("a short time");
    request.options.get_or_insert_default().delay = Some(delay);
    request
}

/// A client of one server, and the ledger.
pub(crate) struct Asking<'a> {
    place: &'a Place,
    client: Client,
}

impl<'a> Asking<'a> {
    pub(crate) async fn of(place: &'a Place, server: &Server) -> Self {
        Self { place, client: server.client().await }
    }

    /// The client, for what is not written down.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    fn about_to_ask(&self, id: &str, ends: Ends) {
        self.place.ledger.write(&Entry::Asked { id: id.into(), ends, retries: 0, due: 0 });
    }

    fn refused(&self, id: &str, not: &Not) {
        if let Not::Refused(reason) = not {
            self.place.ledger.write(&Entry::Refused { id: id.into(), reason: reason.clone() });
        }
    }

    /// What became of it, if that was answered.
    pub(crate) async fn submit(&self, request: pb::TaskRequest) -> Result<Told, Not> {
        let id = request.task_id.clone();
        self.about_to_ask(&id, Ends::Well);
        let answer = self.client.submit(request).await;
        let told = answer.inspect_err(|not| self.refused(&id, not))?;
        let told = told.expect("SubmitTask answers when the task has ended");
        self.place.ledger.write(&Entry::Told { id, told: told.clone() });
        Ok(told)
    }

    pub(crate) async fn enqueue(&self, request: pb::TaskRequest, ends: Ends) -> Result<(), Not> {
        let id = request.task_id.clone();
        self.about_to_ask(&id, ends);
        let answer = self.client.enqueue(vec![request]).await;
        let answer = answer.and_then(|mut one| one.pop().expect("one answer for one task"));
        answer.inspect_err(|not| self.refused(&id, not))?;
        self.place.ledger.write(&Entry::Accepted { id });
        Ok(())
    }

    /// What GetResult tells.
    pub(crate) async fn result(&self, id: &str) -> Result<Option<Told>, Not> {
        let told = self.client.result(id).await?;
        if let Some(told) = &told {
            self.place.ledger.write(&Entry::Told { id: id.into(), told: told.clone() });
        }
        Ok(told)
    }

    /// Waits until everything has ended, and judges it.
    pub(crate) async fn settle(&self) {
        self.client.at_rest().await;
        assert_sound(&self.place.ledger.read(), &self.client.standings().await);
    }
}
