//! Opaque tokens: cursors and page tokens that clients store and send back unchanged.
//!
//! A checksum detects mistakes: a truncated token, or one of another request. It does not stop an
//! attacker, who can compute it, so a token must not grant any right. It contains no secret and no
//! time, so tokens stay valid across restarts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use sha2::{Digest as _, Sha256};

/// The longest token that is decoded, in bytes.
const MAX_TOKEN_BYTES: usize = 256;
/// The first byte: the version of the format.
const VERSION: u8 = 1;
/// The length of the checksum at the end.
const CHECKSUM_BYTES: usize = 8;
/// How much of a refused text a message shows, in characters.
const MAX_SHOWN: usize = 40;

/// Encodes `body` into a token that decodes only with the same `scope`.
pub(super) fn encode(scope: &[u8], body: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(1 + body.len() + CHECKSUM_BYTES);
    bytes.push(VERSION);
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(&checksum(scope, body));
    BASE64.encode(bytes)
}

/// The body of a token; `None` unless [`encode`] made it with the same `scope`.
pub(super) fn decode(scope: &[u8], text: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let bytes = BASE64.decode(text).ok()?;
    let (body, sum) = bytes.strip_prefix(&[VERSION])?.split_last_chunk::<CHECKSUM_BYTES>()?;
    (*sum == checksum(scope, body)).then(|| body.to_vec())
}

/// The part of a refused text that a message shows.
pub(super) fn shortened(text: &str) -> String {
    let mut shortened: String = text.chars().take(MAX_SHOWN).collect();
    if shortened.len() < text.len() {
        shortened.push('…');
    }
    shortened
}

fn checksum(scope: &[u8], body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hash = Sha256::new();
    // The length separates the end of the scope from the start of the body.
    hash.update((scope.len() as u64).to_le_bytes());
    hash.update(scope);
    hash.update(body);
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(&hash.finalize()[..CHECKSUM_BYTES]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_decoded_with_its_scope_only() {
        for body in [&b""[..], b"b", &[0xff; 100]] {
            let text = encode(b"scope", body);
            assert_eq!(decode(b"scope", &text).as_deref(), Some(body));
            assert_eq!(decode(b"other", &text), None);
        }
        assert_eq!(decode(b"scop", &encode(b"scope", b"")), None);
        assert_eq!(decode(b"scope", &encode(b"scop", b"e")), None);
    }

    #[test]
    fn tokens_of_earlier_versions_stay_valid() {
        assert_eq!(encode(b"scope", b"body"), "AWJvZHkkvill-VqVJw");
    }

    #[test]
    fn a_changed_token_is_not_decoded() {
        let text = encode(b"scope", b"some body");
        for at in 0..text.len() {
            assert_eq!(decode(b"scope", &text[..at]), None, "cut at {at}");
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(decode(b"scope", &other), None, "changed at {at}");
        }
        for text in [format!("{text}A"), format!("{text}="), format!(" {text}"), "é".into()] {
            assert_eq!(decode(b"scope", &text), None, "{text:?}");
        }
        let long = encode(b"scope", &[0; 1_000]);
        assert_eq!(decode(b"scope", &long), None, "too long");
    }

    #[test]
    fn a_long_refused_text_is_shortened() {
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&"é".repeat(41)), format!("{}…", "é".repeat(40)));
    }
}
