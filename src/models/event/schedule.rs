//! The events of a schedule: `schedule.*`.

use std::sync::Arc;

use super::declare::{Fields, declare_events};
use super::payload::{failure_fields, time};
use super::{Fact, FieldKind, example};
use crate::clock::Timestamp;
use crate::models::{Failure, TaskId};
use FieldKind::{Boolean, Number, Text, Time};

/// What happened to a schedule. The payload of each is declared below it.
#[derive(Clone, Debug, PartialEq)]
pub enum ScheduleFact {
    /// The schedule is new; `next` is its next run.
    Created {
        /// `None`: the schedule never runs, or is disabled.
        next: Option<Timestamp>,
    },
    /// The schedule has a new definition.
    Updated {
        /// As of [`Created`](Self::Created).
        next: Option<Timestamp>,
    },
    /// The schedule is deleted.
    Deleted,
    /// The schedule is enabled.
    Enabled {
        /// As of [`Created`](Self::Created).
        next: Option<Timestamp>,
    },
    /// The schedule is disabled.
    Disabled,
    /// A run was accepted as a task.
    Executed {
        /// The time that the run was planned for.
        occurrence: Timestamp,
        /// The run's task.
        task: TaskId,
        /// Whether `TriggerSchedule` started the run.
        manual: bool,
    },
    /// The overlap policy skipped a run because an earlier run had not ended.
    Skipped {
        /// The time that the run was planned for.
        occurrence: Timestamp,
    },
    /// The catch-up policy left out occurrences that passed while no server could run them.
    Missed {
        /// How many.
        count: u64,
        /// The last of them.
        last: Timestamp,
    },
    /// A run failed or could not be accepted.
    Failed {
        /// The time that the run was planned for.
        occurrence: Timestamp,
        /// The run's task.
        task: TaskId,
        /// Why it failed.
        failure: Arc<Failure>,
    },
}

declare_events! {
    category: Schedule;
    fired_by: "the engine, after the commit";
    example_of: |fact| Fact::Schedule(example::name("nightly"), fact);
    impl ScheduleFact, out;

    "schedule.created": "A schedule was created";
    Self::Created { next } => { next_run_field(out, *next); }
    examples: [Self::Created { next: Some(example::at(300)) }, Self::Created { next: None }];

    "schedule.updated": "A schedule's definition was changed";
    Self::Updated { next } => { next_run_field(out, *next); }
    examples: [Self::Updated { next: Some(example::at(300)) }, Self::Updated { next: None }];

    "schedule.deleted": "A schedule was deleted";
    Self::Deleted => {}
    examples: [Self::Deleted];

    "schedule.enabled": "A schedule was enabled";
    Self::Enabled { next } => { next_run_field(out, *next); }
    examples: [Self::Enabled { next: Some(example::at(300)) }, Self::Enabled { next: None }];

    "schedule.disabled": "A schedule was disabled";
    Self::Disabled => {}
    examples: [Self::Disabled];

    "schedule.executed": "A run of a schedule was accepted as a task";
    Self::Executed { occurrence, task, manual } => {
        run_fields(out, *occurrence, task);
        out.field("manual", Boolean, *manual, "whether `TriggerSchedule` started the run");
    }
    examples: [Self::Executed {
        occurrence: example::at(200),
        task: example::task_id("nightly-1"),
        manual: false,
    }];

    "schedule.skipped": "The overlap policy skipped a run because an earlier run had not ended";
    Self::Skipped { occurrence } => { occurrence_field(out, *occurrence); }
    examples: [Self::Skipped { occurrence: example::at(200) }];

    "schedule.missed": "The catch-up policy left out occurrences that passed while no server could run them";
    Self::Missed { count, last } => {
        out.field("count", Number, *count, "how many occurrences");
        out.field("last", Time, time(*last), "the last of them");
    }
    examples: [Self::Missed { count: 3, last: example::at(200) }];

    "schedule.failed": "A run of a schedule failed, or could not be accepted";
    Self::Failed { occurrence, task, failure } => {
        run_fields(out, *occurrence, task);
        failure_fields(out, failure);
    }
    examples: [Self::Failed {
        occurrence: example::at(200),
        task: example::task_id("nightly-1"),
        failure: Arc::new(example::failure()),
    }];
}

fn next_run_field(out: &mut Fields, next: Option<Timestamp>) {
    let description = "when the schedule runs next; null if never, or if it is disabled";
    out.optional("next_run_at", Time, next.map(time), description);
}

fn occurrence_field(out: &mut Fields, occurrence: Timestamp) {
    out.field("occurrence", Time, time(occurrence), "the time that the run was planned for");
}

fn run_fields(out: &mut Fields, occurrence: Timestamp, task: &TaskId) {
    occurrence_field(out, occurrence);
    out.field("task_id", Text, task.as_str(), "the id of the run's task");
}
