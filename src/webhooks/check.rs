//! Whether a webhook can be as somebody wants it: a pure function.

use std::time::Duration;

use reqwest::Url;

use super::secret;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::events::catalog;
use crate::models::{
    EventFilter, MAX_DESCRIPTION_BYTES, MAX_LABEL_BYTES, MAX_URL_BYTES, Name, Secret, Webhook,
};

/// The bound on one request unless somebody says.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The least bound on one request: nobody answers sooner than that every time.
pub const MIN_TIMEOUT: Duration = Duration::from_millis(100);
/// The greatest bound on one request.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(60);
/// Requests after the first for one event unless somebody says.
pub const DEFAULT_RETRIES: u32 = 8;
/// The most requests after the first for one event.
pub const MAX_RETRIES: u32 = 100;

/// A webhook as somebody wants it; not checked yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Its name.
    pub name: Name,
    /// For people.
    pub description: String,
    /// `http` or `https`.
    pub url: String,
    /// The events that it is told of.
    pub filter: EventFilter,
    /// `None`: the one that it had; a new one if it is new.
    pub secret: Option<Secret>,
    /// `None`: [`DEFAULT_TIMEOUT`].
    pub timeout: Option<Duration>,
    /// `None`: [`DEFAULT_RETRIES`].
    pub retries: Option<u32>,
    /// Whether anything is put aside for it.
    pub enabled: bool,
}

impl Draft {
    /// A webhook that is told of all events, with everything else as the server sees fit.
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

/// The webhook that a draft becomes, and the secret if one had to be made. `known` is the one that
/// has its name already.
///
/// # Errors
/// `INVALID_ARGUMENT`, naming the field below `webhook`.
pub(super) fn check(
    draft: Draft,
    known: Option<&Webhook>,
    now: Timestamp,
) -> Result<(Webhook, Option<Secret>), Error> {
    let Draft { name, description, url, filter, secret, timeout, retries, enabled } = draft;
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
    let (secret, made) = match (secret, known) {
        (Some(secret), _) => (secret, None),
        (None, Some(known)) => (known.secret.clone(), None),
        (None, None) => {
            let made = secret::generate()?;
            (made.clone(), Some(made))
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
    Ok((webhook, made))
}

/// The messages do not repeat it: credentials and keys stand in URLs.
fn check_url(text: &str) -> Result<(), Error> {
    let refuse = |why: String| Err(Error::invalid("webhook.url", why));
    if text.is_empty() {
        return refuse("empty; expected `http://…` or `https://…`".into());
    }
    if text.len() > MAX_URL_BYTES {
        let long = text.len();
        return refuse(format!("{long} bytes long; at most {MAX_URL_BYTES} are accepted"));
    }
    // The parser would leave them out without a word.
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
        let why = "has a user name or a password in it; requests are signed instead, and a URL is \
                   shown to whoever asks";
        return refuse(why.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::NamePattern;

    fn draft(change: impl FnOnce(&mut Draft)) -> Draft {
        let name = Name::parse("crm", "name").unwrap();
        let mut draft = Draft::new(name, "https://crm.example/hooks?key=1");
        change(&mut draft);
        draft
    }

    fn checked(draft: Draft, known: Option<&Webhook>) -> Result<(Webhook, Option<Secret>), String> {
        check(draft, known, Timestamp::EPOCH).map_err(|error| error.message)
    }

    #[test]
    fn what_is_not_said_is_as_documented() {
        let (webhook, made) = checked(draft(|_| ()), None).unwrap();
        assert_eq!(Some(&webhook.secret), made.as_ref());
        let expected = Webhook {
            name: Name::parse("crm", "name").unwrap(),
            description: String::new(),
            url: "https://crm.example/hooks?key=1".into(),
            filter: EventFilter::default(),
            secret: made.unwrap(),
            timeout: Duration::from_secs(10),
            retries: 8,
            enabled: true,
            updated_at: Timestamp::EPOCH,
        };
        assert_eq!(webhook, expected);
    }

    #[test]
    fn a_secret_stays_until_another_is_brought_along() {
        let (known, _) = checked(draft(|_| ()), None).unwrap();
        let (again, made) = checked(draft(|it| it.retries = Some(0)), Some(&known)).unwrap();
        assert_eq!((again.secret, made), (known.secret.clone(), None));
        let mine = Some(Secret::new("a secret of my own"));
        let (other, made) = checked(draft(|it| it.secret = mine.clone()), Some(&known)).unwrap();
        assert_eq!((Some(other.secret), made), (mine, None));
    }

    #[test]
    fn urls_are_told_apart() {
        let check = |url: &str, expected: Result<(), &str>| {
            let said = checked(draft(|it| it.url = url.into()), None).map(drop);
            let expected = expected.map_err(|why| format!("webhook.url: {why}"));
            assert_eq!(said, expected, "{url}");
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
            "has a user name or a password in it; requests are signed instead, and a URL is shown to whoever asks",
        );
        check("http://me@h/", credentials);
        check("http://:secret@h/", credentials);
    }

    #[test]
    fn bounds_are_named() {
        let check = |change: fn(&mut Draft), expected: &str| {
            assert_eq!(checked(draft(change), None), Err(expected.to_owned()));
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
            draft(|it| it.timeout = Some(MIN_TIMEOUT)),
            draft(|it| it.timeout = Some(MAX_TIMEOUT)),
            draft(|it| it.retries = Some(100)),
            draft(|it| it.description = "x".repeat(1_024)),
        ] {
            assert!(checked(sound, None).is_ok());
        }
    }
}
