//! Access policy: which callers may call which method.
//!
//! [`METHODS`] is the whole policy by method; [`Access`] enforces it for every path before the
//! message is read. Rules that depend on what a message contains are in `reserved`.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Extensions, HeaderMap, Request, Response};
use pin_project_lite::pin_project;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::server::TcpConnectInfo;
use tower::Service;

use crate::error::{Code, Error};

/// Which callers may call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    /// Every caller.
    Open,
    /// Callers on the server's own machine: loopback peers whose request passed no proxy.
    Local,
}

/// The policy of every method, the most frequent first. A path without a row is [`Policy::Local`].
const METHODS: &[(&str, Policy)] = &[
    ("/taskscheduler.TaskScheduler/SubmitTask", Policy::Open),
    ("/taskscheduler.TaskScheduler/EnqueueTask", Policy::Open),
    ("/taskscheduler.TaskScheduler/EnqueueTasks", Policy::Open),
    ("/taskscheduler.TaskScheduler/GetResult", Policy::Open),
    ("/taskscheduler.TaskScheduler/SubmitChain", Policy::Open),
    ("/taskscheduler.TaskScheduler/SubmitGroup", Policy::Open),
    ("/taskscheduler.TaskScheduler/GetTask", Policy::Local),
    ("/taskscheduler.TaskScheduler/ListTasks", Policy::Local),
    ("/taskscheduler.TaskScheduler/WatchTask", Policy::Local),
    ("/taskscheduler.TaskScheduler/CancelTasks", Policy::Local),
    ("/taskscheduler.TaskScheduler/RetryTask", Policy::Local),
    ("/taskscheduler.TaskScheduler/ResolveTask", Policy::Local),
    ("/taskscheduler.TaskScheduler/PurgeTasks", Policy::Local),
    ("/taskscheduler.TaskScheduler/ListQueues", Policy::Local),
    ("/taskscheduler.TaskScheduler/PauseQueue", Policy::Local),
    ("/taskscheduler.TaskScheduler/ResumeQueue", Policy::Local),
    ("/taskscheduler.TaskScheduler/SetQueueLimits", Policy::Local),
    ("/taskscheduler.TaskScheduler/ListMethods", Policy::Local),
    ("/taskscheduler.TaskScheduler/ListEvents", Policy::Local),
    ("/taskscheduler.TaskScheduler/StreamEvents", Policy::Local),
    ("/taskscheduler.TaskScheduler/ListSubscribers", Policy::Local),
    ("/taskscheduler.TaskScheduler/PutWebhook", Policy::Local),
    ("/taskscheduler.TaskScheduler/GetWebhook", Policy::Local),
    ("/taskscheduler.TaskScheduler/ListWebhooks", Policy::Local),
    ("/taskscheduler.TaskScheduler/DeleteWebhook", Policy::Local),
    ("/taskscheduler.TaskScheduler/PutSchedule", Policy::Local),
    ("/taskscheduler.TaskScheduler/GetSchedule", Policy::Local),
    ("/taskscheduler.TaskScheduler/ListSchedules", Policy::Local),
    ("/taskscheduler.TaskScheduler/DeleteSchedule", Policy::Local),
    ("/taskscheduler.TaskScheduler/EnableSchedule", Policy::Local),
    ("/taskscheduler.TaskScheduler/DisableSchedule", Policy::Local),
    ("/taskscheduler.TaskScheduler/TriggerSchedule", Policy::Local),
    ("/taskscheduler.TaskScheduler/PreviewSchedule", Policy::Local),
    ("/taskscheduler.TaskScheduler/GetStatistics", Policy::Local),
    ("/taskscheduler.TaskScheduler/WatchStatistics", Policy::Local),
    ("/taskscheduler.TaskScheduler/ExplainTask", Policy::Local),
    ("/taskscheduler.TaskScheduler/GetHealth", Policy::Local),
    ("/grpc.health.v1.Health/Check", Policy::Open),
    ("/grpc.health.v1.Health/Watch", Policy::Open),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Policy::Open),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Policy::Open),
];

fn policy(path: &str) -> Policy {
    let row = METHODS.iter().find(|(method, _)| *method == path);
    row.map_or(Policy::Local, |(_, policy)| *policy)
}

/// A service that refuses calls which the policy does not allow.
#[derive(Clone)]
pub(in crate::server) struct Access<S> {
    inner: S,
}

impl<S> Access<S> {
    /// Puts the policy in front of `inner`.
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }
}

pin_project! {
    /// A call that is allowed, or the refusal.
    #[project = CallStage]
    pub(in crate::server) enum Call<F> {
        Allowed { #[pin] call: F },
        Refused { error: Option<Box<Error>> },
    }
}

impl<S> Service<Request<Body>> for Access<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Call<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let allowed = match policy(request.uri().path()) {
            Policy::Open => Ok(()),
            Policy::Local => must_be_local(request.extensions(), request.headers()),
        };
        match allowed {
            Ok(()) => Call::Allowed { call: self.inner.call(request) },
            Err(error) => Call::Refused { error: Some(Box::new(error)) },
        }
    }
}

impl<F> Future for Call<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            CallStage::Allowed { call } => call.poll(cx),
            CallStage::Refused { error } => {
                let error = *error.take().expect("a future is not polled after its end");
                Poll::Ready(Ok(Status::from(error).into_http()))
            }
        }
    }
}

