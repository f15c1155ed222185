//! One call, with retries where those are safe and can help.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::transport::Channel;
use tonic::{Response, Status};

use crate::client::retry::{Patience, Repeat};
use crate::client::{ClientError, TaskClient};
use crate::pb::task_scheduler_client::TaskSchedulerClient;

/// The generated client, for one call.
pub(super) type Rpc = TaskSchedulerClient<Channel>;

/// The longest timeout: tokio's clock overflows later.
const MAX_TIMEOUT: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// The end of a timeout that starts now.
pub(super) fn deadline(within: Duration) -> Instant {
    Instant::now() + within.min(MAX_TIMEOUT)
}

/// How often and for how long one call is attempted.
pub(super) struct Limits {
    /// The time for all attempts and the waits between them.
    pub(super) within: Duration,
    /// The most attempts, including the first.
    pub(super) tries: u32,
    /// When the call may be repeated.
    pub(super) repeat: Repeat,
}

impl TaskClient {
    /// Makes a call that does not wait for a task. `send` makes one attempt with its own request.
    pub(super) async fn call<Q, A, F>(
        &self,
        repeat: Repeat,
        request: &Q,
        send: impl FnMut(Rpc, Q) -> F,
    ) -> Result<A, ClientError>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let limits =
            Limits { within: self.shared.call_timeout, tries: self.shared.patience.tries, repeat };
        self.call_within(limits, request, send).await
    }

    /// Attempts a call until it is answered, fails permanently, or reaches the limits.
    pub(super) async fn call_within<Q, A, F>(
        &self,
        limits: Limits,
        request: &Q,
        mut send: impl FnMut(Rpc, Q) -> F,
    ) -> Result<A, ClientError>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let Limits { within, tries, repeat } = limits;
        let patience = Patience { tries, ..self.shared.patience };
        let until = deadline(within);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let error =
                match timeout_at(until, send(self.shared.rpc.clone(), request.clone())).await {
                    Ok(Ok(response)) => return Ok(response.into_inner()),
                    Ok(Err(status)) => ClientError::from(status),
                    Err(_) => return Err(ClientError::Timeout { id: None, waited: within }),
                };
            let Some(wait) = patience.wait(&error, repeat, attempts, fastrand::f64()) else {
                return Err(error);
            };
            if Instant::now() + wait.min(MAX_TIMEOUT) >= until {
                return Err(error);
            }
            sleep(wait).await;
        }
    }
}
