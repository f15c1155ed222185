//! What requests are signed with: made here, or brought along.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Code, Error};
use crate::models::{SECRET_BYTES, Secret};

/// A secret that begins so is the key in base64, as the libraries of Standard Webhooks have it.
pub(super) const PREFIX: &str = "whsec_";
/// The bytes of a key that is made here.
const MADE_BYTES: usize = 32;

/// A new secret: 32 bytes from the operating system.
///
/// # Errors
/// `INTERNAL` when it has none to give.
pub(super) fn generate() -> Result<Secret, Error> {
    let mut key = [0; MADE_BYTES];
    getrandom::fill(&mut key).map_err(|error| {
        Error::new(Code::Internal, format!("the system gives no random bytes: {error}"))
    })?;
    Ok(Secret::new(format!("{PREFIX}{}", STANDARD.encode(key))))
}

/// Whether it can be a secret.
///
/// # Errors
/// `INVALID_ARGUMENT`. The message does not have the secret in it.
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

/// The bytes that sign: what is behind [`PREFIX`], decoded; else the text itself.
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
    fn a_secret_that_is_made_is_32_bytes_in_base64_and_another_every_time() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_ne!(one, other);
        assert_eq!(check(&one, "secret"), Ok(()));
        let key = key(one.reveal());
        assert_eq!(key.len(), 32);
        assert_eq!(one.reveal(), format!("whsec_{}", STANDARD.encode(key)));
    }

    #[test]
    fn a_secret_is_the_key_itself_unless_it_says_that_it_is_encoded() {
        assert_eq!(key("sixteen letters!"), "sixteen letters!".as_bytes());
        assert_eq!(key("whsec_AAECAwQFBgcICQ=="), [0_u8, 1, 2, 3, 4, 5, 6, 7, 8, 9].as_slice());
    }

    #[test]
    fn what_can_be_no_secret_is_refused_without_being_repeated() {
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
