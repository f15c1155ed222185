//! Keys of ids: the numbers that ids are looked up by.

use std::hash::Hasher as _;

use rusqlite::Connection;
use siphasher::sip::SipHasher13;

use super::error::{Result, SqliteError};
use crate::clock::Timestamp;
use crate::models::TaskId;

/// Computes the keys of ids, which stay the same for the life of the file. The seed is a secret of
/// the file, so that a client cannot choose ids that share a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    seed: [u8; 16],
}

/// The number of bits that distinguish ids of one millisecond.
const FINE_BITS: u32 = 16;
/// How far the key of a new id may be behind the newest key: a minute.
pub(super) const NEW_WITHIN: i64 = 60_000 << FINE_BITS;

impl Keys {
    /// The keys of an open file.
    pub(super) fn load(connection: &Connection) -> Result<Self> {
        let seed: Vec<u8> =
            connection.query_one("SELECT id_seed FROM meta", [], |row| row.get(0))?;
        Ok(Self { seed: seed.try_into().map_err(|_| SqliteError::NoMeta)? })
    }

    /// The key of an id. A UUIDv7 begins with its time, and so does its key: keys of new ids come
    /// after old ones, and the table grows at its end. The rest is a hash, because generators count
    /// in the bits that follow. The key of any other id is a hash, and negative. Different ids can
    /// share a key.
    pub(super) fn of(&self, id: &TaskId) -> i64 {
        let mut hasher = SipHasher13::new_with_key(&self.seed);
        hasher.write(id.as_str().as_bytes());
        let hash = hasher.finish();
        match millis(id.as_str().as_bytes()) {
            Some(millis) => {
                (millis << FINE_BITS | hash >> (u64::BITS - FINE_BITS)).cast_signed() & i64::MAX
            }
            None => hash.cast_signed() | i64::MIN,
        }
    }
}

/// The least key of an id that is made then.
pub(super) fn of_time(at: Timestamp) -> i64 {
    ((at.as_micros() / 1_000) << FINE_BITS).cast_signed()
}

/// Whether new keys of this kind come after old ones.
pub(super) fn grows(key: i64) -> bool {
    key >= 0
}

/// The time in a UUIDv7: `tttttttt-tttt-7xxx-xxxx-xxxxxxxxxxxx`.
fn millis(id: &[u8]) -> Option<u64> {
    if id.len() != 36 || id[14] != b'7' || [8, 13, 18, 23].iter().any(|&at| id[at] != b'-') {
        return None;
    }
    let digits = id[..8].iter().chain(&id[9..13]);
    digits
        .copied()
        .try_fold(0, |time: u64, digit| Some(time << 4 | u64::from((digit as char).to_digit(16)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> TaskId {
        TaskId::parse(text, "").expect("a good id")
    }

    #[test]
    fn keys_of_uuid_v7_ids_grow_with_their_time() {
        let keys = Keys { seed: [1; 16] };
        let early = keys.of(&id("01932b4c-0000-7000-8000-000000000000"));
        let late = keys.of(&id("01932b4c-0001-7000-8000-000000000000"));
        assert!(0 <= early && early < late);
        assert!(!grows(keys.of(&id("01932b4c-0000-4000-8000-000000000000"))), "another version");
        assert!(!grows(keys.of(&id("order 17"))));
    }

    #[test]
    fn ids_of_one_millisecond_have_different_keys() {
        let keys = Keys { seed: [1; 16] };
        let mut all: Vec<i64> =
            (0..100).map(|n| keys.of(&id(&format!("01932b4c-0000-7000-8000-{n:012x}")))).collect();
        all.sort_unstable();
        all.dedup();
        assert!(all.len() > 95, "{}", all.len());
    }

    #[test]
    fn a_key_never_changes() {
        let keys = Keys { seed: *b"0123456789abcdef" };
        assert_eq!(keys.of(&id("order 17")), KEY_OF_ORDER_17);
        assert_ne!(Keys { seed: [0; 16] }.of(&id("order 17")), KEY_OF_ORDER_17);
    }

    /// Existing files contain this key.
    const KEY_OF_ORDER_17: i64 = -5_260_918_759_372_103_398;
}
