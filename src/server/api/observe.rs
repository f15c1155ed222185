//! How the server gets on: statistics, explanations, health.
//!
//! Nothing is spawned for whoever watches, and nothing is kept: the stream looks again when its time
//! has come and the client can take an answer, and is dropped when the client goes away.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_stream::Stream;
use tokio_util::sync::{CancellationToken, ReusableBoxFuture};
use tonic::{Request, Response, Status};

use crate::error::{Code, Error};
use crate::models::TaskId;
use crate::pb;
use crate::server::api::compression::Accepts;
use crate::server::api::service::Service;
use crate::server::api::{decode, encode};
use crate::server::transport::deadline;
use crate::server::transport::panics::caught;
use crate::system::TaskSystem;

/// When it is worth watching again after the server has hung up.
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub(super) async fn get(
    service: &Service,
    request: Request<pb::GetStatisticsRequest>,
) -> Result<Response<pb::GetStatisticsResponse>, Status> {
    let accepts = Accepts::of(&request);
    let statistics = encode::statistics(service.system.statistics().await?);
    Ok(accepts.answer(pb::GetStatisticsResponse { statistics: Some(statistics) }))
}

pub(super) async fn watch(
    service: &Service,
    request: Request<pb::WatchStatisticsRequest>,
) -> Result<Response<Samples>, Status> {
    let watching = Watching {
        system: service.system.clone(),
        every: decode::watch_interval(request.get_ref())?,
        next: Instant::now(),
        hang_up: service.hang_up.clone(),
        end: deadline::of(&request),
    };
    Ok(Response::new(Samples { step: Some(ReusableBoxFuture::new(watching.step())) }))
}

pub(super) async fn explain(
    service: &Service,
    request: Request<pb::ExplainTaskRequest>,
) -> Result<Response<pb::ExplainTaskResponse>, Status> {
    let accepts = Accepts::of(&request);
    let id = TaskId::parse(&request.get_ref().task_id, "task_id")?;
    Ok(accepts.answer(encode::explanation(service.system.explain(&id).await?)))
}

pub(super) async fn health(
    service: &Service,
    request: Request<pb::GetHealthRequest>,
) -> Result<Response<pb::GetHealthResponse>, Status> {
    let accepts = Accepts::of(&request);
    Ok(accepts.answer(encode::health(service.system.health().await)))
}

/// The answers to one watcher. Ends with the reason why.
pub(in crate::server) struct Samples {
    /// The step under way; `None` when the stream has ended.
    step: Option<ReusableBoxFuture<'static, (Step, Watching)>>,
}

type Step = Result<pb::Statistics, Error>;

/// What one step hands to the next.
struct Watching {
    system: TaskSystem,
    every: Duration,
    /// When the next answer is due.
    next: Instant,
    /// Cancelled when the server hangs up.
    hang_up: CancellationToken,
    /// When the call's time is over.
    end: Option<Instant>,
}

impl Watching {
    async fn step(mut self) -> (Step, Self) {
        let over = async {
            match self.end {
                Some(end) => sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        let look = async {
            sleep_until(self.next).await;
            self.system.statistics().await
        };
        // The first two end the stream, so it does not matter what they interrupt.
        let step = tokio::select! {
            biased;
            () = over => Err(Error::new(
                Code::DeadlineExceeded,
                "the call's deadline passed; statistics have no end",
            )),
            () = self.hang_up.cancelled() => Err(Error::new(
                Code::Draining,
                "the server is shutting down",
            )
            .retry_after(RETRY_AFTER)),
            looked = look => looked,
        };
        // Whoever reads slowly is not told of the past in a burst.
        self.next = (self.next + self.every).max(Instant::now());
        (step.map(encode::statistics), self)
    }
}

impl Stream for Samples {
    type Item = Result<pb::WatchStatisticsResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(step) = &mut this.step else { return Poll::Ready(None) };
        let next = match caught(|| step.poll(cx)) {
            Ok(polled) => {
                let (next, watching) = ready!(polled);
                if next.is_ok() {
                    step.set(watching.step());
                }
                next
            }
            Err(panicked) => Err(panicked),
        };
        if next.is_err() {
            this.step = None;
        }
        let said = |statistics| pb::WatchStatisticsResponse { statistics: Some(statistics) };
        Poll::Ready(Some(next.map(said).map_err(Status::from)))
    }
}
