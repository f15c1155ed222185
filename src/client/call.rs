//! One call: made, and made again where that is safe and may help.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::transport::Channel;
use tonic::{Response, Status};

use crate::client::retry::Repeat;
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

impl TaskClient {
    /// Makes a call that does not wait for a body.
    pub(super) async fn call<T, F>(
        &self,
        repeat: Repeat,
        send: impl FnMut(Rpc) -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let shared = &*self.shared;
        self.call_within(shared.call_timeout, shared.patience.tries, repeat, send).await
    }

    /// Makes a call until it is answered, refused for good, or was made `tries` times. `send` gets
    /// what it needs for one try.
    pub(super) async fn call_within<T, F>(
        &self,
        within: Duration,
        tries: u32,
        repeat: Repeat,
        mut send: impl FnMut(Rpc) -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let until = deadline(within);
        let mut made = 0;
        loop {
            made += 1;
            let error = match timeout_at(until, send(self.shared.rpc.clone())).await {
                Ok(Ok(response)) => return Ok(response.into_inner()),
                Ok(Err(status)) => ClientError::from(status),
                Err(_) => return Err(ClientError::Timeout { id: None, waited: within }),
            };
            let patience = super::retry::Patience { tries, ..self.shared.patience };
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
