//! Access rules by content: what only callers on the server's own machine may run and read.
//!
//! Methods of the namespaces `http`, `storage`, `system` and `workflow` reach the machine's network and
//! files and the server itself; the server's own tasks (runs of schedules, deliveries to webhooks)
//! have reserved ids and queues. `access` has the rules by method.

use tonic::Request;

use crate::error::{Code, Error};
use crate::models::{self, TaskId};
use crate::pb;
use crate::server::api::access::{NotLocal, check_local};
use crate::system::WEBHOOK_QUEUE_PREFIX;

/// The namespaces whose methods only local callers may run.
const NAMESPACES: [&str; 4] = ["http", "storage", "system", "workflow"];

/// The prefixes of the ids that the server gives to its own tasks.
const ID_PREFIXES: [&str; 2] = ["schedule/", "webhook/"];

/// Refuses a reserved task to a caller that is not local. Where the caller is matters for no other
/// task.
///
/// # Errors
/// `PERMISSION_DENIED`.
pub(super) fn may_run<T>(request: &Request<T>, task: &pb::TaskRequest) -> Result<(), Error> {
    if !is_reserved(task) {
        return Ok(());
    }
    local(request).map_err(|_| {
        let namespaces = NAMESPACES.join("`, `");
        let ids = ID_PREFIXES.join("` or `");
        let why = format!(
            "methods of the namespaces `{namespaces}`, ids that begin with `{ids}` and queues that \
             begin with `{WEBHOOK_QUEUE_PREFIX}` are for clients on the server's own machine"
        );
        Error::new(Code::PermissionDenied, why)
    })
}

/// [`may_run`] for several tasks: the refusal of the first that is refused.
///
/// # Errors
/// `PERMISSION_DENIED`.
pub(super) fn may_run_all<'a, T>(
    request: &Request<T>,
    tasks: impl IntoIterator<Item = &'a pb::TaskRequest>,
) -> Result<(), Error> {
    let reserved = tasks.into_iter().find(|task| is_reserved(task));
    reserved.map_or(Ok(()), |task| may_run(request, task))
}

/// Replaces each reserved task of a batch by `refusal`.
pub(super) fn refuse_reserved(requests: &mut [Result<models::Request, Error>], refusal: &Error) {
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

/// Refuses the outcome of one of the server's own tasks to a caller that is not local.
///
/// # Errors
/// `PERMISSION_DENIED`.
pub(super) fn may_read<T>(request: &Request<T>, id: &str) -> Result<(), Error> {
    if !is_reserved_id(id) {
        return Ok(());
    }
    local(request).map_err(|_| {
        let ids = ID_PREFIXES.join("` or `");
        let why = format!(
            "tasks whose ids begin with `{ids}` are for clients on the server's own machine"
        );
        Error::new(Code::PermissionDenied, why)
    })
}

fn local<T>(request: &Request<T>) -> Result<(), NotLocal> {
    check_local(request.extensions(), request.metadata().as_ref())
}

fn is_reserved(task: &pb::TaskRequest) -> bool {
    is_reserved_method(&task.method)
        || is_reserved_id(&task.task_id)
        || task.options.as_ref().is_some_and(|options| is_reserved_queue(&options.queue))
}

/// Whether the method, `[namespace/]name[@version]`, is of a reserved namespace.
fn is_reserved_method(method: &str) -> bool {
    method.split_once('/').is_some_and(|(namespace, _)| NAMESPACES.contains(&namespace))
}

fn is_reserved_id(id: &str) -> bool {
    ID_PREFIXES.iter().any(|prefix| id.starts_with(prefix))
}

fn is_reserved_queue(queue: &str) -> bool {
    queue.starts_with(WEBHOOK_QUEUE_PREFIX)
}

#[cfg(test)]
mod tests {
    use tonic::transport::server::TcpConnectInfo;

    use super::*;

    #[test]
    fn only_the_reserved_tasks_of_a_batch_are_refused() {
        let refusal = Error::new(Code::PermissionDenied, "no");
        let of = |method: &str| Ok(models::Request::of(method));
        let named =
            |id: &str| Ok(models::Request::of("add").named(TaskId::parse(id, "id").unwrap()));
        let queued =
            |queue: &str| Ok(models::Request::of("add").with(|it| it.queue = Some(queue.into())));
        let mut requests = [
            of("add"),
            of("system/webhook"),
            named("schedule/nightly/1"),
            named("schedules/nightly"),
            queued("webhook.crm"),
            queued("webhooks"),
            Err(Error::invalid("a", "b")),
        ];
        refuse_reserved(&mut requests, &refusal);
        let expected = [
            of("add"),
            Err(refusal.clone()),
            Err(refusal.clone()),
            named("schedules/nightly"),
            Err(refusal),
            queued("webhooks"),
            Err(Error::invalid("a", "b")),
        ];
        assert_eq!(requests, expected);
    }

    /// A request from another machine.
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
    fn remote_callers_cannot_run_reserved_methods_ids_and_queues() {
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
    fn remote_callers_cannot_read_outcomes_of_the_server_s_own_tasks() {
        for id in ["schedule/nightly/1", "webhook/crm/evt_1"] {
            let refused = may_read(&remote(()), id).map_err(|error| error.code);
            assert_eq!(refused, Err(Code::PermissionDenied), "{id}");
            assert_eq!(may_read(&from("127.0.0.1:7", ()), id), Ok(()), "{id}");
        }
        assert_eq!(may_read(&remote(()), "schedules"), Ok(()));
    }
}
