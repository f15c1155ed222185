//! What happened, written down outside the server by everybody who saw it: bodies, clients, and the
//! test that kills. One file, in the order in which it happened.
//!
//! | line | written by | means |
//! |---|---|---|
//! | `start ID ATTEMPT FENCE MS FOUND` | body | it runs, and found this checkpoint (0: none) |
//! | `saving ID FENCE VALUE`, `saved …` | body | before a checkpoint, and after it was acknowledged |
//! | `spawning ID FENCE CHILD`, `spawned …` | body | before it asks for a child, and after |
//! | `end ID FENCE HOW MS WAIT` | body | it returns `well`, `failed` or `snoozed`; not again before WAIT ms |
//! | `asked ID ENDS RETRIES DUE` | client | about to ask; how it should end, not to start before DUE |
//! | `needs ID PARENT HOW` | client | it waits for that one to end `well`, or `anyhow` |
//! | `accepted ID`, `refused ID REASON` | client | the answer |
//! | `told ID STATE TEXT` | client | an outcome, from SubmitTask or GetResult |
//! | `missing ID` | client | GetResult did not know it |
//! | `cancelling ID`, `verdict ID VERDICT STATE` | client | before and after CancelTasks |
//! | `booted MS` | test | the server listens |
//! | `killed MS`, `power-lost MS`, `drained MS` | test | it is dead; and what was not synced is lost; it stopped as asked |

pub(crate) mod entry;
pub(crate) mod line;

pub(crate) use entry::{Death, Ending, Ends, Entry, Need, Told};
pub(crate) use line::{LINE_BYTES, Pen, wall_ms};

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// A ledger of one test.
pub(crate) struct Ledger {
    path: PathBuf,
    pen: Pen,
}

impl Ledger {
    pub(crate) fn create(path: PathBuf) -> Self {
        let pen = Pen::open(&path).unwrap();
        Self { path, pen }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn write(&self, entry: &Entry) {
        self.pen.write(&entry.to_string()).unwrap();
    }

    /// Everything that was written so far.
    pub(crate) fn read(&self) -> Vec<Entry> {
        self.since(0)
    }

    /// How long it is, in bytes.
    pub(crate) fn length(&self) -> u64 {
        std::fs::metadata(&self.path).unwrap().len()
    }

    /// What was written when it was longer than this.
    pub(crate) fn since(&self, length: u64) -> Vec<Entry> {
        let mut file = File::open(&self.path).unwrap();
        file.seek(SeekFrom::Start(length)).unwrap();
        let mut text = Vec::new();
        file.read_to_end(&mut text).unwrap();
        parse(&text)
    }
}

fn parse(text: &[u8]) -> Vec<Entry> {
    assert_eq!(text.len() % LINE_BYTES, 0, "a line of the ledger is cut");
    let lines = text.chunks(LINE_BYTES).map(|line| std::str::from_utf8(line).unwrap());
    lines.map(|line| line.parse().unwrap_or_else(|()| panic!("not a line: {line:?}"))).collect()
}
