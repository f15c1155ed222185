//! Addresses of hosts, looked up on threads of its own: the system's look-up blocks, for as long as a
//! name server does not answer, and the blocking threads of the runtime belong to sync bodies.

use std::net::ToSocketAddrs as _;
use std::sync::Arc;
use std::thread;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::{Semaphore, oneshot};

/// The most look-ups under way; each has a thread while it lasts.
const MAX_LOOKUPS: usize = 64;

/// Looks hosts up.
pub(super) struct Resolver {
    lookups: Arc<Semaphore>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self { lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)) }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let lookups = self.lookups.clone();
        Box::pin(async move {
            let permit = lookups.acquire_owned().await?;
            let (tell, told) = oneshot::channel();
            thread::Builder::new().name("webhook-dns".into()).spawn(move || {
                // The port is replaced by the URL's.
                let found = (name.as_str(), 0).to_socket_addrs();
                drop(permit);
                // Nobody may be waiting any more: a request has its time.
                drop(tell.send(found));
            })?;
            Ok(Box::new(told.await??) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_machine_has_an_address() {
        let found = Resolver::default().resolve("localhost".parse().unwrap()).await;
        let found: Vec<_> = found.map_err(|error| error.to_string()).unwrap().collect();
        assert!(found.iter().any(|addr| addr.ip().is_loopback()), "{found:?}");
    }

    #[tokio::test]
    async fn a_host_that_does_not_exist_is_an_error() {
        // An empty label: no name server needs to be asked.
        let found = Resolver::default().resolve("nobody..here".parse().unwrap()).await;
        assert!(found.is_err());
    }
}
