//! The events of a task: `task.*`.

use std::sync::Arc;

use super::declare::{Fields, declare_events};
use super::payload::{SHOWN_RESULT_BYTES, failure_fields, time};
use super::{Fact, FieldKind, example};
use crate::clock::Timestamp;
use crate::models::{ArgValue, Ended, Ending, Failure, Fence, Outcome, State, Task};
use FieldKind::{Boolean, Number, Text, Time};

/// What happened to a task. The payload of each is declared below it.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskFact {
    /// The task is stored, in this state.
    Accepted(State),
    /// The task became `QUEUED` after it had waited. Its concurrency key may still block it.
    Queued,
    /// An attempt started; `attempt` counts from 1.
    Started {
        /// The attempt's number.
        attempt: u32,
        /// The fencing token of its claim.
        fence: Fence,
    },
    /// The handler reported its progress.
    Progressed {
        /// From 0 to 1.
        fraction: f64,
        /// What the handler is doing, for people.
        message: Arc<str>,
    },
    /// An attempt failed and another one follows.
    Retrying {
        /// The failed attempt's number.
        attempt: u32,
        /// Why it failed.
        failure: Arc<Failure>,
        /// When the next attempt is due.
        due: Timestamp,
    },
    /// The handler snoozed the task until `due`; the attempt does not count.
    Snoozed {
        /// When the task is due again.
        due: Timestamp,
    },
    /// A shutdown put the running task back into its queue.
    Requeued,
    /// The task was running when its process died, and is back in its queue.
    Rescued {
        /// How often that has happened to this task.
        rescues: u32,
    },
    /// The handler expanded the task into children; the task waits for them.
    Expanded {
        /// The number of children.
        children: u32,
    },
    /// A caller cancelled the task while it ran.
    CancelRequested {
        /// Why, for people.
        reason: Arc<str>,
    },
    /// A later request with the same unique key replaced the task's arguments.
    Replaced,
    /// The task has its outcome: `task.completed`, `task.skipped`, `task.failed`, `task.cancelled` or
    /// `task.expired`.
    Ended(Arc<Ended>),
    /// The task had ended, and `RetryTask` put it back to run again.
    Retried,
    /// `ResolveTask` gave the task this outcome.
    Resolved(Arc<Ended>),
}

declare_events! {
    category: Task;
    fired_by: "the engine, after the commit";
    example_of: |fact| Fact::Task(example::task(), fact);
    impl TaskFact, out, task: &Task;

    "task.accepted": "A task is stored";
    Self::Accepted(state) => {
        out.field("state", Text, state.as_str(), "`PENDING`, `QUEUED` or `RUNNING`");
        out.field("priority", Number, task.options.priority, "higher runs first");
    }
    examples: [Self::Accepted(State::Queued)];

    "task.queued": "A waiting task can run now: it is due, its dependencies have ended, its backoff is over, or it was put back into its queue";
    Self::Queued => {}
    examples: [Self::Queued];

    "task.started": "An attempt started";
    Self::Started { attempt, fence } => {
        out.field("attempt", Number, *attempt, "the attempt's number, from 1");
        out.field("fence", Text, fence.to_string(), "the fencing token of the claim, never used twice");
    }
    examples: [Self::Started { attempt: 1, fence: Fence { epoch: 1, counter: 2 } }];

    "task.progressed": "A handler reported its progress";
    Self::Progressed { fraction, message } => {
        out.field("fraction", Number, *fraction, "from 0 to 1");
        out.field("message", Text, &**message, "what the handler is doing, for people");
    }
    examples: [Self::Progressed { fraction: 0.5, message: "half".into() }];

    "task.retrying": "An attempt failed, and another one follows";
    Self::Retrying { attempt, failure, due } => {
        out.field("attempt", Number, *attempt, "the failed attempt's number, from 1");
        out.field("due_at", Time, time(*due), "when the next attempt is due");
        failure_fields(out, failure);
    }
    examples: [Self::Retrying {
        attempt: 1,
        failure: Arc::new(example::failure()),
        due: example::at(200),
    }];

    "task.snoozed": "A handler snoozed its task: it runs again later, and the attempt does not count";
    Self::Snoozed { due } => {
        out.field("due_at", Time, time(*due), "when the task is due again");
    }
    examples: [Self::Snoozed { due: example::at(200) }];

    "task.requeued": "A shutdown put a running task back into its queue";
    Self::Requeued => {}
    examples: [Self::Requeued];

    "task.rescued": "A task was running when its process died, and is back in its queue";
    Self::Rescued { rescues } => {
        out.field("rescues", Number, *rescues, "how often this has happened to the task");
    }
    examples: [Self::Rescued { rescues: 1 }];

    "task.expanded": "A handler expanded its task into child tasks, and the task waits for them";
    Self::Expanded { children } => {
        out.field("children", Number, *children, "the number of child tasks");
    }
    examples: [Self::Expanded { children: 3 }];

    "task.cancel_requested": "A caller cancelled a running task, and its handler has to stop";
    Self::CancelRequested { reason } => {
        out.field("reason", Text, &**reason, "why, for people");
    }
    examples: [Self::CancelRequested { reason: "not wanted".into() }];

    "task.replaced": "A waiting task got the arguments of a later request with the same unique key";
    Self::Replaced => {}
    examples: [Self::Replaced];

    "task.retried": "A task that had ended will run again, after `RetryTask` for it or for a task that it depends on";
    Self::Retried => {}
    examples: [Self::Retried];

    "task.resolved": "An operator set a task's result manually";
    Self::Resolved(ended) => {
        duration_fields(out, task, &ended.outcome);
        if let Some(result) = ended.outcome.result() {
            result_fields(out, result);
        }
    }
    examples: [
        Self::Resolved(Arc::new(example::ended(succeeded(), true))),
        Self::Resolved(Arc::new(example::ended(succeeded(), false))),
    ];

    others: Self::Ended(ended) => ended, task;
}

