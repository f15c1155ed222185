//! Loss of power: each write that was not synced is kept or lost, by sectors, in any order.
//!
//! Only writes that no later sync of their file covered are undone: before each write, the shim
//! saves the bytes that the write replaces, and drops them after a successful sync. The unit is a
//! sector, which a disk writes atomically. Chance produces torn pages, cut frames, and late writes
//! that survive while earlier ones are lost.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;

use fastrand::Rng;

use super::Disk;

/// The bytes that a disk writes atomically.
const SECTOR: u64 = 512;
/// The first word of an entry, as `faulty_disk.c` writes it.
const MARK: u64 = 0x6472_6f77_6572_2e31;
const HEAD_BYTES: usize = 40;

/// The fate of the writes that were not synced: the number of writes, and of sectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) writes: usize,
    pub(crate) kept: usize,
    pub(crate) lost: usize,
}

/// A write that was not synced.
#[derive(Debug, PartialEq, Eq)]
struct Write {
    offset: u64,
    length: u64,
    /// The file's size before the write.
    size: u64,
    /// The bytes before the write, up to the file's end.
    old: Vec<u8>,
}

impl Disk {
    /// Undoes a random part of the unsynced writes. The server must have ended.
    pub(crate) fn lose_power(&self, rng: &mut Rng) -> Loss {
        let mut loss = Loss::default();
        for entries in fs::read_dir(&self.unsynced).unwrap() {
            let entries = entries.unwrap();
            let file = self.data.join(entries.file_name());
            // A removed file has nothing to undo.
            if let Ok(file) = OpenOptions::new().read(true).write(true).open(file) {
                undo(&file, &writes(&fs::read(entries.path()).unwrap()), rng, &mut loss);
            }
        }
        self.mark_synced();
        loss
    }
}

/// Parses the writes. A cut entry at the end belongs to a write that never began.
fn writes(mut entries: &[u8]) -> Vec<Write> {
    let mut writes = Vec::new();
    while let Some((head, rest)) = entries.split_at_checked(HEAD_BYTES) {
        let word = |n: usize| u64::from_ne_bytes(head[8 * n..][..8].try_into().unwrap());
        assert_eq!(word(0), MARK, "no entry begins here");
        let Some((old, rest)) = rest.split_at_checked(usize::try_from(word(4)).unwrap()) else {
            break;
        };
        writes.push(Write { offset: word(1), length: word(2), size: word(3), old: old.into() });
        entries = rest;
    }
    writes
}

/// Goes from the last write to the first. A sector holds the data of its last write, so a kept
/// sector hides all earlier writes to it.
fn undo(file: &File, writes: &[Write], rng: &mut Rng, loss: &mut Loss) {
    let keep = rng.choice([0.0, 0.2, 0.5, 0.9]).expect("there are four");
    // Often the disk wrote in order, and the power failed in the middle of a write.
    let torn = rng.bool().then(|| rng.usize(0..=writes.len()));
    let mut kept: BTreeSet<u64> = BTreeSet::new();
    let Some(mut end) = writes.first().map(|first| first.size) else { return };
    loss.writes += writes.len();
    for (number, write) in writes.iter().enumerate().rev() {
        let last = write.offset + write.length;
        for sector in write.offset / SECTOR..last.div_ceil(SECTOR) {
            if kept.contains(&sector) {
                continue;
            }
            let keeps = match torn {
                Some(torn) if number != torn => number < torn,
                _ => rng.f64() < keep,
            };
            let from = (sector * SECTOR).max(write.offset);
            let to = ((sector + 1) * SECTOR).min(last);
            if keeps {
                kept.insert(sector);
                loss.kept += 1;
                end = end.max(to);
            } else {
                loss.lost += 1;
                restore(file, write, from, to);
            }
        }
    }
    // If the writes that extended the file are lost, its length may be lost, too.
    if file.metadata().unwrap().len() > end && rng.bool() {
        file.set_len(end).unwrap();
    }
}

/// Restores the bytes between two offsets; zeros where the file had ended.
fn restore(file: &File, write: &Write, from: u64, to: u64) {
    let at = |offset: u64| usize::try_from(offset - write.offset).unwrap();
    let mut bytes = vec![0; at(to) - at(from)];
    let old = write.old.get(at(from)..).unwrap_or_default();
    let there = old.len().min(bytes.len());
    bytes[..there].copy_from_slice(&old[..there]);
    file.write_all_at(&bytes, from).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(offset: u64, length: u64, size: u64, old: &[u8]) -> Vec<u8> {
        let words = [MARK, offset, length, size, old.len() as u64];
        [&words.map(u64::to_ne_bytes).concat(), old].concat()
    }

    /// A file of two sectors of `a`, after unsynced writes of `b` and `c` and a loss of power.
    fn left_by(seed: u64) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let [a, b, c] = [b'a', b'b', b'c'].map(|letter| vec![letter; 1024]);
        fs::write(&path, &a).unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let mut entries = entry(512, 1024, 1024, &a[512..]);
        file.write_all_at(&b, 512).unwrap();
        entries.extend(entry(512, 512, 1536, &b[..512]));
        file.write_all_at(&c[..512], 512).unwrap();
        // A cut entry: the write never began.
        entries.extend(&entry(0, 512, 1536, &a[..512])[..60]);
        let writes = writes(&entries);
        assert_eq!(writes.len(), 2);
        undo(&file, &writes, &mut Rng::with_seed(seed), &mut Loss::default());
        fs::read(&path).unwrap()
    }

    #[test]
    fn a_loss_of_power_leaves_every_mixture_and_no_other() {
        let seen: BTreeSet<Vec<u8>> = (0..500).map(left_by).collect();
        let seen: BTreeSet<String> = seen
            .iter()
            .map(|file| file.chunks(512).map(|sector| char::from(sector[0])).collect())
            .collect();
        let nul = '\0';
        let expected = ["aa", "ab", "ac", "aab", "abb", "acb"].map(String::from);
        let with_holes = [format!("aa{nul}"), format!("ab{nul}"), format!("ac{nul}")];
        assert_eq!(seen, expected.into_iter().chain(with_holes).collect());
    }
}
