//! What people do with webhooks. Callers on this machine only: whoever can say where requests go can
//! have this machine ask whatever it can reach.

use tonic::{Request, Response, Status};

use crate::models::Name;
use crate::pb;
use crate::server::api::compression::Accepts;
use crate::server::api::service::Service;
use crate::server::api::{decode, encode};

pub(super) async fn put(
    service: &Service,
    request: Request<pb::PutWebhookRequest>,
) -> Result<Response<pb::PutWebhookResponse>, Status> {
    let accepts = Accepts::of(&request);
    let draft = decode::webhook(request.into_inner())?;
    let (status, made) = service.system.put_webhook(draft).await?;
    tracing::info!(webhook = %status.webhook.name, "defined a webhook, as asked");
    Ok(accepts.answer(pb::PutWebhookResponse {
        webhook: Some(encode::webhook(&status)),
        secret: made.map(|secret| secret.reveal().to_owned()).unwrap_or_default(),
    }))
}

pub(super) async fn get(
    service: &Service,
    request: Request<pb::GetWebhookRequest>,
) -> Result<Response<pb::GetWebhookResponse>, Status> {
    let accepts = Accepts::of(&request);
    let name = Name::parse(&request.get_ref().name, "name")?;
    let status = service.system.webhook(&name).await?;
    Ok(accepts.answer(pb::GetWebhookResponse { webhook: Some(encode::webhook(&status)) }))
}

pub(super) async fn list(
    service: &Service,
    request: Request<pb::ListWebhooksRequest>,
) -> Result<Response<pb::ListWebhooksResponse>, Status> {
    let accepts = Accepts::of(&request);
    let (after, limit) = decode::webhooks(request.get_ref())?;
    let mut found = service.system.webhooks().await?;
    found.retain(|status| after.as_ref().is_none_or(|after| status.webhook.name > *after));
    Ok(accepts.answer(encode::webhooks(&found, limit, service.max_message_size)))
}

pub(super) async fn delete(
    service: &Service,
    request: Request<pb::DeleteWebhookRequest>,
) -> Result<Response<pb::DeleteWebhookResponse>, Status> {
    let accepts = Accepts::of(&request);
    let name = Name::parse(&request.get_ref().name, "name")?;
    service.system.delete_webhook(&name).await?;
    tracing::info!(webhook = %name, "deleted a webhook, as asked");
    Ok(accepts.answer(pb::DeleteWebhookResponse {}))
}
