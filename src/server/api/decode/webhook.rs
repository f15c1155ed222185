//! Decodes requests about webhooks.

use crate::error::Error;
use crate::models::{Name, Secret};
use crate::server::api::decode::event_filter;
use crate::system::WebhookRequest;
use crate::{pb, wire};

/// Decodes the definition of a webhook.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(in crate::server::api) fn webhook(
    message: pb::PutWebhookRequest,
) -> Result<WebhookRequest, Error> {
    let Some(message) = message.webhook else {
        return Err(Error::invalid("webhook", "not set; expected a name and a URL at least"));
    };
    Ok(WebhookRequest {
        name: Name::parse(&message.name, "webhook.name")?,
        description: message.description,
        url: message.url,
        filter: event_filter(message.filter, "webhook.filter")?,
        secret: wire::set(message.secret).map(Secret::new),
        timeout: wire::duration(message.timeout, "webhook.timeout")?,
        retries: message.retries,
        enabled: !message.disabled,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_needs_a_name() {
        let refused = |message| webhook(pb::PutWebhookRequest { webhook: message });
        let missing = refused(None).expect_err("refused");
        assert_eq!(missing.message, "webhook: not set; expected a name and a URL at least");
        let nameless = pb::Webhook { url: "http://h/".into(), ..Default::default() };
        let nameless = refused(Some(nameless)).expect_err("refused");
        assert_eq!(nameless.violations[0].field, "webhook.name");
    }
}
