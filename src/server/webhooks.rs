//! What people do with webhooks.

use tonic::{Request, Response, Status};

use crate::pb;
use crate::server::service::Service;

pub(super) async fn put(
    _service: &Service,
    _request: Request<pb::PutWebhookRequest>,
) -> Result<Response<pb::PutWebhookResponse>, Status> {
    Err(Status::unimplemented("not there yet"))
}

pub(super) async fn get(
    _service: &Service,
    _request: Request<pb::GetWebhookRequest>,
) -> Result<Response<pb::GetWebhookResponse>, Status> {
    Err(Status::unimplemented("not there yet"))
}

pub(super) async fn list(
    _service: &Service,
    _request: Request<pb::ListWebhooksRequest>,
) -> Result<Response<pb::ListWebhooksResponse>, Status> {
    Err(Status::unimplemented("not there yet"))
}

pub(super) async fn delete(
    _service: &Service,
    _request: Request<pb::DeleteWebhookRequest>,
) -> Result<Response<pb::DeleteWebhookResponse>, Status> {
    Err(Status::unimplemented("not there yet"))
}
