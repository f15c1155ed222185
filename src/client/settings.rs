//! How a client connects, how long it waits and how often it tries.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tonic::transport::Endpoint;

use crate::client::retry::Patience;
use crate::client::{ClientError, Shared, TaskClient};
use crate::error::Error;
use crate::pb::task_scheduler_client::TaskSchedulerClient;

/// A ping goes out when nothing was heard for this long while a call is under way.
const PING_EVERY: Duration = Duration::from_secs(20);
/// A connection that does not answer a ping for this long is given up.
const PING_PATIENCE: Duration = Duration::from_secs(10);

/// Sets a client up. What is not set has the value named with it.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    connect_timeout: Duration,
    call_timeout: Duration,
    submit_timeout: Duration,
    max_request_bytes: usize,
    max_answer_bytes: usize,
    patience: Patience,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(30),
            submit_timeout: Duration::from_secs(600),
            max_request_bytes: 4 << 20,
            max_answer_bytes: 16 << 20,
            patience: Patience {
                tries: 10,
                first_wait: Duration::from_millis(100),
                longest_wait: Duration::from_secs(5),
            },
        }
    }
}

impl ClientBuilder {
    /// The bound on making a connection: 5 s.
    pub fn connect_timeout(mut self, bound: Duration) -> Self {
        self.connect_timeout = bound;
        self
    }

    /// The bound on a call that does not wait for a body, with all its tries: 30 s.
    pub fn call_timeout(mut self, bound: Duration) -> Self {
        self.call_timeout = bound;
        self
    }

    /// The bound on [`TaskClient::submit`], which waits for the task's end: 10 minutes.
    pub fn submit_timeout(mut self, bound: Duration) -> Self {
        self.submit_timeout = bound;
        self
    }

    /// The largest request in bytes, 4 MiB: what a server takes unless it was told otherwise. A batch
    /// is sent in as many calls as it needs.
    pub fn max_request_bytes(mut self, bound: usize) -> Self {
        self.max_request_bytes = bound;
        self
    }

    /// The largest answer that is read, in bytes: 16 MiB.
    pub fn max_answer_bytes(mut self, bound: usize) -> Self {
        self.max_answer_bytes = bound;
        self
    }

    /// The most tries of one call, the first included: 10. 1 or 0 is: never again.
    pub fn tries(mut self, most: u32) -> Self {
        self.patience.tries = most;
        self
    }

    /// The wait before the second try, which doubles from one to the next, and its bound: 100 ms and
    /// 5 s. Up to half of it is left to chance.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.patience.first_wait = first;
        self.patience.longest_wait = longest;
        self
    }

    /// A client of the server at `addr`: `127.0.0.1:50051`, `host:50051` or `http://host:50051`.
    /// Connects when it is first used.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when `addr` is none of these.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn connect(self, addr: impl fmt::Display) -> Result<TaskClient, ClientError> {
        let endpoint = endpoint(&addr.to_string())?
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_PATIENCE);
        let rpc = TaskSchedulerClient::new(endpoint.connect_lazy())
            .max_encoding_message_size(self.max_request_bytes)
            .max_decoding_message_size(self.max_answer_bytes);
        Ok(TaskClient {
            shared: Arc::new(Shared {
                rpc,
                patience: self.patience,
                call_timeout: self.call_timeout,
                submit_timeout: self.submit_timeout,
                max_request_bytes: self.max_request_bytes,
            }),
        })
    }
}

fn endpoint(addr: &str) -> Result<Endpoint, Error> {
    let refuse = || {
        let why =
            format!("{addr:?} is no address of a server; expected host:port or http://host:port");
        Error::invalid("addr", why)
    };
    let address = addr.strip_prefix("http://").unwrap_or(addr);
    let authority: http::uri::Authority = address.parse().map_err(|_| refuse())?;
    if authority.port_u16().is_none() || authority.host().is_empty() {
        return Err(refuse());
    }
    Endpoint::try_from(format!("http://{authority}")).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let check = |addr: &str, expected: Option<&str>| {
            let read = endpoint(addr).map(|endpoint| endpoint.uri().to_string());
            match expected {
                Some(uri) => assert_eq!(read.as_deref(), Ok(uri)),
                None => assert_eq!(
                    read.expect_err("refused").message,
                    format!(
                        "addr: {addr:?} is no address of a server; expected host:port or http://host:port"
                    )
                ),
            }
        };
        check("127.0.0.1:50051", Some("http://127.0.0.1:50051/"));
        check("http://tasks.example:80", Some("http://tasks.example:80/"));
        check("[::1]:50051", Some("http://[::1]:50051/"));
        check("https://tasks.example:443", None);
        check("tasks.example", None);
        check("127.0.0.1:50051/v1", None);
        check(":50051", None);
        check("127.0.0.1:65536", None);
        check("", None);
    }
}
