//! The log's output on the console and in files.

use std::sync::Arc;
use std::sync::mpsc;

use parking_lot::Mutex;
use tracing::dispatcher::with_default;

use super::*;
use crate::logger::sink::Loss;

/// A console that records its output.
#[derive(Clone, Default)]
struct Console(Arc<Mutex<Vec<u8>>>);

impl Console {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).expect("text")
    }

    fn lines_with(&self, part: &str) -> Vec<String> {
        self.text().lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }
}

impl io::Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The output of `log_lines` on the console and in the file of today.
fn logged(
    format: Format,
    filter: Option<&str>,
    ansi: bool,
    log_lines: impl FnOnce(),
) -> (String, String) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let logs = dir.path().join("deep/logs");
    let options = Options { dir: Some(logs.clone()), format, retention: 2 };
    let console = Console::default();
    let (dispatch, guard) = build(&options, filter, console.clone(), ansi).expect("a log");
    with_default(&dispatch, log_lines);
    drop(guard);
    let files: Vec<_> = std::fs::read_dir(&logs)
        .expect("the directory was made")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    let [file] = &files[..] else { panic!("one file: {files:?}") };
    let file = std::fs::read_to_string(file).expect("text");
    (console.text(), file)
}

fn json_line(text: &str) -> serde_json::Value {
    assert_eq!(text.lines().count(), 1, "{text}");
    let mut line: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let stamp = line.as_object_mut().expect("an object").remove("timestamp").expect("a timestamp");
    assert!(stamp.as_str().is_some_and(|stamp| stamp.ends_with('Z')), "{stamp}");
    line
}

#[test]
fn the_console_and_the_file_get_the_same_lines_and_colour_stays_on_the_console() {
    let log_lines = || {
        let _span = tracing::info_span!("run", queue = "mail").entered();
        tracing::info!(count = 3, "methods registered");
        tracing::debug!("not at info");
    };
    let (console, file) = logged(Format::Text, None, false, log_lines);
    let expected =
        " INFO run{queue=\"mail\"}: task_scheduler::logger::tests: methods registered count=3\n";
    for text in [console, file] {
        assert_eq!(text.split_once(' ').map(|(_time, line)| line), Some(expected));
    }
    let (console, file) = logged(Format::Text, None, true, log_lines);
    assert!(console.contains("\u{1b}["), "{console}");
    assert!(!file.contains('\u{1b}'), "{file}");
}

#[test]
fn a_json_line_has_its_fields_beside_the_message() {
    let (console, file) = logged(Format::Json, None, true, || {
        tracing::warn!(target: "task_scheduler::here", lines = 7, "lost");
    });
    for text in [console, file] {
        assert_eq!(
            json_line(&text),
            serde_json::json!({
                "level": "WARN", "target": "task_scheduler::here", "message": "lost", "lines": 7
            })
        );
    }
}

#[test]
fn rust_log_filters_lines_and_an_empty_value_counts_as_unset() {
    let log_lines = || {
        tracing::debug!("fine");
        tracing::info!("coarse");
    };
    let lines = |filter| logged(Format::Text, Some(filter), false, log_lines).1.lines().count();
    assert_eq!(lines("debug"), 2);
    assert_eq!(lines("off,task_scheduler=debug"), 2);
    assert_eq!(lines("warn"), 0);
    assert_eq!(lines(" "), 1);
}

fn refusal(dir: Option<PathBuf>, filter: &str) -> String {
    let options = Options { dir, ..Options::default() };
    match build(&options, Some(filter), io::sink(), false) {
        Ok(_) => panic!("a log"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_malformed_filter_is_refused() {
    let message = refusal(None, "task_scheduler=lots");
    assert!(message.starts_with("RUST_LOG is \"task_scheduler=lots\": error parsing"), "{message}");
}

#[test]
fn a_directory_that_cannot_be_created_is_refused() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let message = refusal(Some(file.path().join("logs")), "info");
    assert!(message.contains("/logs: Not a directory (os error 20); choose another"), "{message}");
}

#[test]
fn old_files_are_removed_while_the_log_runs() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let old = ["2020-01-01", "2020-01-02"].map(|day| format!("task-scheduler.{day}.log"));
    for name in &old {
        std::fs::write(dir.path().join(name), "").expect("written");
    }
    let options = Options { dir: Some(dir.path().into()), retention: 2, ..Options::default() };
    drop(build(&options, None, io::sink(), false).expect("a log"));
    let left = old.map(|name| dir.path().join(name).exists());
    assert_eq!(left, [false, true], "the newest, and today's");
}

/// A writer that blocks until the test releases it.
struct Stuck(mpsc::Receiver<()>, Console);

impl io::Write for Stuck {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Returns at once, with an error, as soon as the sender is gone.
        assert!(self.0.recv().is_err(), "nothing is ever sent");
        self.1.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_dropped_for_a_slow_writer_are_counted_and_reported() {
    let options = Options { dir: None, ..Options::default() };
    let (release, stuck) = mpsc::channel();
    let console = Console::default();
    let (dispatch, guard) =
        build(&options, None, Stuck(stuck, console.clone()), false).expect("a log");
    let lines = MAX_WAITING_LINES + 100;
    with_default(&dispatch, || (0..lines).for_each(|number| tracing::info!(number, "line")));
    assert_eq!(console.lines_with("line number=").len(), 0);
    drop(release);
    while console.lines_with("line number=").len() < MAX_WAITING_LINES {
        std::thread::yield_now();
    }
    drop(guard);
    let lost = lines - console.lines_with("line number=").len();
    let expected = format!("log lines were lost writer=\"log-console\" lines={lost} total={lost}");
    let reported = console.lines_with("log lines were lost");
    assert!(
        matches!(&reported[..], [reported] if reported.ends_with(&expected)),
        "{expected}: {reported:?}"
    );
}

/// A full disk.
struct Full;

impl io::Write for Full {
    fn write(&mut self, _line: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn failed_writes_are_counted() {
    use io::Write;

    let mut sink = Sink::new(Full);
    let failures = sink.failures();
    let (writer, _guard) = NonBlockingBuilder::default().finish(io::sink());
    let mut losses = Losses::default();
    losses.watch("log-file", writer.error_counter(), failures);
    assert_eq!(losses.take_new().count(), 0);
    for _ in 0..3 {
        assert!(sink.write_all(b"line\n").is_err());
    }
    let loss = Loss { writer: "log-file", lines: 3, total: 3 };
    assert_eq!(losses.take_new().collect::<Vec<_>>(), [loss]);
    assert_eq!(losses.take_new().count(), 0, "reported once");
}
