//! The settings of a client: connection, timeouts and retries.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tonic::transport::Endpoint;

use crate::client::retry::Patience;
use crate::client::{ClientError, Shared, TaskClient};
use crate::error::Error;
use crate::pb::task_scheduler_client::TaskSchedulerClient;

/// The interval of keepalive pings while a call is running and the server is silent.
const PING_EVERY: Duration = Duration::from_secs(20);
/// The client closes a connection that does not answer a ping within this time.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Builds a client. Each setter documents its default.
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
    /// The longest time to connect: 5 s.
    pub fn connect_timeout(mut self, bound: Duration) -> Self {
        self.connect_timeout = bound;
        self
    }

    /// The longest time of a call that does not wait for a task, with all its attempts: 30 s.
    pub fn call_timeout(mut self, bound: Duration) -> Self {
        self.call_timeout = bound;
        self
    }

    /// The longest time of [`TaskClient::submit`], which waits for the task to end: 10 minutes.
    pub fn submit_timeout(mut self, bound: Duration) -> Self {
        self.submit_timeout = bound;
        self
    }

    /// The largest request in bytes: 4 MiB, which is the default limit of a server. A batch is split into
    /// several calls.
    pub fn max_request_bytes(mut self, bound: usize) -> Self {
        self.max_request_bytes = bound;
        self
    }

    /// The largest answer in bytes: 16 MiB.
    pub fn max_answer_bytes(mut self, bound: usize) -> Self {
        self.max_answer_bytes = bound;
        self
    }

    /// The most attempts of one call, including the first: 10. With 1 or 0 the client never retries.
    pub fn tries(mut self, most: u32) -> Self {
        self.patience.tries = most;
        self
    }

    /// Exponential backoff: the wait before the second attempt, which doubles with each attempt, and its
    /// bound: 100 ms and 5 s. Up to half of it is random.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.patience.first_wait = first;
        self.patience.longest_wait = longest;
        self
    }

    /// Creates a client of the server at `addr`: `127.0.0.1:50051`, `host:50051` or
    /// `http://host:50051`. It connects with its first call.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when `addr` has another form.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn connect(self, addr: impl fmt::Display) -> Result<TaskClient, ClientError> {
        let endpoint = endpoint(&addr.to_string())?
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT);
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
            format!("{addr:?} is not a server address; expected host:port or http://host:port");
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
                        "addr: {addr:?} is not a server address; expected host:port or http://host:port"
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
