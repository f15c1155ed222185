//! The fast path: calls of one service skip tonic's router.
//!
//! tonic's router is axum's: it matches the path, captures its parts and boxes the service for every
//! call. Almost every call is of one service, so this recognises its prefix and calls it directly.
//! All other paths go through the router.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tonic::body::Body;
use tower::Service;

/// A router, and one service that is called without it.
#[derive(Clone)]
pub(in crate::server) struct FastPath<F, R> {
    /// Paths that begin with this are the service's.
    pub(in crate::server) prefix: &'static str,
    /// The service. It must always be ready, as tonic's generated servers are.
    pub(in crate::server) service: F,
    /// Serves all other paths.
    pub(in crate::server) router: R,
}

pin_project! {
    /// A call on either path.
    #[project = Path]
    pub(in crate::server) enum Call<F, R> {
        Fast { #[pin] call: F },
        Routed { #[pin] call: R },
    }
}

impl<F, R> Service<Request<Body>> for FastPath<F, R>
where
    F: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    R: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Call<F::Future, R::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.router.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path().starts_with(self.prefix) {
            Call::Fast { call: self.service.call(request) }
        } else {
            Call::Routed { call: self.router.call(request) }
        }
    }
}

impl<F, R, T> Future for Call<F, R>
where
    F: Future<Output = T>,
    R: Future<Output = T>,
{
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.project() {
            Path::Fast { call } => call.poll(cx),
            Path::Routed { call } => call.poll(cx),
        }
    }
}
