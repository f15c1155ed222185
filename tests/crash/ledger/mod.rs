//! Events as recorded outside the server by handlers, clients, and the test that kills. One file,
//! in the order of the events.
//!
//! | line | written by | means |
//! |---|---|---|
//! | `start ID ATTEMPT FENCE MS FOUND` | handler | it runs, and has loaded this checkpoint (0: none) |
//! | `saving ID FENCE VALUE`, `saved …` | handler | before a checkpoint, and after its acknowledgement |
//! | `spawning ID FENCE CHILD`, `spawned …` | handler | before it spawns a child, and after |
//! | `end ID FENCE HOW MS WAIT` | handler | it returns `succeeded`, `failed` or `snoozed`; not due again before WAIT ms |
//! | `requested ID EXPECTED RETRIES DUE` | client | before a request; the expected outcome, no start before DUE |
//! | `needs ID PARENT HOW` | client | it starts after that one has `succeeded`, or `ended` |
//! | `accepted ID`, `refused ID REASON` | client | the answer |
//! | `outcome ID STATE TEXT` | client | an outcome, from SubmitTask or GetResult |
//! | `missing ID` | client | GetResult did not find it |
//! | `cancelling ID`, `verdict ID VERDICT STATE` | client | before and after CancelTasks |
//! | `booted MS` | test | the server listens |
//! | `killed MS`, `power-lost MS`, `drained MS` | test | it is dead; and unsynced writes are lost; it drained and stopped |

pub(crate) mod entry;
pub(crate) mod line;

pub(crate) use entry::{Condition, Entry, Expected, HandlerResult, Outcome, ProcessExit};
pub(crate) use line::{LINE_BYTES, LineWriter, wall_ms};

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// The ledger of one test.
pub(crate) struct Ledger {
    path: PathBuf,
    writer: LineWriter,
}

impl Ledger {
    pub(crate) fn create(path: PathBuf) -> Self {
        let writer = LineWriter::open(&path).unwrap();
        Self { path, writer }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn write(&self, entry: &Entry) {
        self.writer.write(&entry.to_string()).unwrap();
    }

    /// Everything written so far.
    pub(crate) fn read(&self) -> Vec<Entry> {
        self.since(0)
    }

    /// The ledger's length in bytes.
    pub(crate) fn length(&self) -> u64 {
        std::fs::metadata(&self.path).unwrap().len()
    }

    /// Everything written after the ledger had this length.
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
