//! Text that clients carry for us and hand back: it says what we wrote, or it says nothing.
//!
//! The seal guards against mistakes (text that was cut, or belongs to another question) and not
//! against people, who can learn how it is made; so what is sealed must not give anybody a right. It
//! holds no secret and no time, so it outlives the process.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use sha2::{Digest as _, Sha256};

/// The longest sealed text that is looked at, in bytes.
const MAX_TEXT_BYTES: usize = 256;
/// The first byte; another form of the rest has another one.
const FORM: u8 = 1;
/// The bytes of the seal at the end.
const SEAL_BYTES: usize = 8;
/// How much of text that is refused is shown, in characters.
const MAX_SHOWN: usize = 40;

/// Seals `body`, to be read with the same `scope` only.
pub(super) fn seal(scope: &[u8], body: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(1 + body.len() + SEAL_BYTES);
    bytes.push(FORM);
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(&seal_of(scope, body));
    BASE64.encode(bytes)
}

/// What was sealed with that `scope`; `None` if nothing was.
pub(super) fn open(scope: &[u8], text: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_TEXT_BYTES {
        return None;
    }
    let bytes = BASE64.decode(text).ok()?;
    let (body, seal) = bytes.strip_prefix(&[FORM])?.split_last_chunk::<SEAL_BYTES>()?;
    (*seal == seal_of(scope, body)).then(|| body.to_vec())
}

/// As much of text that is refused as a message shows.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

fn seal_of(scope: &[u8], body: &[u8]) -> [u8; SEAL_BYTES] {
    let mut hash = Sha256::new();
    // Its length keeps the end of the scope and the beginning of the body apart.
    hash.update((scope.len() as u64).to_le_bytes());
    hash.update(scope);
    hash.update(body);
    let mut seal = [0; SEAL_BYTES];
    seal.copy_from_slice(&hash.finalize()[..SEAL_BYTES]);
    seal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_is_read_with_its_scope_only() {
        for body in [&b""[..], b"b", &[0xff; 100]] {
            let text = seal(b"scope", body);
            assert_eq!(open(b"scope", &text).as_deref(), Some(body));
            assert_eq!(open(b"other", &text), None);
        }
        assert_eq!(open(b"scop", &seal(b"scope", b"")), None);
        assert_eq!(open(b"scope", &seal(b"scop", b"e")), None);
    }

    #[test]
    fn a_seal_is_the_same_for_ever() {
        // Clients have such texts from earlier versions.
        assert_eq!(seal(b"scope", b"body"), "AWJvZHkkvill-VqVJw");
    }

    #[test]
    fn text_that_was_changed_says_nothing() {
        let text = seal(b"scope", b"some body");
        for at in 0..text.len() {
            assert_eq!(open(b"scope", &text[..at]), None, "cut at {at}");
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(open(b"scope", &other), None, "changed at {at}");
        }
        for text in [format!("{text}A"), format!("{text}="), format!(" {text}"), "é".into()] {
            assert_eq!(open(b"scope", &text), None, "{text:?}");
        }
        let long = seal(b"scope", &[0; 1_000]);
        assert_eq!(open(b"scope", &long), None, "too long to be ours");
    }

    #[test]
    fn little_of_what_is_refused_is_shown() {
        assert_eq!(shown("short"), "short");
        assert_eq!(shown(&"é".repeat(41)), format!("{}…", "é".repeat(40)));
    }
}
