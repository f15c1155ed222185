//! How a receiver knows that a request is from here and new: the scheme of Standard Webhooks
//! (HMAC-SHA256 over id, time and body).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::secret;
use crate::models::Secret;

/// The header with the event's id, which is the same whenever the event is sent again.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the time of this request, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signature: `v1,` and base64; perhaps several with spaces between.
pub const SIGNATURE_HEADER: &str = "webhook-signature";
/// How far a request's time may be from the receiver's clock.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// What the signatures of this scheme begin with.
const SCHEME: &str = "v1,";

/// The headers of a request that say who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedHeaders<'a> {
    /// Of [`ID_HEADER`].
    pub id: &'a str,
    /// Of [`TIMESTAMP_HEADER`].
    pub timestamp: &'a str,
    /// Of [`SIGNATURE_HEADER`].
    pub signature: &'a str,
}

/// Why a receiver should not believe a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotGenuine {
    /// The time is no number.
    #[error("the header `webhook-timestamp` is no number of seconds")]
    BadTimestamp,
    /// It was sent long ago, or the clocks differ: perhaps somebody sends it again.
    #[error("the request is from another time: more than 5 minutes from now")]
    OtherTime,
    /// No signature is of this secret and this body.
    #[error("no signature matches")]
    BadSignature,
}

/// The value of [`SIGNATURE_HEADER`].
pub(super) fn sign(secret: &Secret, id: &str, seconds: u64, body: &[u8]) -> String {
    let mac = mac(secret.reveal(), id, &seconds.to_string(), body);
    format!("{SCHEME}{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// For receivers: whether a request was signed with this secret, within [`TOLERANCE`] of `now`.
/// `body` is what was received, byte for byte: JSON that was parsed and written again is other text.
///
/// The signatures are compared in a time that does not depend on where they differ. Whoever was told
/// of the event before knows it by its id.
///
/// ```
/// use std::time::SystemTime;
/// use task_scheduler::webhooks::{NotGenuine, SignedHeaders, verify};
///
/// // As any HTTP server hands them over.
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
/// let nobody = receive("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &http::HeaderMap::new(), b"{}");
/// assert_eq!(nobody, Err(NotGenuine::BadTimestamp));
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

/// Over `id.seconds.body`.
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

    /// The example of the specification, whose signature was computed by others.
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
    fn the_example_of_the_specification_is_signed_as_it_says() {
        assert_eq!(sign(&Secret::new(SECRET), ID, SECONDS, BODY), SIGNATURE);
    }

    #[test]
    fn a_receiver_believes_what_is_signed_and_nothing_else() {
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
    fn what_is_sent_again_later_is_not_believed() {
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
