//! Who may do what: some calls are for callers on this machine alone.

use tonic::Request;

use crate::error::{Code, Error};
use crate::models::Request as Asked;
use crate::models::TaskId;
use crate::pb;
use crate::webhooks::QUEUE_PREFIX;

/// What proxies put into a request that they pass on.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// The namespaces whose methods reach what is this machine's: its network, its files, the server
/// itself.
const RESERVED: [&str; 4] = ["http", "storage", "system", "workflow"];

/// What the ids of tasks begin with that the server makes for schedules and webhooks.
const RESERVED_IDS: [&str; 2] = ["schedule/", "webhook/"];

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

/// Refuses what is the server's own to whoever is not on this machine: methods of reserved namespaces,
/// the ids that its own tasks get, and the queues that they wait in. Of no other task is it asked where
/// the caller is.
///
/// # Errors
/// `PERMISSION_DENIED`.
pub(super) fn may_run<T>(request: &Request<T>, task: &pb::TaskRequest) -> Result<(), Error> {
    if !is_reserved(task) {
        return Ok(());
    }
    local(request).map_err(|_| {
        let namespaces = RESERVED.join("`, `");
        let ids = RESERVED_IDS.join("` or `");
        let why = format!(
            "methods of the namespaces `{namespaces}`, ids that begin with `{ids}` and queues that \
             begin with `{QUEUE_PREFIX}` are for clients on the server's own machine"
        );
        Error::new(Code::PermissionDenied, why)
    })
}

/// The same for many: the refusal of those of them that are refused.
pub(super) fn may_run_all<'a, T>(
    request: &Request<T>,
    tasks: impl IntoIterator<Item = &'a pb::TaskRequest>,
) -> Result<(), Error> {
    let reserved = tasks.into_iter().find(|task| is_reserved(task));
    reserved.map_or(Ok(()), |task| may_run(request, task))
}

/// Of many tasks that were asked for, refuses those that are for callers on this machine.
pub(super) fn refuse_reserved(requests: &mut [Result<Asked, Error>], refusal: &Error) {
    for request in requests {
        let reserved = request.as_ref().is_ok_and(|task| {
            let queue = task.options.as_ref().and_then(|options| options.queue.as_deref());
            is_reserved_method(&task.method)
                || task.id.as_ref().map(TaskId::as_str).is_some_and(is_reserved_id)
                || queue.is_some_and(is_reserved_queue)
        });
        if reserved {
            *request = Err(refusal.clone());
        }
    }
}

/// Refuses to tell whoever is not on this machine what became of the server's own tasks.
///
/// # Errors
/// `PERMISSION_DENIED`.
pub(super) fn may_know<T>(request: &Request<T>, id: &str) -> Result<(), Error> {
    if !is_reserved_id(id) {
        return Ok(());
    }
    local(request).map_err(|_| {
        let ids = RESERVED_IDS.join("` or `");
        let why = format!(
            "tasks whose ids begin with `{ids}` are for clients on the server's own machine"
        );
        Error::new(Code::PermissionDenied, why)
    })
}

fn is_reserved(task: &pb::TaskRequest) -> bool {
    is_reserved_method(&task.method)
        || is_reserved_id(&task.task_id)
        || task.options.as_ref().is_some_and(|options| is_reserved_queue(&options.queue))
}

/// Whether it is of a reserved namespace: `[namespace/]name[@version]`.
fn is_reserved_method(method: &str) -> bool {
    method.split_once('/').is_some_and(|(namespace, _)| RESERVED.contains(&namespace))
}

fn is_reserved_id(id: &str) -> bool {
    RESERVED_IDS.iter().any(|reserved| id.starts_with(reserved))
}

fn is_reserved_queue(queue: &str) -> bool {
    queue.starts_with(QUEUE_PREFIX)
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
        let named = |id: &str| Ok(Asked::of("add").named(TaskId::parse(id, "id").unwrap()));
        let queued = |queue: &str| Ok(Asked::of("add").with(|it| it.queue = Some(queue.into())));
        let mut requests = [
            asked("add"),
            asked("system/webhook"),
            named("schedule/nightly/1"),
            named("schedules/nightly"),
            queued("webhook.crm"),
            queued("webhooks"),
            Err(Error::invalid("a", "b")),
        ];
        refuse_reserved(&mut requests, &refusal);
        let expected = [
            asked("add"),
            Err(refusal.clone()),
            Err(refusal.clone()),
            named("schedules/nightly"),
            Err(refusal),
            queued("webhooks"),
            Err(Error::invalid("a", "b")),
        ];
        assert_eq!(requests, expected);
    }

    /// From another machine.
    fn remote<T>(message: T) -> Request<T> {
        from("10.0.0.1:7", message)
    }

    fn from<T>(peer: &str, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let remote_addr = Some(peer.parse().unwrap());
        request.extensions_mut().insert(TcpConnectInfo { local_addr: None, remote_addr });
        request
    }

    fn task(method: &str, id: &str, queue: &str) -> pb::TaskRequest {
        let options = pb::TaskOptions { queue: queue.into(), ..Default::default() };
        pb::TaskRequest {
            task_id: id.into(),
            method: method.into(),
            options: Some(options),
            ..Default::default()
        }
    }

    #[test]
    fn what_is_the_server_s_own_is_for_this_machine() {
        let check = |method: &str, id: &str, queue: &str, expected: Result<(), Code>| {
            let task = task(method, id, queue);
            let open = pb::TaskRequest { method: "add".into(), ..Default::default() };
            let all = may_run_all(&remote(()), [&open, &task]);
            assert_eq!(all, may_run(&remote(()), &task));
            assert_eq!(all.map_err(|error| error.code), expected, "{method:?} {id:?} {queue:?}");
            assert_eq!(may_run(&from("127.0.0.1:7", ()), &task), Ok(()));
        };
        let refused = Err(Code::PermissionDenied);
        for method in
            ["system/webhook", "system/webhook@1.0.0", "http/get", "storage/", "workflow/a"]
        {
            check(method, "", "", refused);
        }
        for method in ["", "system", "add", "default/system", "systems/x", "System/x", "/system/x"]
        {
            check(method, "", "", Ok(()));
        }
        for id in ["schedule/", "schedule/nightly/1", "webhook/crm/evt_1"] {
            check("add", id, "", refused);
        }
        for id in ["schedule", "schedules/a", "my/schedule/a", "webhook", "webhook.crm"] {
            check("add", id, "", Ok(()));
        }
        check("add", "", "webhook.crm", refused);
        check("add", "", "webhook.", refused);
        for queue in ["webhook", "webhooks", "my.webhook.crm", "mail"] {
            check("add", "", queue, Ok(()));
        }
        let mut proxied = from("127.0.0.1:7", ());
        proxied.metadata_mut().insert("via", "1.1 proxy".parse().unwrap());
        assert!(may_run(&proxied, &task("system/webhook", "", "")).is_err());
    }

    #[test]
    fn what_became_of_the_server_s_own_tasks_is_for_this_machine() {
        for id in ["schedule/nightly/1", "webhook/crm/evt_1"] {
            let refused = may_know(&remote(()), id).map_err(|error| error.code);
            assert_eq!(refused, Err(Code::PermissionDenied), "{id}");
            assert_eq!(may_know(&from("127.0.0.1:7", ()), id), Ok(()), "{id}");
        }
        assert_eq!(may_know(&remote(()), "schedules"), Ok(()));
    }
}
