//! A panic while a call is served becomes that call's `INTERNAL`; other calls are not affected.
//!
//! Panics of task handlers never arrive here: the engine catches them and fails the task.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::error::{Code, Error};

/// Catches the panics of calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct CatchPanicsLayer;

impl<S> Layer<S> for CatchPanicsLayer {
    type Service = CatchPanics<S>;

    fn layer(&self, inner: S) -> CatchPanics<S> {
        CatchPanics { inner }
    }
}

/// A service that answers `INTERNAL` when a call panics.
#[derive(Clone, Debug)]
pub(super) struct CatchPanics<S> {
    inner: S,
}

pin_project! {
    /// A call whose panics are caught.
    pub(super) struct Call<F> {
        #[pin]
        call: F,
    }
}

impl<S> Service<Request<Body>> for CatchPanics<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Call<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Call { call: self.inner.call(request) }
    }
}

impl<F, E> Future for Call<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let call = self.project().call;
        // State that the panic left inconsistent belongs to the call, which is never polled again.
        caught(|| call.poll(cx))
            .unwrap_or_else(|error| Poll::Ready(Ok(Status::from(error).into_http())))
    }
}

/// Runs `serve` and turns a panic into `INTERNAL`; then nothing that it borrowed may be used again.
/// Streams, which are polled after their call was answered, call this themselves.
pub(in crate::server) fn caught<T>(serve: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(serve)).map_err(|_| {
        tracing::error!("a call panicked; answered INTERNAL");
        Error::new(Code::Internal, "the server failed while it served this call")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_panics_is_answered_internal() {
        let inner = tower::service_fn(|_: Request<Body>| async {
            tokio::task::yield_now().await;
            if true {
                panic!("on purpose");
            }
            Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
        });
        let mut service = CatchPanicsLayer.layer(inner);
        let answer = service.call(Request::new(Body::empty())).await.unwrap();
        assert_eq!(answer.headers()["grpc-status"], "13");
    }
}
