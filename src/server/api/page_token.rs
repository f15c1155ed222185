//! Page tokens: where a listing goes on. A token is good for the question that it came with.

use prost::Message as _;

use crate::error::Error;
use crate::models::{Name, Sequence};
use crate::pb;
use crate::server::api::opaque_token::{open, seal, shown};

/// Reads and writes the tokens of one listing.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PageTokens {
    /// What is asked, whichever page of it.
    question: Vec<u8>,
}

impl PageTokens {
    /// Those of this listing. How long a page is makes no other listing of it.
    pub(super) fn of(message: &pb::ListTasksRequest) -> Self {
        let question =
            pb::ListTasksRequest { page_size: 0, page_token: String::new(), ..message.clone() };
        let mut scope = b"page of ".to_vec();
        scope.extend(question.encode_to_vec());
        Self { question: scope }
    }

    /// The token of the page with what comes before `sequence`.
    pub(super) fn write(&self, sequence: Sequence) -> String {
        seal(&self.question, &sequence.0.to_be_bytes())
    }

    /// What the page that the token stands for comes before.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for the field `page_token`, unless [`write`](Self::write) wrote it for the
    /// same listing, in this process or another.
    pub(super) fn read(&self, token: &str) -> Result<Sequence, Error> {
        let body = open(&self.question, token).and_then(|body| body.try_into().ok());
        body.map(|body| Sequence(u64::from_be_bytes(body))).ok_or_else(|| no_token(token))
    }
}

/// The one listing of schedules that there is.
const SCHEDULES: &[u8] = b"page of schedules";

/// The token of the page with the schedules that come after this one.
pub(super) fn write_name(last: &Name) -> String {
    seal(SCHEDULES, last.as_str().as_bytes())
}

/// The schedule that the page comes after which the token stands for.
///
/// # Errors
/// `INVALID_ARGUMENT` for the field `page_token`, unless [`write_name`] wrote it.
pub(super) fn read_name(token: &str) -> Result<Name, Error> {
    name(SCHEDULES, token)
}

/// The one listing of webhooks that there is.
const WEBHOOKS: &[u8] = b"page of webhooks";

/// The token of the page with the webhooks that come after this one.
pub(super) fn write_webhook(last: &Name) -> String {
    seal(WEBHOOKS, last.as_str().as_bytes())
}

/// The webhook that the page comes after which the token stands for.
///
/// # Errors
/// `INVALID_ARGUMENT` for the field `page_token`, unless [`write_webhook`] wrote it.
pub(super) fn read_webhook(token: &str) -> Result<Name, Error> {
    name(WEBHOOKS, token)
}

fn name(listing: &[u8], token: &str) -> Result<Name, Error> {
    let body = open(listing, token).and_then(|body| String::from_utf8(body).ok());
    body.and_then(|name| Name::parse(&name, "page_token").ok()).ok_or_else(|| no_token(token))
}

fn no_token(token: &str) -> Error {
    let why = format!(
        "{:?} is no token of this listing; expected the next_page_token of an answer to the same question",
        shown(token)
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
    fn a_token_is_good_for_every_page_of_its_listing() {
        for sequence in [0, 1, u64::MAX] {
            let token = of(|_| ()).write(Sequence(sequence));
            let later = of(|message| (message.page_size, message.page_token) = (7, token.clone()));
            assert_eq!(later.read(&token), Ok(Sequence(sequence)));
        }
    }

    #[test]
    fn a_token_of_another_listing_is_refused() {
        let token = of(|_| ()).write(Sequence(9));
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
            assert_eq!(other.read(&token).expect_err("refused").code, Code::InvalidArgument);
        }
    }

    #[test]
    fn a_token_of_the_listing_of_schedules_is_good_for_no_other() {
        let name = Name::parse(&"n".repeat(80), "name").unwrap();
        let token = write_name(&name);
        assert_eq!(read_name(&token), Ok(name));
        assert_eq!(of(|_| ()).read(&token).expect_err("refused").code, Code::InvalidArgument);
        for other in [&of(|_| ()).write(Sequence(9)), "", "forged", &token[1..]] {
            let refused = read_name(other).expect_err(other);
            assert_eq!(refused.violations[0].field, "page_token");
        }
    }

    #[test]
    fn a_token_of_the_listing_of_webhooks_is_good_for_no_other() {
        let name = Name::parse("crm", "name").unwrap();
        let token = write_webhook(&name);
        assert_eq!(read_name(&token).expect_err("refused").code, Code::InvalidArgument);
        let refused = read_webhook(&write_name(&name)).expect_err("refused");
        assert_eq!(refused.violations[0].field, "page_token");
        assert_eq!(read_webhook(&token), Ok(name));
    }

    #[test]
    fn a_token_that_nobody_gave_is_refused() {
        let tokens = of(|_| ());
        let token = tokens.write(Sequence(9));
        // Sealed, but no token: a body of another length.
        let short = seal(&tokens.question, b"short");
        for forged in
            ["", "1", "forged", "-_-_", &token[1..], &token[..9], &short, &"A".repeat(9_999)]
        {
            let refused = tokens.read(forged).expect_err(forged);
            assert_eq!(
                (refused.code, &*refused.violations[0].field),
                (Code::InvalidArgument, "page_token")
            );
            assert!(refused.message.len() < 250, "{refused}");
        }
    }
}
