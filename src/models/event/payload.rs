//! The payload of an event, as JSON.

use serde_json::{Map, Value};

use super::declare::Fields;
use super::{Event, Fact, FieldKind};
use crate::clock::Timestamp;
use crate::models::{Failure, Task};
use FieldKind::{ListOfText, Text};

/// An event's fields by name. Sorted, so that equal events have equal text.
pub type Payload = Map<String, Value>;

/// The largest payload of a custom event, in bytes of JSON.
pub const MAX_CUSTOM_PAYLOAD_BYTES: usize = 64 << 10;
/// How much of a result an event shows, in bytes; `GetResult` returns all of it.
pub const SHOWN_RESULT_BYTES: usize = 4 << 10;

/// The length of a payload as JSON, in bytes.
pub(super) fn size(payload: &Payload) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Neither a map of JSON values nor a counter returns an error.
    serde_json::to_writer(&mut count, payload).map_or(usize::MAX, |()| count.0)
}

impl Event {
    /// The event's payload. Times are RFC 3339 text, durations are numbers of seconds.
    ///
    /// Builds it anew at each call; [`Announced::payload`](crate::events::Announced::payload) keeps it.
    pub fn payload(&self) -> Payload {
        let mut out = Fields::default();
        self.write_fields(&mut out);
        out.payload
    }

    /// The fields that all facts of a kind share, then those of the fact.
    pub(super) fn write_fields(&self, out: &mut Fields) {
        match &self.fact {
            Fact::Task(task, fact) => {
                task_fields(out, task);
                fact.write_fields(out, task);
            }
            Fact::Queue(queue, fact) => {
                out.field("queue", Text, queue.as_str(), "the queue");
                fact.write_fields(out);
            }
            Fact::Schedule(name, fact) => {
                out.field("schedule", Text, name.as_str(), "the schedule");
                fact.write_fields(out);
            }
            Fact::Node(fact) => fact.write_fields(out),
            Fact::Server(fact) => fact.write_fields(out),
            Fact::Custom(custom) => {
                task_fields(out, &custom.task);
                custom.write_fields(out);
            }
        }
    }
}

fn task_fields(out: &mut Fields, task: &Task) {
    out.field("task_id", Text, task.id.as_str(), "the task's id");
    out.field("method", Text, &*task.method, "the task's method, as the caller wrote it");
    out.field("queue", Text, task.options.queue.as_str(), "the task's queue");
    out.field("tags", ListOfText, task.options.tags(), "the task's tags");
}

pub(super) fn failure_fields(out: &mut Fields, failure: &Failure) {
    out.field("error_code", Text, failure.code.as_str(), "the stable error code");
    out.field("error_message", Text, failure.message.as_str(), "the error message, for people");
}

pub(super) fn time(at: Timestamp) -> Value {
    at.to_string().into()
}
