//! Webhooks and what they are.

use crate::error::Error;
use crate::models::{MAX_PAGE, Name, Secret};
use crate::pb;
use crate::server::api::decode::{at_most, duration, event_filter, set};
use crate::server::api::page_token;
use crate::webhooks::Draft;

/// The webhooks on a page where nobody says.
const PAGE: usize = 50;

/// A webhook as somebody wants it.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(in crate::server::api) fn webhook(message: pb::PutWebhookRequest) -> Result<Draft, Error> {
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

/// Which webhook a page comes after, and how many it has at most.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field at fault.
pub(in crate::server::api) fn webhooks(
    message: &pb::ListWebhooksRequest,
) -> Result<(Option<Name>, usize), Error> {
    let limit = match usize::try_from(message.page_size).unwrap_or(usize::MAX) {
        0 => PAGE,
        limit => limit,
    };
    at_most(limit, MAX_PAGE, "page_size", "webhooks")?;
    let after = match message.page_token.as_str() {
        "" => None,
        token => Some(page_token::read_webhook(token)?),
    };
    Ok((after, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_webhooks_has_fifty_unless_somebody_says() {
        let asked = |page_size, page_token: &str| {
            let page_token = page_token.to_owned();
            webhooks(&pb::ListWebhooksRequest { page_size, page_token })
                .map_err(|error| error.violations[0].field.clone())
        };
        assert_eq!(asked(0, ""), Ok((None, 50)));
        assert_eq!(asked(1_000, ""), Ok((None, 1_000)));
        assert_eq!(asked(1_001, ""), Err("page_size".into()));
        assert_eq!(asked(0, "forged"), Err("page_token".into()));
        let crm = Name::parse("crm", "name").unwrap();
        assert_eq!(asked(7, &page_token::write_webhook(&crm)), Ok((Some(crm), 7)));
    }

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