/// # Errors
/// `PERMISSION_DENIED` for callers on other machines, and for requests that passed a proxy.
fn must_be_local(extensions: &Extensions, headers: &HeaderMap) -> Result<(), Error> {
    check_local(extensions, headers).map_err(|not_local| {
        let why = match not_local {
            NotLocal::Remote => {
                "this call is for clients on the server's own machine (loopback); from elsewhere \
                 SubmitTask, GetResult, EnqueueTask, EnqueueTasks, SubmitChain and SubmitGroup are \
                 open"
            }
            NotLocal::Proxied => {
                "this call is for clients on the server's own machine, and this one came through a \
                 proxy"
            }
        };
        Error::new(Code::PermissionDenied, why)
    })
}

/// Why a caller is not known to be on this machine.
pub(super) enum NotLocal {
    /// Its address is not loopback, or not known.
    Remote,
    /// A proxy passed the request on, which hides where the caller is.
    Proxied,
}

/// The headers by which proxies mark the requests that they pass on.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// Whether the caller of a request with these extensions and headers is on this machine.
pub(super) fn check_local(extensions: &Extensions, headers: &HeaderMap) -> Result<(), NotLocal> {
    let peer = extensions.get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr);
    if !peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback()) {
        return Err(NotLocal::Remote);
    }
    if FORWARDED.iter().any(|header| headers.contains_key(*header)) {
        return Err(NotLocal::Proxied);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::pb;

    fn request(path: &str, peer: Option<&str>, header: Option<&'static str>) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = path.parse().unwrap();
        let remote_addr = peer.map(|peer| peer.parse().unwrap());
        request.extensions_mut().insert(TcpConnectInfo { local_addr: None, remote_addr });
        if let Some(header) = header {
            request.headers_mut().insert(header, "127.0.0.1".parse().unwrap());
        }
        request
    }

    /// The `grpc-status` of a call; 0 when the policy allows it.
    async fn status(request: Request<Body>) -> i32 {
        let inner = tower::service_fn(|_| async { Ok(Response::new(Body::empty())) });
        let answer = Access::new(inner).call(request).await.unwrap();
        answer.headers().get("grpc-status").map_or(0, |it| it.to_str().unwrap().parse().unwrap())
    }

    /// The paths of all methods that the server serves.
    fn methods() -> Vec<String> {
        let sets = [
            pb::DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let mut paths = Vec::new();
        for set in sets {
            for file in FileDescriptorSet::decode(set).unwrap().file {
                for service in &file.service {
                    let service_name = format!("{}.{}", file.package(), service.name());
                    let names = service.method.iter().map(|method| method.name());
                    paths.extend(names.map(|name| format!("/{service_name}/{name}")));
                }
            }
        }
        paths
    }

    #[tokio::test]
    async fn every_method_has_a_row_and_every_caller_is_treated_by_it() {
        let paths = methods();
        assert_eq!(METHODS.len(), paths.len(), "a row for each method and no other");
        for path in &paths {
            let row = METHODS.iter().find(|(method, _)| method == path);
            let (_, policy) = row.unwrap_or_else(|| panic!("{path} has no row"));
            let expected = match policy {
                Policy::Open => 0,
                Policy::Local => tonic::Code::PermissionDenied as i32,
            };
            assert_eq!(status(request(path, Some("127.0.0.1:7"), None)).await, 0, "{path}");
            assert_eq!(status(request(path, Some("[::1]:7"), None)).await, 0, "{path}");
            assert_eq!(status(request(path, Some("10.0.0.1:7"), None)).await, expected, "{path}");
            let proxied = request(path, Some("127.0.0.1:7"), Some("x-forwarded-for"));
            assert_eq!(status(proxied).await, expected, "{path}");
        }
    }

    #[test]
    fn remote_callers_may_submit_tasks_and_read_results_health_and_the_schema_only() {
        let open = METHODS.iter().filter(|(_, policy)| *policy == Policy::Open);
        let open: Vec<&str> = open.map(|(path, _)| path.rsplit('/').next().unwrap()).collect();
        let expected = [
            "SubmitTask",
            "EnqueueTask",
            "EnqueueTasks",
            "GetResult",
            "SubmitChain",
            "SubmitGroup",
            "Check",
            "Watch",
            "ServerReflectionInfo",
            "ServerReflectionInfo",
        ];
        assert_eq!(open, expected);
    }

    #[tokio::test]
    async fn a_path_without_a_row_is_local() {
        let refused = tonic::Code::PermissionDenied as i32;
        for path in ["/taskscheduler.TaskScheduler/New", "/other.Service/Call", "/"] {
            assert_eq!(status(request(path, Some("127.0.0.1:7"), None)).await, 0);
            assert_eq!(status(request(path, Some("10.0.0.1:7"), None)).await, refused);
        }
    }

    #[test]
    fn only_loopback_peers_without_a_proxy_are_local() {
        let check = |peer: Option<&str>, header: Option<&'static str>, expected: bool| {
            let request = request("/", peer, header);
            let local = check_local(request.extensions(), request.headers());
            assert_eq!(local.is_ok(), expected, "{peer:?} {header:?}");
        };
        check(Some("127.0.0.1:7"), None, true);
        check(Some("127.8.9.10:7"), None, true);
        check(Some("[::1]:7"), None, true);
        check(Some("[::ffff:127.0.0.1]:7"), None, true);
        check(Some("10.0.0.1:7"), None, false);
        check(Some("[::ffff:10.0.0.1]:7"), None, false);
        check(Some("[2001:db8::1]:7"), None, false);
        check(None, None, false);
        for header in FORWARDED {
            check(Some("127.0.0.1:7"), Some(header), false);
        }
    }
}
