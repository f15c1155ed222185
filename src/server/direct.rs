//! The short way to the product's own service.
//!
//! tonic's router is axum's: it matches the path, captures its parts and boxes the service for every
//! call. All calls that are made often go to one service, so they are
//! recognised by their prefix and go there directly; everything else goes through the router.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::service::Routes;
use tower::{Layer, Service as TowerService};

use crate::pb::task_scheduler_server::TaskSchedulerServer;
use crate::server::service::Service;

/// The path of every method of the product's service begins so.
const OURS: &str = "/taskscheduler.TaskScheduler/";

/// What one serving thread serves.
#[derive(Clone)]
pub struct Services {
    /// The product's own, if it is served.
    pub(super) ours: Option<TaskSchedulerServer<Service>>,
    /// Everything else.
    pub(super) others: Routes,
}

impl From<Routes> for Services {
    /// Without the product's own.
    fn from(others: Routes) -> Self {
        Self { ours: None, others }
    }
}

/// Sends calls of our service past the router.
#[derive(Clone)]
pub(super) struct DirectLayer(pub(super) Option<TaskSchedulerServer<Service>>);

impl<S> Layer<S> for DirectLayer {
    type Service = Direct<S>;

    fn layer(&self, router: S) -> Direct<S> {
        Direct { ours: self.0.clone(), router }
    }
}

/// A router with a short way past it.
#[derive(Clone)]
pub(super) struct Direct<S> {
    ours: Option<TaskSchedulerServer<Service>>,
    router: S,
}

pin_project! {
    /// A call on either way.
    #[project = Way]
    pub(super) enum Call<F> {
        Ours { call: BoxFuture<Response<Body>, Infallible> },
        Routed { #[pin] call: F },
    }
}

impl<S> TowerService<Request<Body>> for Direct<S>
where
    S: TowerService<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Call<S::Future>;

    /// Our own service is always ready.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.router.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match &mut self.ours {
            Some(ours) if request.uri().path().starts_with(OURS) => {
                Call::Ours { call: ours.call(request) }
            }
            _ => Call::Routed { call: self.router.call(request) },
        }
    }
}

impl<F, E> Future for Call<F>
where
    F: Future<Output = Result<Response<Body>, E>>,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Way::Ours { call } => call.as_mut().poll(cx).map(|answered| match answered {
                Ok(response) => Ok(response),
                Err(never) => match never {},
            }),
            Way::Routed { call } => call.poll(cx),
        }
    }
}
