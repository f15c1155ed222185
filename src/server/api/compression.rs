//! Which answers are worth compressing.
//!
//! Most clients say that they accept gzip (Python's grpcio always does), and tonic would compress
//! every answer to them: for the usual answer of thirty bytes that costs more than the whole call
//! and saves nothing.

use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response};

/// The smallest answer that is compressed, in bytes: about what fits into one packet anyway.
const WORTH_COMPRESSING: usize = 1_024;

/// Whether a client takes compressed answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepts(bool);

impl Accepts {
    /// What the caller of `request` takes.
    pub(super) fn of<T>(request: &Request<T>) -> Self {
        Self::from_metadata(request.metadata())
    }

    fn from_metadata(metadata: &MetadataMap) -> Self {
        Self(metadata.contains_key("grpc-accept-encoding"))
    }

    /// An answer, compressed if it is worth it.
    pub(super) fn answer<T: Message>(self, message: T) -> Response<T> {
        let small = self.0 && message.encoded_len() < WORTH_COMPRESSING;
        let mut response = Response::new(message);
        if small {
            response.disable_compression();
        }
        response
    }
}
