//! The digest of a request's content, for idempotency by task id.

use sha2::{Digest as _, Sha256};

use crate::models::{ArgValue, TaskId};

/// A digest of a request's method, arguments and dependencies: the first half of a SHA-256, so that
/// two contents with one digest cannot be constructed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Digest([u8; 16]);

impl Digest {
    /// The digest of this content. Options are not part of it.
    pub fn of(method: &str, args: &[ArgValue], deps: &[TaskId]) -> Self {
        let mut content = Vec::with_capacity(128);
        put(&mut content, method.as_bytes());
        put_count(&mut content, args.len());
        for arg in args {
            arg.write_canonical(&mut content);
        }
        put_count(&mut content, deps.len());
        for dep in deps {
            put(&mut content, dep.as_str().as_bytes());
        }
        let hash = Sha256::digest(&content);
        let mut half = [0; 16];
        half.copy_from_slice(&hash[..16]);
        Self(half)
    }

    /// The digest as two numbers, for a store.
    pub(crate) fn halves(self) -> [u64; 2] {
        let [head, tail] = [0, 8].map(|at| self.0[at..at + 8].try_into().expect("eight bytes"));
        [u64::from_le_bytes(head), u64::from_le_bytes(tail)]
    }

    /// The digest from two numbers of a store.
    pub(crate) fn from_halves([head, tail]: [u64; 2]) -> Self {
        Self((u128::from(tail) << 64 | u128::from(head)).to_le_bytes())
    }
}

/// Appends the length and the bytes, so that no other sequence of values has the same bytes.
pub(super) fn put(content: &mut Vec<u8>, bytes: &[u8]) {
    put_count(content, bytes.len());
    content.extend_from_slice(bytes);
}

/// Appends a length.
pub(super) fn put_count(content: &mut Vec<u8>, count: usize) {
    content.extend_from_slice(&(count as u64).to_le_bytes());
}
