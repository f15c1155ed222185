//! Encodes tasks.

use crate::models::{Ending, Outcome, Snapshot, TaskPage};
use crate::pb;
use crate::server::api::encode::{failure, fit, text};
use crate::server::api::page_token::PageTokens;
use crate::server::api::status::cut;

/// How much of one argument is shown, in bytes, and of how many arguments: a task must fit into one
/// message.
const MAX_ARG_TEXT_BYTES: usize = 4_096;
const MAX_ARGS_SHOWN: usize = 64;
/// How much of a result is shown beside the rest of the task, in bytes; GetResult returns it whole.
const MAX_RESULT_SHOWN_BYTES: usize = 1 << 20;
/// The task of GetTask.
pub(in crate::server::api) fn task(snapshot: Snapshot) -> pb::Task {
    let result = snapshot.outcome.as_ref().and_then(Outcome::result);
    let args = snapshot.task.args.iter().take(MAX_ARGS_SHOWN);
    pb::Task {
        result: result.map(|result| cut(&text(result), MAX_RESULT_SHOWN_BYTES)).unwrap_or_default(),
        history: snapshot.history.iter().cloned().map(Into::into).collect(),
        args: args.map(|arg| cut(&text(arg), MAX_ARG_TEXT_BYTES)).collect(),
        ..summary(&snapshot)
    }
}

/// The answer to ListTasks: the tasks of the page that fit into `max_bytes` together; one fits in any
/// case.
pub(in crate::server::api) fn page(
    page: TaskPage,
    tokens: &PageTokens,
    max_bytes: usize,
) -> pb::ListTasksResponse {
    let tasks = fit(&page.tasks, max_bytes, summary);
    let next = match page.tasks.get(..tasks.len()) {
        Some(kept) if kept.len() < page.tasks.len() => {
            kept.iter().rev().find_map(|snapshot| snapshot.sequence)
        }
        _ => page.next,
    };
    let next_page_token = next.map(|next| tokens.encode(next)).unwrap_or_default();
    pb::ListTasksResponse { tasks, next_page_token }
}