declare_events! {
    category: Task;
    fired_by: "the engine, after the commit";
    example_of: |ended| Fact::Task(example::task(), TaskFact::Ended(Arc::new(ended)));
    impl Ended, out, task: &Task;

    "task.completed": "A task succeeded";
    Self { outcome: outcome @ Outcome { ending: Ending::Succeeded(result), .. }, .. } => {
        duration_fields(out, task, outcome);
        result_fields(out, result);
    }
    examples: [example::ended(succeeded(), true)];

    "task.skipped": "A task succeeded without running";
    Self { outcome: outcome @ Outcome { ending: Ending::Skipped, .. }, .. } => {
        duration_fields(out, task, outcome);
    }
    examples: [example::ended(Ending::Skipped, false)];

    "task.failed": "A task failed and is not retried any more";
    Self { outcome: outcome @ Outcome { ending: Ending::Failed(failure), .. }, .. } => {
        duration_fields(out, task, outcome);
        failure_fields(out, failure);
    }
    examples: [
        example::ended(Ending::Failed(example::failure()), true),
        example::ended(Ending::Failed(example::failure()), false),
    ];

    "task.cancelled": "A task was cancelled";
    Self { outcome: outcome @ Outcome { ending: Ending::Cancelled(_), .. }, .. } => {
        duration_fields(out, task, outcome);
        if let Some(failure) = outcome.failure() {
            failure_fields(out, &failure);
        }
    }
    examples: [
        example::ended(Ending::Cancelled("not wanted".into()), true),
        example::ended(Ending::Cancelled("not wanted".into()), false),
    ];

    "task.expired": "A task's time to live was over before its first attempt";
    Self { outcome: outcome @ Outcome { ending: Ending::Expired, .. }, .. } => {
        duration_fields(out, task, outcome);
        if let Some(failure) = outcome.failure() {
            failure_fields(out, &failure);
        }
    }
    examples: [example::ended(Ending::Expired, false)];
}

fn duration_fields(out: &mut Fields, task: &Task, outcome: &Outcome) {
    let execution = outcome.started_at.map(|at| outcome.ended_at.since(at).as_secs_f64());
    let total = outcome.ended_at.since(task.submitted_at).as_secs_f64();
    out.field("attempts", Number, outcome.attempts, "how many attempts were made");
    out.optional(
        "execution_duration",
        Number,
        execution,
        "seconds since the last attempt started; null if there was none",
    );
    out.field("total_duration", Number, total, "seconds since the task was accepted");
}

fn result_fields(out: &mut Fields, result: &ArgValue) {
    let whole = result.to_string();
    let end = whole.floor_char_boundary(SHOWN_RESULT_BYTES);
    let is_cut = end < whole.len();
    out.field("result", Text, &whole[..end], "the result as text, at most its first 4 KiB");
    out.field(
        "result_truncated",
        Boolean,
        is_cut,
        "whether `result` is cut; `GetResult` returns all of it",
    );
}

fn succeeded() -> Ending {
    Ending::Succeeded(Arc::new(ArgValue::from("done")))
}
