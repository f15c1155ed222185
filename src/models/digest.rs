//! Tells whether two requests with one id ask for the same thing.

use sha2::{Digest as _, Sha256};

use crate::models::{ArgValue, TaskId};

/// The content of a request: the method as written, the arguments and the dependencies. The first
/// half of a SHA-256, so that nobody can make two contents that look alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Digest([u8; 16]);

impl Digest {
    /// The digest of a request's content. Options are no part of it.
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

    /// The digest as two numbers, as a store keeps it.
    pub(crate) fn halves(self) -> [u64; 2] {
        let [head, tail] = [0, 8].map(|at| self.0[at..at + 8].try_into().expect("eight bytes"));
        [u64::from_le_bytes(head), u64::from_le_bytes(tail)]
    }

    /// The digest that was kept.
    pub(crate) fn from_halves([head, tail]: [u64; 2]) -> Self {
        Self((u128::from(tail) << 64 | u128::from(head)).to_le_bytes())
    }
}

/// Appends bytes so that they cannot run into what follows.
pub(super) fn put(content: &mut Vec<u8>, bytes: &[u8]) {
    put_count(content, bytes.len());
    content.extend_from_slice(bytes);
}

/// Appends a length.
pub(super) fn put_count(content: &mut Vec<u8>, count: usize) {
    content.extend_from_slice(&(count as u64).to_le_bytes());
}
