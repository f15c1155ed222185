//! Checks of webhook requests.

use std::time::Duration;

use reqwest::Url;

use super::secret;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::events::catalog;
use crate::models::{
    EventFilter, MAX_DESCRIPTION_BYTES, MAX_LABEL_BYTES, MAX_URL_BYTES, Name, Secret, Webhook,
};

/// The default timeout of one request.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The minimum timeout of one request.
pub const MIN_TIMEOUT: Duration = Duration::from_millis(100);
/// The maximum timeout of one request.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(60);
/// The default number of retries of one delivery.
pub const DEFAULT_RETRIES: u32 = 8;
/// The maximum number of retries of one delivery.
pub const MAX_RETRIES: u32 = 100;

/// A request to create or replace a webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookRequest {
    /// The webhook's name.
    pub name: Name,
    /// A description for readers, at most 1,024 bytes.
    pub description: String,
    /// The receiver's URL, `http` or `https`, without credentials.
    pub url: String,
    /// The events that the webhook receives.
    pub filter: EventFilter,
    /// The secret that signs requests. `None` keeps the current one; a new webhook gets a generated one.
    pub secret: Option<Secret>,
    /// The timeout of one request, 100 ms to 60 s. `None`: [`DEFAULT_TIMEOUT`].
    pub timeout: Option<Duration>,
    /// The number of retries, at most 100. `None`: [`DEFAULT_RETRIES`].
    pub retries: Option<u32>,
    /// Whether events are written to the outbox for it. Its unfinished deliveries are cancelled when
    /// they are attempted while it is disabled.
    pub enabled: bool,
}

impl WebhookRequest {
    /// A request for an enabled webhook that receives all events, with the server's defaults.
    pub fn new(name: Name, url: impl Into<String>) -> Self {
        Self {
            name,
            description: String::new(),
            url: url.into(),
            filter: EventFilter::default(),
            secret: None,
            timeout: None,
            retries: None,
            enabled: true,
        }
    }
}

/// Checks a request and returns the webhook, and its secret if one was generated. `existing` is the
/// stored webhook with the same name.
///
/// # Errors
/// `INVALID_ARGUMENT` names the field.
pub(super) fn check(
    request: WebhookRequest,
    existing: Option<&Webhook>,
    now: Timestamp,
) -> Result<(Webhook, Option<Secret>), Error> {
    let WebhookRequest { name, description, url, filter, secret, timeout, retries, enabled } =
        request;
    if description.len() > MAX_DESCRIPTION_BYTES {
        let long = description.len();
        let why = format!("{long} bytes long; at most {MAX_DESCRIPTION_BYTES} are accepted");
        return Err(Error::invalid("webhook.description", why));
    }
    check_url(&url)?;
    catalog::check_filter(&filter, "webhook.filter")?;
    if let Some(tag) = filter.tag.as_ref().filter(|tag| tag.len() > MAX_LABEL_BYTES) {
        let why = format!("{} bytes long; at most {MAX_LABEL_BYTES} are accepted", tag.len());
        return Err(Error::invalid("webhook.filter.tag", why));
    }
    let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT);
    if timeout < MIN_TIMEOUT || timeout > MAX_TIMEOUT {
        let why = format!("{timeout:?}; expected {MIN_TIMEOUT:?} to {MAX_TIMEOUT:?}");
        return Err(Error::invalid("webhook.timeout", why));
    }
    let retries = retries.unwrap_or(DEFAULT_RETRIES);
    if retries > MAX_RETRIES {
        let why = format!("{retries}; at most {MAX_RETRIES} are accepted");
        return Err(Error::invalid("webhook.retries", why));
    }
    if let Some(secret) = &secret {
        secret::check(secret, "webhook.secret")?;
    }
    let (secret, generated) = match (secret, existing) {
        (Some(secret), _) => (secret, None),
        (None, Some(existing)) => (existing.secret.clone(), None),
        (None, None) => {
            let generated = secret::generate()?;
            (generated.clone(), Some(generated))
        }
    };
    let webhook = Webhook {
        name,
        description,
        url,
        filter,
        secret,
        timeout,
        retries,
        enabled,
        updated_at: now,
    };
    Ok((webhook, generated))
}

