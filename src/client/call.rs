//! One call: made, and made again where that is safe and may help.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::transport::Channel;
use tonic::{Response, Status};

use crate::client::retry::{Patience, Repeat};
use crate::client::{ClientError, TaskClient};
use crate::pb::task_scheduler_client::TaskSchedulerClient;

/// The generated client, for one call.
pub(super) type Rpc = TaskSchedulerClient<Channel>;

/// A deadline that is further away than this is this far away: tokio's clock has an end.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// The time that is this far away.
pub(super) fn deadline(within: Duration) -> Instant {
    Instant::now() + within.min(NEVER)
}

/// How often and for how long one call is made.
pub(super) struct Limits {
    /// All tries and the waits between them.
    pub(super) within: Duration,
    /// The most tries, the first included.
    pub(super) tries: u32,
    /// After what it may be made again.
    pub(super) repeat: Repeat,
}

impl TaskClient {
    /// Makes a call that does not wait for a body. `send` makes one try, with a request of its own.
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

    /// Makes a call until it is answered, refused for good, or was made as often and for as long as
    /// the limits allow.
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
        let mut made = 0;
        loop {
            made += 1;
            let error =
                match timeout_at(until, send(self.shared.rpc.clone(), request.clone())).await {
                    Ok(Ok(response)) => return Ok(response.into_inner()),
                    Ok(Err(status)) => ClientError::from(status),
                    Err(_) => return Err(ClientError::Timeout { id: None, waited: within }),
                };
            let Some(wait) = patience.wait(&error, repeat, made, fastrand::f64()) else {
                return Err(error);
            };
            if Instant::now() + wait.min(NEVER) >= until {
                return Err(error);
            }
            sleep(wait).await;
        }
    }
}
