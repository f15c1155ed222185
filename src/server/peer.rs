//! Who may do what: some calls are for callers on this machine alone.

use tonic::Request;

use crate::error::{Code, Error};
use crate::models::Request as Asked;
use crate::pb;

/// What proxies put into a request that they pass on.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// The namespaces whose methods reach what is this machine's: its network, its files, the server
/// itself.
const RESERVED: [&str; 4] = ["http", "storage", "system", "workflow"];

/// Refuses callers that are not on this machine, and those whose request came through a proxy,
/// which hides where they are.
///
/// # Errors
/// `PERMISSION_DENIED`.
pub(super) fn must_be_local<T>(request: &Request<T>) -> Result<(), Error> {
    local(request).map_err(|stranger| {
        let why = match stranger {
            Stranger::Remote => {
                "this call is for clients on the server's own machine (loopback); from elsewhere \
                 SubmitTask, GetResult, EnqueueTask, EnqueueTasks, SubmitChain and SubmitGroup are \
                 open"
            }
            Stranger::Proxied => {
                "this call is for clients on the server's own machine, and this one came through a \
                 proxy"
            }
        };
        Error::new(Code::PermissionDenied, why)
    })
}

/// Refuses methods of reserved namespaces to whoever is not on this machine. Of no other method is it
/// asked where the caller is.
///
/// # Errors
/// `PERMISSION_DENIED`.
pub(super) fn may_run<T>(request: &Request<T>, method: &str) -> Result<(), Error> {
    if !is_reserved(method) {
        return Ok(());
    }
    local(request).map_err(|_| {
        let namespaces = RESERVED.join("`, `");
        let why = format!(
            "methods of the namespaces `{namespaces}` are for clients on the server's own machine"
        );
        Error::new(Code::PermissionDenied, why)
    })
}

/// The same for many: the refusal of those of them that are refused.
pub(super) fn may_run_all<'a, T>(
    request: &Request<T>,
    methods: impl IntoIterator<Item = &'a pb::TaskRequest>,
) -> Result<(), Error> {
    let reserved = methods.into_iter().find(|task| is_reserved(&task.method));
    reserved.map_or(Ok(()), |task| may_run(request, &task.method))
}

/// Of many tasks that were asked for, refuses those that are for callers on this machine.
pub(super) fn refuse_reserved(requests: &mut [Result<Asked, Error>], refusal: &Error) {
    for request in requests {
        if request.as_ref().is_ok_and(|task| is_reserved(&task.method)) {
            *request = Err(refusal.clone());
        }
    }
}

/// Whether it is of a reserved namespace: `[namespace/]name[@version]`.
fn is_reserved(method: &str) -> bool {
    method.split_once('/').is_some_and(|(namespace, _)| RESERVED.contains(&namespace))
}

/// Who is not known to be on this machine.
enum Stranger {
    Remote,
    Proxied,
}

fn local<T>(request: &Request<T>) -> Result<(), Stranger> {
    let local = request.remote_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    if !local {
        return Err(Stranger::Remote);
    }
    if FORWARDED.iter().any(|header| request.metadata().contains_key(*header)) {
        return Err(Stranger::Proxied);
    }
    Ok(())
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
    #[test]
    fn of_many_tasks_only_those_are_refused_that_are_for_this_machine() {
        let refusal = Error::new(Code::PermissionDenied, "no");
        let asked = |method: &str| Ok(Asked::of(method));
        let mut requests = [asked("add"), asked("system/webhook"), Err(Error::invalid("a", "b"))];
        refuse_reserved(&mut requests, &refusal);
        let expected = [asked("add"), Err(refusal), Err(Error::invalid("a", "b"))];
        assert_eq!(requests, expected);
    }

    #[test]
    fn methods_of_the_server_itself_are_for_this_machine() {
        let remote = |method: &str| {
            let mut request = Request::new(());
            let remote_addr = Some("10.0.0.1:7".parse().unwrap());
            request.extensions_mut().insert(TcpConnectInfo { local_addr: None, remote_addr });
            let task = pb::TaskRequest { method: method.into(), ..Default::default() };
            let open = pb::TaskRequest { method: "add".into(), ..Default::default() };
            let all = may_run_all(&request, [&open, &task]);
            assert_eq!(all, may_run(&request, method));
            all.map_err(|error| error.code)
        };
        for method in
            ["system/webhook", "system/webhook@1.0.0", "http/get", "storage/", "workflow/a"]
        {
            assert_eq!(remote(method), Err(Code::PermissionDenied), "{method}");
        }
        for method in ["", "system", "add", "default/system", "systems/x", "System/x", "/system/x"]
        {
            assert_eq!(remote(method), Ok(()), "{method}");
        }
        let mut here = Request::new(());
        let remote_addr = Some("127.0.0.1:7".parse().unwrap());
        here.extensions_mut().insert(TcpConnectInfo { local_addr: None, remote_addr });
        assert_eq!(may_run(&here, "system/webhook"), Ok(()));
        here.metadata_mut().insert("via", "1.1 proxy".parse().unwrap());
        assert!(may_run(&here, "system/webhook").is_err());
    }
}
