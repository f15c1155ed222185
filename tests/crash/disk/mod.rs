//! A disk that fails on request, below an unmodified server: `faulty_disk.c`.

mod power;

pub(crate) use power::Loss;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::server::Fixture;

/// The effect of a write.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Writes {
    Work,
    /// ENOSPC.
    Full,
    /// EROFS.
    ReadOnly,
}

/// The effect of a sync.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Syncs {
    Work,
    /// EIO.
    Fail,
    /// The process is killed before the sync.
    Kill,
}

/// The disk that holds a fixture's data, for servers that are booted on it.
pub(crate) struct Disk {
    data: PathBuf,
    switch: PathBuf,
    unsynced: PathBuf,
}

impl Disk {
    pub(crate) fn new(fixture: &Fixture) -> Self {
        let (switch, unsynced) = (fixture.path("switch"), fixture.path("unsynced"));
        fs::create_dir_all(&unsynced).unwrap();
        let disk = Self { data: fixture.data(), switch, unsynced };
        disk.set(Writes::Work, Syncs::Work);
        disk
    }

    /// Sets the effect of writes and syncs from now on.
    pub(crate) fn set(&self, writes: Writes, syncs: Syncs) {
        let writes = match writes {
            Writes::Work => b'-',
            Writes::Full => b'F',
            Writes::ReadOnly => b'R',
        };
        let syncs = match syncs {
            Syncs::Work => b'-',
            Syncs::Fail => b'E',
            Syncs::Kill => b'K',
        };
        // In place: the server has mapped the file.
        let mut options = fs::OpenOptions::new();
        let mut file = options.create(true).write(true).truncate(false).open(&self.switch).unwrap();
        std::io::Write::write_all(&mut file, &[writes, syncs]).unwrap();
    }

    pub(crate) fn environment(&self) -> [(&'static str, &Path); 4] {
        [
            ("LD_PRELOAD", shim()),
            ("FAULTY_DISK_BELOW", &self.data),
            ("FAULTY_DISK_SWITCH", &self.switch),
            ("FAULTY_DISK_UNSYNCED", &self.unsynced),
        ]
    }

    /// Treats every earlier write as synced. Call it after a server that ran without this disk has
    /// ended.
    pub(crate) fn mark_synced(&self) {
        for file in fs::read_dir(&self.unsynced).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
}

/// The compiled shim.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let shim = folder.join("faulty_disk.so");
        // Compiled under another name first: other test processes may load the shim meanwhile.
        let fresh = folder.join(format!("faulty_disk.{}.so", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/faulty_disk.c");
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
            .args([&fresh, &source])
            .args(["-ldl", "-lpthread"])
            .status()
            .expect("there is a C compiler: SQLite needs one, too");
        assert!(status.success(), "{} does not compile", source.display());
        fs::rename(fresh, &shim).unwrap();
        shim
    })
}
