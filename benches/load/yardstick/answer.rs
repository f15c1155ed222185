//! The fixed answers of the yardsticks, in the format of the real server.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use task_scheduler::pb;
use task_scheduler::pb::enqueue_outcome::Outcome;
use task_scheduler::pb::task_response::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response};
use tonic_prost::ProstCodec;

use super::Gate;

/// An id as long as those that the server generates.
const ID: &str = "00000000-0000-0000-0000-000000000000";

/// Answers SubmitTask as if it were `add(1, 2, 3)`, and everything else as EnqueueTasks. It is
/// written out, not made from the generated trait, so that new RPCs do not concern it.
#[derive(Clone)]
pub(super) struct Answering<G>(pub(super) G);

impl<G> NamedService for Answering<G> {
    const NAME: &'static str = "taskscheduler.TaskScheduler";
}

impl<G: Gate> Service<http::Request<Body>> for Answering<G> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let gate = self.0.clone();
        match request.uri().path().ends_with("/SubmitTask") {
            true => Box::pin(async move {
                Ok(Grpc::new(ProstCodec::default()).unary(Submit(gate), request).await)
            }),
            false => Box::pin(async move {
                Ok(Grpc::new(ProstCodec::default()).unary(Enqueue(gate), request).await)
            }),
        }
    }
}

struct Submit<G>(G);

impl<G: Gate> UnaryService<pb::TaskRequest> for Submit<G> {
    type Response = pb::TaskResponse;
    type Future = Answer<G::Passed, pb::TaskResponse>;

    fn call(&mut self, request: Request<pb::TaskRequest>) -> Self::Future {
        let answer = pb::TaskResponse {
            task_id: ID.to_owned(),
            status: Status::Success.into(),
            result: "6".to_owned(),
            state: pb::TaskState::Succeeded.into(),
            failure: None,
        };
        Answer { passed: self.0.pass(request.get_ref()), answer: Some(answer) }
    }
}

struct Enqueue<G>(G);

impl<G: Gate> UnaryService<pb::EnqueueTasksRequest> for Enqueue<G> {
    type Response = pb::EnqueueTasksResponse;
    type Future = Answer<G::Passed, pb::EnqueueTasksResponse>;

    fn call(&mut self, request: Request<pb::EnqueueTasksRequest>) -> Self::Future {
        let accepted = || pb::EnqueueTaskResponse {
            task_id: ID.to_owned(),
            state: pb::TaskState::Queued.into(),
            ..Default::default()
        };
        let outcomes = (0..request.get_ref().tasks.len())
            .map(|_| pb::EnqueueOutcome { outcome: Some(Outcome::Accepted(accepted())) })
            .collect();
        let answer = pb::EnqueueTasksResponse { outcomes };
        Answer { passed: self.0.pass(request.get_ref()), answer: Some(answer) }
    }
}

/// Answers after the request has passed the gate.
struct Answer<P, A> {
    passed: P,
    /// `None` after the answer was returned.
    answer: Option<A>,
}

impl<P: Future<Output = ()> + Unpin, A: Unpin> Future for Answer<P, A> {
    type Output = Result<Response<A>, tonic::Status>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(Pin::new(&mut self.passed).poll(context));
        let answer = self.answer.take().expect("polled until it is ready, not longer");
        Poll::Ready(Ok(Response::new(answer)))
    }
}
