//! The entries themselves.

use super::{EventInfo, Field, FieldKind};
use crate::models::Category;
use FieldKind::{Boolean, ListOfText, Number, Object, Text, Time};

const fn field(name: &'static str, kind: FieldKind, description: &'static str) -> Field {
    Field { name, kind, description, optional: false }
}

const fn optional(name: &'static str, kind: FieldKind, description: &'static str) -> Field {
    Field { name, kind, description, optional: true }
}

/// What every event about a task says of it.
const OF_TASK: [Field; 4] = [
    field("task_id", Text, "the task"),
    field("method", Text, "its method, as its caller wrote it"),
    field("queue", Text, "the queue that it stands in"),
    field("tags", ListOfText, "the tags that it carries"),
];
const ATTEMPT: Field = field("attempt", Number, "which attempt, from 1");
const ERROR: [Field; 2] = [
    field("error_code", Text, "the stable reason"),
    field("error_message", Text, "why, for people"),
];
const RESULT: [Field; 2] = [
    field("result", Text, "its result as text, at most the first 4 KiB"),
    field("result_truncated", Boolean, "whether there is more of it; `GetResult` has it whole"),
];
const NEXT_RUN: Field =
    optional("next_run_at", Time, "when it runs next; null if never, or if it is disabled");
const OCCURRENCE: Field = field("occurrence", Time, "the time that the run was planned for");

/// How long a task took: of every event that tells an outcome.
fn took() -> Vec<Field> {
    vec![
        field("attempts", Number, "how many attempts were made"),
        optional(
            "execution_duration",
            Number,
            "seconds from the start of the last attempt; null if there was none",
        ),
        field("total_duration", Number, "seconds since it was accepted"),
    ]
}

struct Group {
    category: Category,
    fired_by: &'static str,
    common: Vec<Field>,
    entries: Vec<EventInfo>,
}

impl Group {
    fn new(category: Category, fired_by: &'static str, common: &[Field]) -> Self {
        Self { category, fired_by, common: common.to_vec(), entries: Vec::new() }
    }

    fn event(
        mut self,
        name: &'static str,
        description: &'static str,
        fields: impl IntoIterator<Item = Field>,
    ) -> Self {
        let mut all = self.common.clone();
        all.extend(fields);
        let (category, fired_by) = (self.category, self.fired_by);
        self.entries.push(EventInfo { name, category, description, fields: all, fired_by });
        self
    }
}

pub(super) fn entries() -> Vec<EventInfo> {
    let groups =
        [accepting(), running(), ending(), queues(), schedules(), nodes(), observed(), custom()];
    groups.into_iter().flat_map(|group| group.entries).collect()
}

fn accepting() -> Group {
    Group::new(Category::Task, "the engine, after the commit", &OF_TASK)
        .event(
            "task.accepted",
            "A task is stored",
            [
                field("state", Text, "where it stands: `PENDING`, `QUEUED` or `RUNNING`"),
                field("priority", Number, "higher first"),
            ],
        )
        .event(
            "task.queued",
            "A task that waited can run: it was released, is due, was put back, or its backoff is over",
            [],
        )
        .event(
            "task.replaced",
            "A task that waits got the arguments of another with its unique key",
            [],
        )
        .event("task.retried", "A task that had ended runs again", [])
        .event(
            "task.cancel_requested",
            "Somebody wished a task cancelled while it ran",
            [field("reason", Text, "why, for people")],
        )
}

fn running() -> Group {
    let due = field("due_at", Time, "when it is tried again");
    Group::new(Category::Task, "the engine, after the commit", &OF_TASK)
        .event(
            "task.started",
            "An attempt began",
            [ATTEMPT, field("fence", Text, "the number of this claim, never used twice")],
        )
        .event(
            "task.progressed",
            "A body said how far it is",
            [
                field("fraction", Number, "0 to 1"),
                field("message", Text, "what it is doing, for people"),
            ],
        )
        .event(
            "task.retrying",
            "An attempt ended badly, and another follows",
            [&[ATTEMPT, due][..], &ERROR].concat(),
        )
        .event(
            "task.snoozed",
            "A body wants to be called again later; the attempt does not count",
            [due],
        )
        .event("task.requeued", "A server that stops put a task back unfinished", [])
        .event(
            "task.rescued",
            "A task ran when its process died, and goes back into its queue",
            [field("rescues", Number, "how often that has happened to it")],
        )
        .event(
            "task.expanded",
            "A task became several, and waits for them",
            [field("children", Number, "how many")],
        )
}

