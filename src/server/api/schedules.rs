//! What people do with schedules.

use tonic::{Request, Response, Status};

use crate::models::ScheduleStatus;
use crate::pb;
use crate::schedules::within;
use crate::server::api::compression::Accepts;
use crate::server::api::decode::{NEXT_TIMES, SCHEDULE};
use crate::server::api::service::Service;
use crate::server::api::{decode, encode, page_token};
use crate::system::next_times;

pub(super) async fn put(
    service: &Service,
    request: Request<pb::PutScheduleRequest>,
) -> Result<Response<pb::PutScheduleResponse>, Status> {
    let accepts = Accepts::of(&request);
    let asked = decode::schedule(request.into_inner().schedule)?;
    let put = service.system.put_schedule(asked).await;
    let status = put.map_err(|error| within(SCHEDULE, error))?;
    tracing::info!(schedule = %status.schedule.name, next = ?status.next, "defined a schedule, as asked");
    let next_times = encode::times(next_times(&status, NEXT_TIMES));
    let schedule = Some(encode::schedule(&status));
    Ok(accepts.answer(pb::PutScheduleResponse { schedule, next_times }))
}

pub(super) async fn get(
    service: &Service,
    request: Request<pb::GetScheduleRequest>,
) -> Result<Response<pb::GetScheduleResponse>, Status> {
    let accepts = Accepts::of(&request);
    let name = decode::schedule_name(&request.get_ref().name)?;
    let status = service.system.schedule(&name).await?;
    let next_times = encode::times(next_times(&status, NEXT_TIMES));
    let schedule = Some(encode::schedule(&status));
    Ok(accepts.answer(pb::GetScheduleResponse { schedule, next_times }))
}

pub(super) async fn list(
    service: &Service,
    request: Request<pb::ListSchedulesRequest>,
) -> Result<Response<pb::ListSchedulesResponse>, Status> {
    let accepts = Accepts::of(&request);
    let limit = decode::page_size(request.get_ref().page_size)?;
    let after = match request.get_ref().page_token.as_str() {
        "" => None,
        token => Some(page_token::read_name(token)?),
    };
    // One more tells whether there is one more.
    let mut found = service.system.schedules(after.as_ref(), limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    Ok(accepts.answer(encode::schedules(&found, more, service.max_message_size)))
}

pub(super) async fn delete(
    service: &Service,
    request: Request<pb::DeleteScheduleRequest>,
) -> Result<Response<pb::DeleteScheduleResponse>, Status> {
    let accepts = Accepts::of(&request);
    let name = decode::schedule_name(&request.get_ref().name)?;
    service.system.delete_schedule(&name).await?;
    tracing::info!(schedule = %name, "deleted a schedule, as asked");
    Ok(accepts.answer(pb::DeleteScheduleResponse {}))
}

pub(super) async fn enable(
    service: &Service,
    request: Request<pb::EnableScheduleRequest>,
) -> Result<Response<pb::EnableScheduleResponse>, Status> {
    let accepts = Accepts::of(&request);
    let name = decode::schedule_name(&request.get_ref().name)?;
    let status = service.system.enable_schedule(&name).await?;
    tracing::info!(schedule = %name, next = ?status.next, "enabled a schedule, as asked");
    Ok(accepts.answer(pb::EnableScheduleResponse { schedule: told(&status) }))
}

pub(super) async fn disable(
    service: &Service,
    request: Request<pb::DisableScheduleRequest>,
) -> Result<Response<pb::DisableScheduleResponse>, Status> {
    let accepts = Accepts::of(&request);
    let name = decode::schedule_name(&request.get_ref().name)?;
    let status = service.system.disable_schedule(&name).await?;
    tracing::info!(schedule = %name, "disabled a schedule, as asked");
    Ok(accepts.answer(pb::DisableScheduleResponse { schedule: told(&status) }))
}

pub(super) async fn trigger(
    service: &Service,
    request: Request<pb::TriggerScheduleRequest>,
) -> Result<Response<pb::TriggerScheduleResponse>, Status> {
    let accepts = Accepts::of(&request);
    let name = decode::schedule_name(&request.get_ref().name)?;
    let task = service.system.trigger_schedule(&name).await?;
    tracing::info!(schedule = %name, task_id = %task, "triggered a schedule, as asked");
    Ok(accepts.answer(pb::TriggerScheduleResponse { task_id: task.as_str().into() }))
}

pub(super) async fn preview(
    service: &Service,
    request: Request<pb::PreviewScheduleRequest>,
) -> Result<Response<pb::PreviewScheduleResponse>, Status> {
    let accepts = Accepts::of(&request);
    let (asked, after, count) = decode::preview(request.into_inner())?;
    let times = service.system.preview_schedule(asked, after, count).await;
    let next_times = encode::times(times.map_err(|error| within(SCHEDULE, error))?);
    Ok(accepts.answer(pb::PreviewScheduleResponse { next_times }))
}

fn told(status: &ScheduleStatus) -> Option<pb::ScheduleStatus> {
    Some(encode::schedule(status))
}
