//! How the server gets on: statistics, explanations, health.

use tonic::{Request, Response, Status};

use crate::pb;
use crate::server::service::Service;

pub(super) async fn get(
    _service: &Service,
    _request: Request<pb::GetStatisticsRequest>,
) -> Result<Response<pb::GetStatisticsResponse>, Status> {
    Err(Status::unimplemented("not there yet"))
}

/// The answers of one call.
pub(super) type Samples = tokio_stream::Empty<Result<pb::WatchStatisticsResponse, Status>>;

pub(super) async fn watch(
    _service: &Service,
    _request: Request<pb::WatchStatisticsRequest>,
) -> Result<Response<Samples>, Status> {
    Err(Status::unimplemented("not there yet"))
}

pub(super) async fn explain(
    _service: &Service,
    _request: Request<pb::ExplainTaskRequest>,
) -> Result<Response<pb::ExplainTaskResponse>, Status> {
    Err(Status::unimplemented("not there yet"))
}

pub(super) async fn health(
    _service: &Service,
    _request: Request<pb::GetHealthRequest>,
) -> Result<Response<pb::GetHealthResponse>, Status> {
    Err(Status::unimplemented("not there yet"))
}