/// Messages do not repeat the URL, because it may contain keys.
fn check_url(text: &str) -> Result<(), Error> {
    let refuse = |why: String| Err(Error::invalid("webhook.url", why));
    if text.is_empty() {
        return refuse("empty; expected `http://…` or `https://…`".into());
    }
    if text.len() > MAX_URL_BYTES {
        let long = text.len();
        return refuse(format!("{long} bytes long; at most {MAX_URL_BYTES} are accepted"));
    }
    // The parser removes them silently.
    if let Some(bad) = text.chars().find(|c| c.is_control() || c.is_whitespace()) {
        return refuse(format!("contains {bad:?}; expected it percent-encoded"));
    }
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => {
            return refuse(format!("{error}; expected `http://host…` or `https://host…`"));
        }
    };
    if !matches!(url.scheme(), "http" | "https") {
        return refuse(format!("begins with `{}:`; expected `http` or `https`", url.scheme()));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return refuse("has no host; expected `http://host…` or `https://host…`".into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        let why = "contains a user name or a password; every caller can read the URL, and requests are \
                   signed instead";
        return refuse(why.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::NamePattern;

    fn request(change: impl FnOnce(&mut WebhookRequest)) -> WebhookRequest {
        let name = Name::parse("crm", "name").unwrap();
        let mut request = WebhookRequest::new(name, "https://crm.example/hooks?key=1");
        change(&mut request);
        request
    }

    fn checked(
        request: WebhookRequest,
        known: Option<&Webhook>,
    ) -> Result<(Webhook, Option<Secret>), String> {
        check(request, known, Timestamp::EPOCH).map_err(|error| error.message)
    }

    #[test]
    fn omitted_fields_get_their_defaults() {
        let (webhook, generated) = checked(request(|_| ()), None).unwrap();
        assert_eq!(Some(&webhook.secret), generated.as_ref());
        let expected = Webhook {
            name: Name::parse("crm", "name").unwrap(),
            description: String::new(),
            url: "https://crm.example/hooks?key=1".into(),
            filter: EventFilter::default(),
            secret: generated.unwrap(),
            timeout: Duration::from_secs(10),
            retries: 8,
            enabled: true,
            updated_at: Timestamp::EPOCH,
        };
        assert_eq!(webhook, expected);
    }

    #[test]
    fn a_secret_stays_until_a_request_replaces_it() {
        let (known, _) = checked(request(|_| ()), None).unwrap();
        let (again, generated) = checked(request(|it| it.retries = Some(0)), Some(&known)).unwrap();
        assert_eq!((again.secret, generated), (known.secret.clone(), None));
        let mine = Some(Secret::new("a secret of my own"));
        let (other, generated) =
            checked(request(|it| it.secret = mine.clone()), Some(&known)).unwrap();
        assert_eq!((Some(other.secret), generated), (mine, None));
    }

    #[test]
    fn invalid_urls_are_refused_with_what_is_accepted() {
        let check = |url: &str, expected: Result<(), &str>| {
            let result = checked(request(|it| it.url = url.into()), None).map(drop);
            let expected = expected.map_err(|why| format!("webhook.url: {why}"));
            assert_eq!(result, expected, "{url}");
        };
        check("http://localhost:8080", Ok(()));
        check("HTTPS://[::1]/", Ok(()));
        check("http://10.0.0.1/a%20b", Ok(()));
        check(&format!("http://h/{}", "x".repeat(MAX_URL_BYTES - 9)), Ok(()));
        check("", Err("empty; expected `http://…` or `https://…`"));
        check(
            &format!("http://h/{}", "x".repeat(MAX_URL_BYTES - 8)),
            Err("2049 bytes long; at most 2048 are accepted"),
        );
        check("http://h/a b", Err("contains ' '; expected it percent-encoded"));
        check("http://h/\n", Err("contains '\\n'; expected it percent-encoded"));
        check("ftp://h/", Err("begins with `ftp:`; expected `http` or `https`"));
        check("file:///etc/passwd", Err("begins with `file:`; expected `http` or `https`"));
        check(
            "crm.example/hooks",
            Err("relative URL without a base; expected `http://host…` or `https://host…`"),
        );
        check("http://", Err("empty host; expected `http://host…` or `https://host…`"));
        check(
            "http://h:99999/",
            Err("invalid port number; expected `http://host…` or `https://host…`"),
        );
        let credentials = Err(
            "contains a user name or a password; every caller can read the URL, and requests are signed instead",
        );
        check("http://me@h/", credentials);
        check("http://:secret@h/", credentials);
    }

    #[test]
    fn limits_are_named() {
        let check = |change: fn(&mut WebhookRequest), expected: &str| {
            assert_eq!(checked(request(change), None), Err(expected.to_owned()));
        };
        check(
            |it| it.timeout = Some(Duration::from_nanos(99_999_999)),
            "webhook.timeout: 99.999999ms; expected 100ms to 60s",
        );
        check(
            |it| it.timeout = Some(Duration::from_millis(60_001)),
            "webhook.timeout: 60.001s; expected 100ms to 60s",
        );
        check(|it| it.retries = Some(101), "webhook.retries: 101; at most 100 are accepted");
        check(
            |it| it.description = "x".repeat(1_025),
            "webhook.description: 1025 bytes long; at most 1024 are accepted",
        );
        check(
            |it| it.secret = Some(Secret::new("too short")),
            "webhook.secret: 9 bytes long; expected 16 to 255",
        );
        check(
            |it| it.filter.tag = Some("x".repeat(101)),
            "webhook.filter.tag: 101 bytes long; at most 100 are accepted",
        );
        check(
            |it| it.filter.categories = vec![crate::models::Category::Task; 101],
            "webhook.filter.categories: 101 of them; at most 100 are accepted",
        );
        check(
            |it| {
                it.filter.names =
                    vec![NamePattern::parse("task.*"), NamePattern::parse("task.complete")]
            },
            "webhook.filter.names[1]: no event is called \"task.complete\"; did you mean task.completed?",
        );
        for sound in [
            request(|it| it.timeout = Some(MIN_TIMEOUT)),
            request(|it| it.timeout = Some(MAX_TIMEOUT)),
            request(|it| it.retries = Some(100)),
            request(|it| it.description = "x".repeat(1_024)),
        ] {
            assert!(checked(sound, None).is_ok());
        }
    }
}
