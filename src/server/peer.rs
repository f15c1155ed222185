//! Who may do what: some calls are for callers on this machine alone.

use tonic::Request;

use crate::error::{Code, Error};

/// What proxies put into a request that they pass on.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// Refuses callers that are not on this machine, and those whose request came through a proxy,
/// which hides where they are.
///
/// # Errors
/// `PERMISSION_DENIED`.
pub(super) fn must_be_local<T>(request: &Request<T>) -> Result<(), Error> {
    let local = request.remote_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let why = if !local {
        "this call is for clients on the server's own machine (loopback); from elsewhere \
         SubmitTask, GetResult, EnqueueTask, EnqueueTasks, SubmitChain and SubmitGroup are open"
    } else if FORWARDED.iter().any(|header| request.metadata().contains_key(*header)) {
        "this call is for clients on the server's own machine, and this one came through a proxy"
    } else {
        return Ok(());
    };
    Err(Error::new(Code::PermissionDenied, why))
}

#[cfg(test)]
mod tests {
    use tonic::transport::server::TcpConnectInfo;

    use super::*;

    #[test]
    fn only_loopback_peers_that_come_directly_are_local() {
        let check = |peer: Option<&str>, header: Option<&'static str>, expected: bool| {
            let mut request = Request::new(());
            let remote_addr = peer.map(|peer| peer.parse().unwrap());
            request.extensions_mut().insert(TcpConnectInfo { local_addr: None, remote_addr });
            if let Some(header) = header {
                request.metadata_mut().insert(header, "127.0.0.1".parse().unwrap());
            }
            assert_eq!(must_be_local(&request).is_ok(), expected, "{peer:?} {header:?}");
        };
        check(Some("127.0.0.1:7"), None, true);
        check(Some("127.8.9.10:7"), None, true);
        check(Some("[::1]:7"), None, true);
        check(Some("[::ffff:127.0.0.1]:7"), None, true);
        check(Some("10.0.0.1:7"), None, false);
        check(Some("[::ffff:10.0.0.1]:7"), None, false);
        check(Some("[2001:db8::1]:7"), None, false);
        check(None, None, false);
        check(Some("127.0.0.1:7"), Some("x-forwarded-for"), false);
        check(Some("127.0.0.1:7"), Some("forwarded"), false);
    }
}
