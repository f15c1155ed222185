//! ListEvents, StreamEvents and ListSubscribers.

use tonic::{Request, Response, Status};

use crate::pb;
use crate::server::service::Service;

pub(super) async fn list(
    _service: &Service,
    _request: Request<pb::ListEventsRequest>,
) -> Result<Response<pb::ListEventsResponse>, Status> {
    Err(Status::unimplemented("not there yet"))
}

/// The answers of one call.
pub(super) type Events = tokio_stream::Empty<Result<pb::StreamEventsResponse, Status>>;

pub(super) async fn stream(
    _service: &Service,
    _request: Request<pb::StreamEventsRequest>,
) -> Result<Response<Events>, Status> {
    Err(Status::unimplemented("not there yet"))
}

pub(super) async fn subscribers(
    _service: &Service,
    _request: Request<pb::ListSubscribersRequest>,
) -> Result<Response<pb::ListSubscribersResponse>, Status> {
    Err(Status::unimplemented("not there yet"))
}
