//! DNS look-ups on threads of their own. The system's look-up blocks while a name server does not answer,
//! and the runtime's blocking threads are for sync handlers.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::{Semaphore, oneshot};

/// The default maximum of concurrent look-ups. Each uses a thread while it lasts.
const MAX_LOOKUPS: usize = 64;

/// Looks up the addresses of a host; blocks.
type LookUp = Arc<dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// Resolves host names for the HTTP clients. Clones share the limit.
#[derive(Clone)]
pub(super) struct Resolver {
    permits: Arc<Semaphore>,
    look_up: LookUp,
}

impl Resolver {
    /// A resolver with at most `max_lookups` concurrent look-ups; more wait.
    fn new(max_lookups: usize, look_up: LookUp) -> Self {
        Self { permits: Arc::new(Semaphore::new(max_lookups)), look_up }
    }
}

impl Default for Resolver {
    fn default() -> Self {
        // The URL's port replaces this one.
        Self::new(MAX_LOOKUPS, Arc::new(|host| Ok((host, 0).to_socket_addrs()?.collect())))
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (permits, look_up) = (self.permits.clone(), self.look_up.clone());
        Box::pin(async move {
            let permit = permits.acquire_owned().await?;
            let (sender, found) = oneshot::channel();
            thread::Builder::new().name("webhook-dns".into()).spawn(move || {
                let addresses = look_up(name.as_str());
                drop(permit);
                // The request may have timed out.
                drop(sender.send(addresses));
            })?;
            Ok(Box::new(found.await??.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::Ipv4Addr;
    use std::sync::mpsc;
    use std::task::Poll;
    use std::time::Duration;

    use parking_lot::Mutex;

    use super::*;

    #[tokio::test]
    async fn localhost_resolves_to_a_loopback_address() {
        let found = Resolver::default().resolve("localhost".parse().unwrap()).await;
        let found: Vec<_> = found.map_err(|error| error.to_string()).unwrap().collect();
        assert!(found.iter().any(|addr| addr.ip().is_loopback()), "{found:?}");
    }

    #[tokio::test]
    async fn an_unknown_host_is_an_error() {
        // An empty label is refused without asking a name server.
        let found = Resolver::default().resolve("unknown..host".parse().unwrap()).await;
        assert!(found.is_err());
    }

    #[tokio::test]
    async fn concurrent_lookups_are_bounded_and_the_others_wait() {
        let (began, beginnings) = mpsc::channel();
        let (finish, finishes) = mpsc::channel::<()>();
        let finishes = Mutex::new(finishes);
        let look_up = move |_: &str| {
            began.send(()).expect("the test waits for it");
            finishes.lock().recv().expect("the test finishes it");
            Ok(vec![(Ipv4Addr::LOCALHOST, 0).into()])
        };
        let resolver = Resolver::new(2, Arc::new(look_up));
        let mut lookups: Vec<_> =
            (0..3).map(|_| resolver.resolve("host".parse().unwrap())).collect();
        for lookup in &mut lookups {
            let waits = poll_fn(|cx| Poll::Ready(lookup.as_mut().poll(cx).is_pending())).await;
            assert!(waits, "the test has not finished the look-up");
        }
        let next = |limit| beginnings.recv_timeout(limit);
        assert_eq!([next(Duration::from_secs(60)), next(Duration::from_secs(60))], [Ok(()); 2]);
        assert!(next(Duration::from_millis(100)).is_err(), "the third look-up waits");
        for _ in 0..3 {
            finish.send(()).unwrap();
        }
        for lookup in lookups {
            assert!(lookup.await.is_ok());
        }
    }
}
