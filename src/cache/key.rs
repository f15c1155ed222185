//! A key that carries its hash, so that a shard's table does not compute it again, and that a look-up
//! finds without owning an id.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash, Hasher};

use crate::models::TaskId;

pub(super) struct Key {
    pub(super) hash: u64,
    pub(super) id: TaskId,
}

/// The parts of a key that a look-up compares: the precomputed hash and the id's text.
pub(super) trait Probe {
    fn parts(&self) -> (u64, &str);
}

impl Probe for Key {
    fn parts(&self) -> (u64, &str) {
        (self.hash, self.id.as_str())
    }
}

impl Probe for (u64, &str) {
    fn parts(&self) -> (u64, &str) {
        *self
    }
}

impl<'a> Borrow<dyn Probe + 'a> for Key {
    fn borrow(&self) -> &(dyn Probe + 'a) {
        self
    }
}

// `Borrow` asks that a key and its borrowed form hash and compare alike: both go by `parts`.
impl Hash for dyn Probe + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.parts().0);
    }
}

impl PartialEq for dyn Probe + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn Probe + '_ {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Key {}

/// Takes the hash that a key carries for the hash of the key.
#[derive(Clone, Copy, Default)]
pub(super) struct PassThrough;

impl BuildHasher for PassThrough {
    type Hasher = Carried;

    fn build_hasher(&self) -> Carried {
        Carried(0)
    }
}

pub(super) struct Carried(u64);

impl Hasher for Carried {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("keys write one u64, their hash");
    }
}
