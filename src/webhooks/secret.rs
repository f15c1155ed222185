//! Webhook secrets: generated here or set by the caller.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Code, Error};
use crate::models::{SECRET_BYTES, Secret};

/// The prefix of a secret that is a base64 key, as in Standard Webhooks.
pub(super) const PREFIX: &str = "whsec_";
/// The length of a generated key, in bytes.
const KEY_BYTES: usize = 32;

/// Generates a secret from 32 random bytes of the operating system.
///
/// # Errors
/// `INTERNAL` if the operating system returns none.
pub(super) fn generate() -> Result<Secret, Error> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|error| {
        Error::new(Code::Internal, format!("cannot read random bytes: {error}"))
    })?;
    Ok(Secret::new(format!("{PREFIX}{}", STANDARD.encode(key))))
}

/// Checks length and encoding.
///
/// # Errors
/// `INVALID_ARGUMENT`. The message does not contain the secret.
pub(super) fn check(secret: &Secret, field: &str) -> Result<(), Error> {
    let text = secret.reveal();
    if !SECRET_BYTES.contains(&text.len()) {
        let (least, most) = (SECRET_BYTES.start(), SECRET_BYTES.end());
        let why = format!("{} bytes long; expected {least} to {most}", text.len());
        return Err(Error::invalid(field, why));
    }
    match text.strip_prefix(PREFIX).map(|encoded| STANDARD.decode(encoded)) {
        Some(Err(_)) => {
            let why = format!("begins with `{PREFIX}`; expected base64 with padding after it");
            Err(Error::invalid(field, why))
        }
        _ => Ok(()),
    }
}

/// The signing key: the decoded text after [`PREFIX`], or else the text itself.
pub(super) fn key(text: &str) -> Cow<'_, [u8]> {
    match text.strip_prefix(PREFIX).map(|encoded| STANDARD.decode(encoded)) {
        Some(Ok(key)) => Cow::Owned(key),
        _ => Cow::Borrowed(text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_secret_is_32_random_bytes_in_base64() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_ne!(one, other);
        assert_eq!(check(&one, "secret"), Ok(()));
        let key = key(one.reveal());
        assert_eq!(key.len(), 32);
        assert_eq!(one.reveal(), format!("whsec_{}", STANDARD.encode(key)));
    }

    #[test]
    fn a_secret_without_the_prefix_is_the_key_itself() {
        assert_eq!(key("sixteen letters!"), "sixteen letters!".as_bytes());
        assert_eq!(key("whsec_AAECAwQFBgcICQ=="), [0_u8, 1, 2, 3, 4, 5, 6, 7, 8, 9].as_slice());
    }

    #[test]
    fn an_invalid_secret_is_refused_and_not_repeated() {
        let refused = |text: &str| {
            let error = check(&Secret::new(text), "webhook.secret").expect_err("refused");
            assert!(!error.message.contains(text), "{}", error.message);
            error.message
        };
        assert_eq!(refused("short"), "webhook.secret: 5 bytes long; expected 16 to 255");
        assert_eq!(refused(&"x".repeat(256)), "webhook.secret: 256 bytes long; expected 16 to 255");
        assert_eq!(
            refused("whsec_this is no base64"),
            "webhook.secret: begins with `whsec_`; expected base64 with padding after it"
        );
        for sound in ["x".repeat(16), "x".repeat(255)] {
            assert_eq!(check(&Secret::new(sound), "webhook.secret"), Ok(()));
        }
    }
}
