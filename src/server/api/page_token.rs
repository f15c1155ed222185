//! Page tokens: where a listing continues. A token is valid only for the request that it came with.

use prost::Message as _;

use crate::error::Error;
use crate::models::{Name, Sequence};
use crate::pb;
use crate::server::api::opaque_token::{decode, encode, shortened};

/// Encodes and decodes the page tokens of one ListTasks request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PageTokens {
    /// The request without its page.
    scope: Vec<u8>,
}

impl PageTokens {
    /// The tokens of this request. They are valid for every page size.
    pub(super) fn of(message: &pb::ListTasksRequest) -> Self {
        let request =
            pb::ListTasksRequest { page_size: 0, page_token: String::new(), ..message.clone() };
        let mut scope = b"page of ".to_vec();
        scope.extend(request.encode_to_vec());
        Self { scope }
    }

    /// The token of the page with the tasks before `sequence`.
    pub(super) fn encode(&self, sequence: Sequence) -> String {
        encode(&self.scope, &sequence.0.to_be_bytes())
    }

    /// The task before which the page of this token starts.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for the field `page_token`, unless [`encode`](Self::encode) made it for the
    /// same request, in this process or another.
    pub(super) fn decode(&self, token: &str) -> Result<Sequence, Error> {
        let body = decode(&self.scope, token).and_then(|body| body.try_into().ok());
        body.map(|body| Sequence(u64::from_be_bytes(body))).ok_or_else(|| invalid(token))
    }
}

/// Encodes and decodes the page tokens of a listing in the order of names.
pub(super) struct NamePageTokens {
    scope: &'static [u8],
}

/// The page tokens of ListSchedules.
pub(super) const SCHEDULES: NamePageTokens = NamePageTokens { scope: b"page of schedules" };
/// The page tokens of ListWebhooks.
pub(super) const WEBHOOKS: NamePageTokens = NamePageTokens { scope: b"page of webhooks" };

impl NamePageTokens {
    /// The token of the page after the entry `last`.
    pub(super) fn encode(&self, last: &Name) -> String {
        encode(self.scope, last.as_str().as_bytes())
    }

    /// The entry after which the page of this token starts; `None` for empty text, the first page.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for the field `page_token`, unless [`encode`](Self::encode) made it.
    pub(super) fn decode(&self, token: &str) -> Result<Option<Name>, Error> {
        if token.is_empty() {
            return Ok(None);
        }
        let body = decode(self.scope, token).and_then(|body| String::from_utf8(body).ok());
        let name = body.and_then(|name| Name::parse(&name, "page_token").ok());
        name.map(Some).ok_or_else(|| invalid(token))
    }
}

fn invalid(token: &str) -> Error {
    let why = format!(
        "{:?} is not a token of this listing; expected the next_page_token of an answer to the same request",
        shortened(token)
    );
    Error::invalid("page_token", why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn of(change: impl FnOnce(&mut pb::ListTasksRequest)) -> PageTokens {
        let mut message = pb::ListTasksRequest { queue: "mail".into(), ..Default::default() };
        change(&mut message);
        PageTokens::of(&message)
    }

    #[test]
    fn a_token_is_valid_for_every_page_of_its_listing() {
        for sequence in [0, 1, u64::MAX] {
            let token = of(|_| ()).encode(Sequence(sequence));
            let later = of(|message| (message.page_size, message.page_token) = (7, token.clone()));
            assert_eq!(later.decode(&token), Ok(Sequence(sequence)));
        }
    }

    #[test]
    fn a_token_of_another_listing_is_refused() {
        let token = of(|_| ()).encode(Sequence(9));
        let stamp = prost_types::Timestamp::default();
        for other in [
            of(|message| message.queue = "post".into()),
            of(|message| message.queue.clear()),
            of(|message| message.states = vec![1]),
            of(|message| message.method = "send".into()),
            of(|message| message.tag = "red".into()),
            of(|message| message.parent_id = "p".into()),
            of(|message| message.submitted_after = Some(stamp)),
            of(|message| message.submitted_before = Some(stamp)),
        ] {
            assert_eq!(other.decode(&token).expect_err("refused").code, Code::InvalidArgument);
        }
    }

    #[test]
    fn a_token_of_a_listing_by_name_is_valid_for_no_other_listing() {
        let name = Name::parse(&"n".repeat(80), "name").unwrap();
        for (one, other) in [(SCHEDULES, WEBHOOKS), (WEBHOOKS, SCHEDULES)] {
            let token = one.encode(&name);
            assert_eq!(one.decode(&token), Ok(Some(name.clone())));
            assert_eq!(one.decode(""), Ok(None));
            assert_eq!(of(|_| ()).decode(&token).expect_err("refused").code, Code::InvalidArgument);
            let of_tasks = of(|_| ()).encode(Sequence(9));
            for invalid in [&*other.encode(&name), &of_tasks, "forged", &token[1..]] {
                let refused = one.decode(invalid).expect_err(invalid);
                assert_eq!(refused.violations[0].field, "page_token");
            }
        }
    }

    #[test]
    fn a_forged_token_is_refused() {
        let tokens = of(|_| ());
        let token = tokens.encode(Sequence(9));
        // The checksum is right, the length is not.
        let short = encode(&tokens.scope, b"short");
        for forged in
            ["", "1", "forged", "-_-_", &token[1..], &token[..9], &short, &"A".repeat(9_999)]
        {
            let refused = tokens.decode(forged).expect_err(forged);
            assert_eq!(
                (refused.code, &*refused.violations[0].field),
                (Code::InvalidArgument, "page_token")
            );
            assert!(refused.message.len() < 250, "{refused}");
        }
    }
}
