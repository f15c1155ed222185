//! What people do with webhooks. Callers on this machine only: whoever can say where requests go can
//! have this machine ask whatever it can reach.

use tonic::{Request, Response, Status};

use crate::models::Name;
use crate::pb;
use crate::server::compression::Accepts;
use crate::server::peer::must_be_local;
use crate::server::service::Service;
use crate::server::{answer, convert};

pub(super) async fn put(
    service: &Service,
    request: Request<pb::PutWebhookRequest>,
) -> Result<Response<pb::PutWebhookResponse>, Status> {
    must_be_local(&request)?;
    let accepts = Accepts::of(&request);
    let draft = convert::webhook(request.into_inner())?;
    let (status, made) = service.system.put_webhook(draft).await?;
    tracing::info!(webhook = %status.webhook.name, "defined a webhook, as asked");
    Ok(accepts.answer(pb::PutWebhookResponse {
        webhook: Some(answer::webhook(&status)),
        secret: made.map(|secret| secret.reveal().to_owned()).unwrap_or_default(),
    }))
}

pub(super) async fn get(
    service: &Service,
    request: Request<pb::GetWebhookRequest>,
) -> Result<Response<pb::GetWebhookResponse>, Status> {
    must_be_local(&request)?;
    let accepts = Accepts::of(&request);
    let name = Name::parse(&request.get_ref().name, "name")?;
    let status = service.system.webhook(&name).await?;
    Ok(accepts.answer(pb::GetWebhookResponse { webhook: Some(answer::webhook(&status)) }))
}

pub(super) async fn list(
    service: &Service,
    request: Request<pb::ListWebhooksRequest>,
) -> Result<Response<pb::ListWebhooksResponse>, Status> {
    must_be_local(&request)?;
    let accepts = Accepts::of(&request);
    let (after, limit) = convert::webhooks(request.get_ref())?;
    let mut found = service.system.webhooks().await?;
    found.retain(|status| after.as_ref().is_none_or(|after| status.webhook.name > *after));
    Ok(accepts.answer(answer::webhooks(&found, limit, service.max_message_size)))
}

pub(super) async fn delete(
    service: &Service,
    request: Request<pb::DeleteWebhookRequest>,
) -> Result<Response<pb::DeleteWebhookResponse>, Status> {
    must_be_local(&request)?;
    let accepts = Accepts::of(&request);
    let name = Name::parse(&request.get_ref().name, "name")?;
    service.system.delete_webhook(&name).await?;
    tracing::info!(webhook = %name, "deleted a webhook, as asked");
    Ok(accepts.answer(pb::DeleteWebhookResponse {}))
}
