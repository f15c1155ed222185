//! Cursors: where WatchTask and StreamEvents continue.

use crate::error::Error;
use crate::models::{TaskId, WatchCursor};
use crate::server::api::opaque_token::{decode, encode, shortened};
use crate::system::EventCursor;

/// Encodes and decodes the WatchTask cursors of one task; they are valid for that task only.
#[derive(Debug)]
pub(super) struct WatchCursors {
    scope: Vec<u8>,
}

impl WatchCursors {
    /// The cursors of the task `id`.
    pub(super) fn of(id: &TaskId) -> Self {
        Self { scope: [b"watch of ", id.as_str().as_bytes()].concat() }
    }

    /// Encodes a cursor.
    pub(super) fn encode(&self, cursor: WatchCursor) -> String {
        encode(&self.scope, cursor.to_string().as_bytes())
    }

    /// Decodes a cursor. Empty text is the beginning.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for the field `cursor`, unless [`encode`](Self::encode) made it for the
    /// same task, in this process or another.
    pub(super) fn decode(&self, text: &str) -> Result<WatchCursor, Error> {
        if text.is_empty() {
            return Ok(WatchCursor::default());
        }
        let body = decode(&self.scope, text).and_then(|body| String::from_utf8(body).ok());
        body.and_then(|body| body.parse().ok()).ok_or_else(|| {
            let why = format!(
                "{:?} is not a cursor of this task; expected one from an update about it, or none",
                shortened(text)
            );
            Error::invalid("cursor", why)
        })
    }
}

/// The scope of StreamEvents cursors.
const EVENTS: &[u8] = b"events";

/// Encodes a cursor of StreamEvents.
pub(super) fn encode_event(cursor: EventCursor) -> String {
    let mut body = [0; 16];
    body[..8].copy_from_slice(&cursor.boot.to_be_bytes());
    body[8..].copy_from_slice(&cursor.position.to_be_bytes());
    encode(EVENTS, &body)
}

/// Decodes a cursor of StreamEvents. Empty text means from now on.
///
/// # Errors
/// `INVALID_ARGUMENT` for the field `cursor`, unless [`encode_event`] made it.
pub(super) fn decode_event(text: &str) -> Result<Option<EventCursor>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let body: Option<[u8; 16]> = decode(EVENTS, text).and_then(|body| body.try_into().ok());
    let Some(body) = body else {
        let why = format!(
            "{:?} is not a cursor of events; expected one from an answer of this call, or none",
            shortened(text)
        );
        return Err(Error::invalid("cursor", why));
    };
    let number = u128::from_be_bytes(body);
    let (boot, position) = ((number >> 64) as u64, number as u64);
    Ok(Some(EventCursor { boot, position }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn of(id: &str) -> WatchCursors {
        WatchCursors::of(&TaskId::parse(id, "x").unwrap())
    }

    #[test]
    fn a_watch_cursor_is_decoded_as_it_was_encoded() {
        let longest = WatchCursor { history: u32::MAX, log: u32::MAX, progress: f64::MIN_POSITIVE };
        for cursor in
            [WatchCursor::default(), WatchCursor { history: 3, log: 7, progress: 0.25 }, longest]
        {
            assert_eq!(of("a").decode(&of("a").encode(cursor)), Ok(cursor));
        }
        assert_eq!(of("a").decode(""), Ok(WatchCursor::default()));
    }

    #[test]
    fn a_watch_cursor_of_another_task_and_a_forged_one_are_refused() {
        let cursor = of("a").encode(WatchCursor::default());
        let refused = |id: &str, text: &str| of(id).decode(text).expect_err(text).message;
        assert_eq!(
            refused("b", &cursor),
            format!(
                "cursor: {cursor:?} is not a cursor of this task; expected one from an update about it, or none"
            )
        );
        let invalid = encode(&of("a").scope, b"1:2:9e9");
        for forged in ["0:0:0e0", "x", &cursor[1..], &invalid] {
            refused("a", forged);
        }
    }

    #[test]
    fn an_event_cursor_is_decoded_as_it_was_encoded_and_nothing_else_is() {
        for cursor in [
            EventCursor { boot: 0, position: 0 },
            EventCursor { boot: u64::MAX, position: 1 },
            EventCursor { boot: 7, position: u64::MAX },
        ] {
            assert_eq!(decode_event(&encode_event(cursor)), Ok(Some(cursor)));
        }
        assert_eq!(decode_event(""), Ok(None));
        let good = encode_event(EventCursor { boot: 7, position: 9 });
        let short = encode(EVENTS, b"short");
        for forged in ["x", &good[1..], &short, &encode(b"watch of a", &[0; 16])] {
            let refused = decode_event(forged).expect_err(forged);
            assert_eq!(
                (refused.code, &*refused.violations[0].field),
                (Code::InvalidArgument, "cursor")
            );
        }
    }
}
