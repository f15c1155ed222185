//! Words an explanation: the one table of sentences about tasks that do not run. Pure.

use crate::engine::core::{self, CoreStatus, CoreView, ExplainInput, Reason, Source, obstacles};
use crate::models::{Explanation, Obstacle, QueueLimits, Snapshot, State, Task};
use crate::tasks::HandlerKind;

const INSERTING: &str = "the store has not committed its insert yet";
const UNREADABLE: &str = "the store does not answer, so its state is unknown";

/// Why the task does not run, in words.
pub(super) fn explanation(input: &ExplainInput) -> Explanation {
    let obstacles = obstacles(input);
    let found = match &input.task {
        Source::Read(found) => found,
        Source::Unread(status) => return unread(*status, obstacles),
    };
    let state = found.state;
    let plain = |summary| Explanation { state, summary, obstacles: Vec::new(), runs_at: None };
    if let Some(outcome) = &found.outcome {
        let code = outcome.failure().map_or_else(String::new, |it| format!(", {}", it.code));
        return plain(format!("it ended {state} at {}{code}", outcome.ended_at));
    }
    if state == State::Running {
        return plain(running(found, input.view.as_ref()));
    }
    if obstacles.is_empty() {
        let summary = format!("it is {state}, and starts in a moment");
        return Explanation { runs_at: Some(input.now), ..plain(summary) };
    }
    let limits = input.view.as_ref().map_or_else(QueueLimits::default, |view| view.limits);
    let word = |it| obstacle(sentence(&it, &found.task, &limits), it);
    let obstacles: Vec<Obstacle> = obstacles.into_iter().map(word).collect();
    let reasons: Vec<&str> = obstacles.iter().map(|it| &*it.description).collect();
    Explanation {
        state,
        summary: format!("it is {state}: {}", reasons.join("; ")),
        runs_at: obstacles.iter().filter_map(|obstacle| obstacle.until).max(),
        obstacles,
    }
}

fn unread(status: CoreStatus, obstacles: Vec<core::Obstacle>) -> Explanation {
    let (state, summary) = match status {
        CoreStatus::Inserting => (State::Pending, INSERTING),
        CoreStatus::Awaited => (State::Pending, UNREADABLE),
        CoreStatus::Running => (State::Running, "it runs"),
    };
    let word = |it| obstacle(summary.to_owned(), it);
    Explanation {
        state,
        summary: summary.to_owned(),
        obstacles: obstacles.into_iter().map(word).collect(),
        runs_at: None,
    }
}

fn running(found: &Snapshot, view: Option<&CoreView>) -> String {
    let mut summary = format!("attempt {} runs", found.attempts);
    if let Some(at) = found.started_at {
        summary += &format!(" since {at}");
    }
    if view.is_some_and(|view| view.suspended) {
        summary += ", and waits for its children";
    }
    if found.cancel_requested {
        summary += ", and its cancel was requested";
    }
    summary
}

fn obstacle(description: String, decided: core::Obstacle) -> Obstacle {
    let core::Obstacle { reason, tasks, until, count, limit } = decided;
    Obstacle { kind: reason.kind(), description, tasks, until, count, limit }
}

/// The sentence for an obstacle: without a capital letter and without a full stop.
fn sentence(obstacle: &core::Obstacle, task: &Task, limits: &QueueLimits) -> String {
    let core::Obstacle { reason, until, count, limit, .. } = obstacle;
    let (count, limit) = (*count, *limit);
    let queue = &task.options.queue;
    let key = task.options.concurrency_key().unwrap_or_default();
    let until = until.map_or_else(|| "an unknown time".to_owned(), |at| at.to_string());
    let tasks = plural(count, "task", "tasks");
    match reason {
        Reason::NotDue => format!("it may not start before {until}"),
        Reason::Snoozed => format!("its handler snoozed it until {until}"),
        Reason::Backoff { attempt } => {
            format!("attempt {attempt} failed, and the next may start at {until}")
        }
        Reason::Dependencies { depends, expanded } => {
            let relation = match (depends, expanded) {
                (_, false) => "it depends on",
                (false, true) => "it was expanded into",
                (true, true) => "it depends on, or was expanded into,",
            };
            let have = if count == 1 { "has" } else { "have" };
            format!("{tasks} that {relation} {have} not ended")
        }
        Reason::Method(error) => format!("its method is not registered here: {error}"),
        Reason::KeyConcurrency => {
            let use_ = if count == 1 { "uses" } else { "use" };
            format!("{tasks} {use_} the concurrency key {key:?}, and queue {queue} allows {limit}")
        }
        Reason::KeyRate => format!(
            "the rate limit of concurrency key {key:?} is used up, and the next task may start at \
             {until}"
        ),
        Reason::KeyPosition => format!("another task with the concurrency key {key:?} is ahead"),
        Reason::Suspect => {
            "it ran at so many crashes of the process that it may be their cause, and \
                            another such task runs"
                .to_owned()
        }
        Reason::Paused => format!("queue {queue} is paused"),
        Reason::QueueConcurrency => {
            let run = if count == 1 { "runs" } else { "run" };
            format!("{tasks} of queue {queue} {run}, and {limit} may at once")
        }
        Reason::QueueRate => {
            let starts = plural(limit, "start", "starts");
            let per = limits.rate.map(|rate| rate.per).unwrap_or_default();
            format!("queue {queue} allows {starts} in {per:?}, and the next may be at {until}")
        }
        Reason::QueuePosition { more } => {
            let at_least = if *more { "at least " } else { "" };
            let are = if count == 1 { "is" } else { "are" };
            format!("{at_least}{tasks} of queue {queue} {are} ahead of it")
        }
        Reason::Capacity(kind) => {
            let kind = if *kind == HandlerKind::Async { "async" } else { "sync" };
            let slots = plural(limit, "slot", "slots");
            format!("no slot for {kind} handlers is free: {slots}, {tasks}")
        }
        Reason::StoreFailed => {
            "the store failed a moment ago, and the server tries again".to_owned()
        }
        Reason::Inserting => INSERTING.to_owned(),
        Reason::Unreadable => UNREADABLE.to_owned(),
        Reason::Draining => "the server shuts down, and starts nothing more".to_owned(),
    }
}

fn plural(count: u64, one: &str, many: &str) -> String {
    let noun = if count == 1 { one } else { many };
    format!("{count} {noun}")
}

#[cfg(test)]
mod tests;
