//! What people do with schedules.

use tonic::{Request, Response, Status};

use crate::pb;
use crate::server::service::Service;

pub(super) async fn put(
    _service: &Service,
    _request: Request<pb::PutScheduleRequest>,
) -> Result<Response<pb::PutScheduleResponse>, Status> {
    Err(Status::unimplemented("not there yet"))
}

pub(super) async fn get(
    _service: &Service,
    _request: Request<pb::GetScheduleRequest>,
) -> Result<Response<pb::GetScheduleResponse>, Status> {
    Err(Status::unimplemented("not there yet"))
}

pub(super) async fn list(
    _service: &Service,
    _request: Request<pb::ListSchedulesRequest>,
) -> Result<Response<pb::ListSchedulesResponse>, Status> {
    Err(Status::unimplemented("not there yet"))
}

pub(super) async fn delete(
    _service: &Service,
    _request: Request<pb::DeleteScheduleRequest>,
) -> Result<Response<pb::DeleteScheduleResponse>, Status> {
    Err(Status::unimplemented("not there yet"))
}

pub(super) async fn enable(
    _service: &Service,
    _request: Request<pb::EnableScheduleRequest>,
) -> Result<Response<pb::EnableScheduleResponse>, Status> {
    Err(Status::unimplemented("not there yet"))
}

pub(super) async fn disable(
    _service: &Service,
    _request: Request<pb::DisableScheduleRequest>,
) -> Result<Response<pb::DisableScheduleResponse>, Status> {
    Err(Status::unimplemented("not there yet"))
}

pub(super) async fn trigger(
    _service: &Service,
    _request: Request<pb::TriggerScheduleRequest>,
) -> Result<Response<pb::TriggerScheduleResponse>, Status> {
    Err(Status::unimplemented("not there yet"))
}

pub(super) async fn preview(
    _service: &Service,
    _request: Request<pb::PreviewScheduleRequest>,
) -> Result<Response<pb::PreviewScheduleResponse>, Status> {
    Err(Status::unimplemented("not there yet"))
}
