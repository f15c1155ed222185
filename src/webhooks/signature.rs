//! Signatures of requests: the scheme of Standard Webhooks (HMAC-SHA256 over id, timestamp and body).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::secret;
use crate::models::Secret;

/// The header with the event's id, the idempotency key: the same for every attempt.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the time of the request, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signature: `v1,` and base64. Several signatures are separated by spaces.
pub const SIGNATURE_HEADER: &str = "webhook-signature";
/// The maximum difference between a request's timestamp and the receiver's clock.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The prefix of a signature of this scheme.
const SCHEME: &str = "v1,";

/// The headers that authenticate a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedHeaders<'a> {
    /// The value of [`ID_HEADER`].
    pub id: &'a str,
    /// The value of [`TIMESTAMP_HEADER`].
    pub timestamp: &'a str,
    /// The value of [`SIGNATURE_HEADER`].
    pub signature: &'a str,
}

/// Why a receiver must refuse a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotGenuine {
    /// The timestamp is no number.
    #[error("the header `webhook-timestamp` is no number; expected seconds since 1970")]
    BadTimestamp,
    /// The timestamp is more than [`TOLERANCE`] away: a replay, or the clocks differ.
    #[error("the request's timestamp is more than 5 minutes from now")]
    OtherTime,
    /// No signature matches the secret and the body.
    #[error("no signature matches")]
    BadSignature,
}

/// The value of [`SIGNATURE_HEADER`].
pub(super) fn sign(secret: &Secret, id: &str, seconds: u64, body: &[u8]) -> String {
    let mac = mac(secret.reveal(), id, &seconds.to_string(), body);
    format!("{SCHEME}{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// For receivers: verifies that a request was signed with this secret within [`TOLERANCE`] of `now`.
/// `body` is the received body, byte for byte: JSON that was parsed and serialised again does not match.
///
/// Signatures are compared in constant time. Delivery is at least once: deduplicate by the event's id.
///
/// ```
/// use std::time::SystemTime;
/// use task_scheduler::webhooks::{NotGenuine, SignedHeaders, verify};
///
/// // With the headers and the body of any HTTP server.
/// fn receive(secret: &str, headers: &http::HeaderMap, body: &[u8]) -> Result<(), NotGenuine> {
///     let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or("");
///     let signed = SignedHeaders {
///         id: header("webhook-id"),
///         timestamp: header("webhook-timestamp"),
///         signature: header("webhook-signature"),
///     };
///     verify(secret, signed, body, SystemTime::now())
/// }
///
/// let unsigned = receive("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &http::HeaderMap::new(), b"{}");
/// assert_eq!(unsigned, Err(NotGenuine::BadTimestamp));
/// ```
///
/// # Errors
/// [`NotGenuine`].
pub fn verify(
    secret: &str,
    headers: SignedHeaders<'_>,
    body: &[u8],
    now: SystemTime,
) -> Result<(), NotGenuine> {
    let SignedHeaders { id, timestamp, signature } = headers;
    let seconds: u64 = timestamp.parse().map_err(|_| NotGenuine::BadTimestamp)?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if now.abs_diff(seconds) > TOLERANCE.as_secs() {
        return Err(NotGenuine::OtherTime);
    }
    let expected = mac(secret, id, timestamp, body);
    let matches = |one: &str| {
        let given = one.strip_prefix(SCHEME).and_then(|given| STANDARD.decode(given).ok());
        given.is_some_and(|given| expected.clone().verify_slice(&given).is_ok())
    };
    if signature.split(' ').any(matches) { Ok(()) } else { Err(NotGenuine::BadSignature) }
}

/// The MAC of `id.seconds.body`.
fn mac(secret: &str, id: &str, seconds: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret::key(secret))
        .expect("HMAC takes keys of any length");
    for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SECONDS: u64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn check(
        secret: &str,
        (id, timestamp, signature): (&str, &str, &str),
        body: &[u8],
        later: i64,
        expected: Result<(), NotGenuine>,
    ) {
        let now = UNIX_EPOCH + Duration::from_secs(SECONDS.saturating_add_signed(later));
        let headers = SignedHeaders { id, timestamp, signature };
        assert_eq!(verify(secret, headers, body, now), expected, "{headers:?} {later}");
    }

    #[test]
    fn the_example_of_the_specification_has_its_signature() {
        assert_eq!(sign(&Secret::new(SECRET), ID, SECONDS, BODY), SIGNATURE);
    }

    #[test]
    fn only_a_correctly_signed_request_is_accepted() {
        let seconds = SECONDS.to_string();
        let good = (ID, &*seconds, SIGNATURE);
        check(SECRET, good, BODY, 0, Ok(()));
        let bad = Err(NotGenuine::BadSignature);
        check("another secret of mine", good, BODY, 0, bad);
        check(SECRET, good, b"{}", 0, bad);
        check(SECRET, ("msg_2", &seconds, SIGNATURE), BODY, 0, bad);
        check(SECRET, (ID, "1614265331", SIGNATURE), BODY, 0, bad);
        for signature in ["", "v1,", "v1,AAAA", &SIGNATURE[3..], &SIGNATURE.replace("v1", "v2")] {
            check(SECRET, (ID, &seconds, signature), BODY, 0, bad);
        }
        let several = format!("v1,AAAA {SIGNATURE} v2,x");
        check(SECRET, (ID, &seconds, &several), BODY, 0, Ok(()));
    }

    #[test]
    fn a_replayed_request_is_refused() {
        let seconds = SECONDS.to_string();
        let good = (ID, &*seconds, SIGNATURE);
        check(SECRET, good, BODY, 300, Ok(()));
        check(SECRET, good, BODY, -300, Ok(()));
        check(SECRET, good, BODY, 301, Err(NotGenuine::OtherTime));
        check(SECRET, good, BODY, -301, Err(NotGenuine::OtherTime));
        check(SECRET, (ID, "yesterday", SIGNATURE), BODY, 0, Err(NotGenuine::BadTimestamp));
        check(SECRET, (ID, "", SIGNATURE), BODY, 0, Err(NotGenuine::BadTimestamp));
        check(SECRET, (ID, "-1", SIGNATURE), BODY, 0, Err(NotGenuine::BadTimestamp));
    }
}
