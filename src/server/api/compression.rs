//! Compression only of answers that are large enough.
//!
//! Most clients accept gzip (Python's grpcio always does), and tonic would compress every answer to
//! them: for the usual answer of thirty bytes that costs more CPU than the whole call and saves
//! nothing. tonic decides when it encodes the typed response, inside its generated service, so a
//! tower layer around that service cannot do this without encoding every message a second time.

use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response};

/// The smallest answer that is compressed, in bytes: a smaller one fits into one packet anyway.
const MIN_COMPRESSED_BYTES: usize = 1_024;

/// Whether a client accepts compressed answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepts(bool);

impl Accepts {
    /// Reads it from the headers of `request`.
    pub(super) fn of<T>(request: &Request<T>) -> Self {
        Self::from_metadata(request.metadata())
    }

    fn from_metadata(metadata: &MetadataMap) -> Self {
        Self(metadata.contains_key("grpc-accept-encoding"))
    }

    /// An answer, compressed if the client accepts that and the answer is large enough.
    pub(super) fn answer<T: Message>(self, message: T) -> Response<T> {
        let small = self.0 && message.encoded_len() < MIN_COMPRESSED_BYTES;
        let mut response = Response::new(message);
        if small {
            response.disable_compression();
        }
        response
    }
}