/// A task without its arguments, result and history.
fn summary(snapshot: &Snapshot) -> pb::Task {
    let Snapshot { task, outcome, progress, .. } = snapshot;
    let labels = task.options.labels.as_deref().cloned().unwrap_or_default();
    let (progress, progress_message) = progress.clone();
    pb::Task {
        task_id: task.id.as_str().into(),
        method: task.method.as_ref().into(),
        queue: task.options.queue.as_str().into(),
        priority: task.options.priority,
        state: pb::TaskState::from(snapshot.state) as i32,
        failure: outcome.as_ref().and_then(failure),
        attempts: snapshot.attempts,
        rescues: snapshot.rescues,
        deps: task.deps.iter().map(|dep| dep.as_str().into()).collect(),
        tags: labels.tags,
        submitted_at: Some(task.submitted_at.into()),
        started_at: snapshot.started_at.map(Into::into),
        ended_at: outcome.as_ref().map(|outcome| outcome.ended_at.into()),
        run_at: snapshot.due_at.map(Into::into),
        progress,
        progress_message,
        durability: pb::Durability::from(task.options.durability) as i32,
        initiator: labels.initiator,
        reason: labels.reason,
        source_system: labels.source_system,
        correlation_id: labels.correlation_id,
        skipped: outcome.as_ref().is_some_and(|outcome| outcome.ending == Ending::Skipped),
        cancel_requested: snapshot.cancel_requested,
        parent_id: task.parent.as_ref().map(|id| id.as_str().into()).unwrap_or_default(),
        concurrency_key: task.options.concurrency_key().unwrap_or_default().into(),
        unique_key: task.options.unique().map(|unique| unique.key.clone()).unwrap_or_default(),
        resolved: snapshot.resolved,
        checkpoint_bytes: snapshot.checkpoint_bytes as u64,
        log_lines: snapshot.log_lines,
        waits_for: snapshot.unmet,
        expires_at: task.options.expires_at.map(Into::into),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use prost::Message as _;

    use super::*;
    use crate::clock::Timestamp;
    use crate::error::Code;
    use crate::models::{
        ArgValue, Digest, Durability, Ended, Failure, Options, QueueName, RetryPolicy, Sequence,
        Task, TaskId,
    };

    const MESSAGE: usize = 4 << 20;

    fn snapshot(number: u64, message: &str) -> Snapshot {
        let options = Options {
            queue: QueueName::default(),
            priority: 0,
            run_at: None,
            expires_at: Some(Timestamp::EPOCH),
            timeout: Duration::from_secs(1),
            retry: RetryPolicy::with_retries(0),
            durability: Durability::Durable,
            wait_for_dependencies: false,
            on_dependency_failure: Default::default(),
            labels: None,
            keys: None,
        };
        let args = vec![ArgValue::from("argument")];
        let task = Task {
            id: TaskId::parse(&number.to_string(), "x").unwrap(),
            method: "add".into(),
            digest: Digest::of("add", &args, &[]),
            args,
            deps: Vec::new(),
            submitted_at: Timestamp::EPOCH,
            parent: None,
            options,
        };
        let failure = Failure { code: Code::HandlerFailed, message: message.into() };
        let outcome = Outcome {
            ending: Ending::Failed(failure),
            attempts: 1,
            started_at: None,
            ended_at: Timestamp::EPOCH,
        };
        let ended = Ended { task: Arc::new(task), outcome };
        Snapshot { sequence: Some(Sequence(number)), ..Snapshot::of_ended(&ended) }
    }

    fn paged(count: u64, message: &str, next: Option<u64>) -> pb::ListTasksResponse {
        let tasks = (1..=count).rev().map(|number| snapshot(number, message)).collect();
        let tokens = PageTokens::of(&pb::ListTasksRequest::default());
        let answer = page(TaskPage { tasks, next: next.map(Sequence) }, &tokens, MESSAGE);
        assert!(answer.encoded_len() <= MESSAGE, "{} bytes", answer.encoded_len());
        answer
    }

    fn before(answer: &pb::ListTasksResponse) -> Option<Sequence> {
        let tokens = PageTokens::of(&pb::ListTasksRequest::default());
        let token = &answer.next_page_token;
        (!token.is_empty()).then(|| tokens.decode(token).unwrap())
    }

    #[test]
    fn a_listed_task_has_no_arguments_result_and_history() {
        let whole = task(snapshot(1, "no"));
        assert_eq!((whole.args.len(), whole.history.len()), (1, 1));
        let answer = paged(1, "no", None);
        let expected = pb::Task { args: Vec::new(), history: Vec::new(), ..whole };
        assert_eq!((&*answer.tasks, before(&answer)), (&[expected][..], None));
    }

    #[test]
    fn the_page_after_a_whole_page_begins_where_the_store_says() {
        let answer = paged(3, "no", Some(1));
        assert_eq!((answer.tasks.len(), before(&answer)), (3, Some(Sequence(1))));
        let answer = paged(0, "no", Some(1));
        assert_eq!((answer.tasks.len(), before(&answer)), (0, Some(Sequence(1))));
    }

    #[test]
    fn the_page_after_a_cut_page_begins_at_the_cut() {
        let answer = paged(1_000, &"x".repeat(8 << 10), None);
        let kept = answer.tasks.len() as u64;
        assert!((400..600).contains(&kept), "{kept}");
        assert_eq!(before(&answer), Some(Sequence(1_000 - kept + 1)));
        assert_eq!(answer.tasks.last().unwrap().task_id, (1_000 - kept + 1).to_string());
    }

    #[test]
    fn a_listing_passes_a_task_that_is_larger_than_a_message() {
        let tasks = vec![snapshot(2, "long"), snapshot(1, "long")];
        let tokens = PageTokens::of(&pb::ListTasksRequest::default());
        let answer = page(TaskPage { tasks, next: None }, &tokens, 0);
        assert_eq!((answer.tasks.len(), before(&answer)), (1, Some(Sequence(2))));
    }
}
