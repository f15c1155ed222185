use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Whether a request is from the server, and new. `body` as it was received, byte for byte.
pub fn is_genuine(secret: &str, headers: &http::HeaderMap, body: &[u8]) -> bool {
    let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or("");
    let timestamp = header("webhook-timestamp");
    let Ok(sent) = timestamp.parse::<u64>() else { return false };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    if now.as_secs().abs_diff(sent) > TOLERANCE.as_secs() {
        return false;
    }
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).unwrap_or_default(),
        None => secret.into(),
    };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { return false };
    for part in [header("webhook-id").as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    header("webhook-signature").split(' ').any(|one| {
        let given = one.strip_prefix("v1,").and_then(|given| STANDARD.decode(given).ok());
        // Compares in a time that does not depend on where they differ.
        given.is_some_and(|given| mac.clone().verify_slice(&given).is_ok())
    })
}