fn ending() -> Group {
    let common = [OF_TASK.to_vec(), took()].concat();
    Group::new(Category::Task, "the engine, after the commit", &common)
        .event("task.completed", "A task ended well", RESULT)
        .event("task.skipped", "A task ended well without running", [])
        .event("task.failed", "A task ended badly, for good", ERROR)
        .event("task.cancelled", "A task was cancelled", ERROR)
        .event("task.expired", "The time to live of a task was over before it started", ERROR)
        .event("task.resolved", "Somebody gave a task a result by hand", RESULT)
}

fn queues() -> Group {
    let queue = field("queue", Text, "the queue");
    let most = |name, description| optional(name, Number, description);
    let rate = |name, description| optional(name, Object, description);
    Group::new(Category::Queue, "whoever decides about queues, over the API", &[queue])
        .event("queue.paused", "Nothing more of a queue starts", [])
        .event("queue.resumed", "A queue goes on", [])
        .event(
            "queue.limits_changed",
            "A queue has other limits",
            [
                field("paused", Boolean, "whether it is paused"),
                field("weight", Number, "its share of turns"),
                most("concurrency", "how many of its tasks run at once; null: any number"),
                most("max_length", "how many may wait; null: as many as the server allows"),
                rate("rate", "how many may start in how many seconds; null: any number"),
                field(
                    "concurrency_per_key",
                    Number,
                    "how many with one concurrency key run at once",
                ),
                rate("rate_per_key", "how many may start so with one concurrency key"),
            ],
        )
}

fn schedules() -> Group {
    let schedule = field("schedule", Text, "the schedule");
    let run = field("task_id", Text, "the run's task");
    Group::new(Category::Schedule, "the schedules, after the commit", &[schedule])
        .event("schedule.created", "There is a new schedule", [NEXT_RUN])
        .event("schedule.updated", "A schedule is another from now on", [NEXT_RUN])
        .event("schedule.deleted", "A schedule is gone", [])
        .event("schedule.enabled", "A schedule runs again", [NEXT_RUN])
        .event("schedule.disabled", "A schedule runs no more", [])
        .event(
            "schedule.executed",
            "A run of a schedule was accepted",
            [OCCURRENCE, run, field("manual", Boolean, "whether somebody triggered it")],
        )
        .event(
            "schedule.skipped",
            "A run was left out because the one before it had not ended",
            [OCCURRENCE],
        )
        .event(
            "schedule.missed",
            "Occurrences passed while nobody could run them, and were left out",
            [field("count", Number, "how many"), field("last", Time, "the last of them")],
        )
        .event(
            "schedule.failed",
            "A run of a schedule ended badly, or could not be accepted",
            [&[OCCURRENCE, run][..], &ERROR].concat(),
        )
}

fn nodes() -> Group {
    let epoch = field("epoch", Number, "which start of the server, counted in its store");
    Group::new(Category::Node, "the engine", &[])
        .event(
            "node.started",
            "A server serves",
            [epoch, field("version", Text, "the server's version")],
        )
        .event("node.draining", "A server takes nothing in any more", [])
        .event(
            "node.stopped",
            "A server has stopped as it was told to; the last that it says",
            [epoch],
        )
        .event(
            "node.crashed",
            "A start found that the server before it ended without stopping",
            [
                field("epoch", Number, "which start that was"),
                field("last_alive_at", Time, "when it was last seen at work"),
                field("rescued", Number, "how many tasks ran then, and run again"),
                field("quarantined", Number, "how many of them were put aside instead"),
            ],
        )
}

fn observed() -> Group {
    let error = |name| field(name, Text, "why, for people");
    Group::new(Category::Observability, "the server, about its own parts", &[])
        .event(
            "observability.sampled",
            "How much there is to do, now and then",
            [
                field("queued", Number, "tasks that can run and wait"),
                field("running", Number, "tasks that run"),
                field("delayed", Number, "tasks that wait for their time or for others"),
                field("failed", Number, "tasks that are kept as failed"),
            ],
        )
        .event(
            "observability.lagged",
            "A subscriber was too slow and missed events",
            [field("subscriber", Text, "who"), field("missed", Number, "how many events")],
        )
        .event(
            "observability.service_failed",
            "A part of the server failed; it is tried again after a while only if `failures` is above 0",
            [
                field("service", Text, "which"),
                error("error"),
                field("failures", Number, "how often in a row"),
            ],
        )
        .event(
            "observability.webhook_abandoned",
            "A delivery to a webhook was given up",
            [
                field("webhook", Text, "which"),
                field("task_id", Text, "the task that delivered it"),
                error("error_message"),
            ],
        )
}

fn custom() -> Group {
    let data = field("data", Object, "what the body said with it");
    Group::new(Category::Custom, "bodies, with `ctx.emit`", &OF_TASK).event(
        super::CUSTOM,
        "A body announced something of its own",
        [ATTEMPT, data],
    )
}
