//! Webhooks and what they are.

use crate::error::Error;
use crate::models::{Name, Secret};
use crate::pb;
use crate::server::convert::{duration, event_filter, set};
use crate::webhooks::Draft;

/// A webhook as somebody wants it.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(in crate::server) fn webhook(message: pb::PutWebhookRequest) -> Result<Draft, Error> {
    let Some(message) = message.webhook else {
        return Err(Error::invalid("webhook", "not set; expected a name and a URL at least"));
    };
    Ok(Draft {
        name: Name::parse(&message.name, "webhook.name")?,
        description: message.description,
        url: message.url,
        filter: event_filter(message.filter, "webhook.filter")?,
        secret: set(message.secret).map(Secret::new),
        timeout: duration(message.timeout, "webhook.timeout")?,
        retries: message.retries,
        enabled: !message.disabled,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_needs_a_name() {
        let refused = |webhook| webhook_error(pb::PutWebhookRequest { webhook });
        fn webhook_error(message: pb::PutWebhookRequest) -> String {
            webhook(message).expect_err("refused").message
        }
        assert_eq!(refused(None), "webhook: not set; expected a name and a URL at least");
        let nameless = pb::Webhook { url: "http://h/".into(), ..Default::default() };
        assert!(refused(Some(nameless)).starts_with("webhook.name: \"\" is no name; "));
    }
}
