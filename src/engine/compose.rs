//! Chains and groups: tasks connected by dependencies and by results as arguments.

use super::Engine;
use super::core::draining;
use crate::error::{Error, Violation};
use crate::models::{ArgValue, CancelRequest, Request, TaskId};

impl Engine {
    /// Enqueues tasks that run one after the other. Each gets the result of the task before it as its first
    /// argument. If one is refused, the tasks enqueued before it are cancelled and purged; one that runs
    /// already may still finish.
    ///
    /// # Errors
    /// The refusal of the first task that is refused; its fields are prefixed with `tasks[…]`.
    pub async fn chain(&self, tasks: Vec<Request>) -> Result<Vec<TaskId>, Error> {
        let mut tasks = tasks;
        let ids: Vec<TaskId> = tasks.iter_mut().map(ensure_id).collect();
        for (task, before) in tasks.iter_mut().skip(1).zip(&ids) {
            follow(task, std::slice::from_ref(before), ArgValue::ResultOf(before.clone()));
        }
        self.enqueue_together(tasks, |at| format!("tasks[{at}]")).await?;
        Ok(ids)
    }

    /// Enqueues tasks that run in parallel, and a callback that gets the list of their results as its first
    /// argument. If one is refused, the tasks enqueued before it are cancelled and purged; one that runs
    /// already may still finish.
    ///
    /// # Errors
    /// The refusal of the first task that is refused; its fields are prefixed with `tasks[…]` or `callback`.
    pub async fn group(
        &self,
        tasks: Vec<Request>,
        callback: Option<Request>,
    ) -> Result<(Vec<TaskId>, Option<TaskId>), Error> {
        let mut tasks = tasks;
        let ids: Vec<TaskId> = tasks.iter_mut().map(ensure_id).collect();
        let mut callback_id = None;
        if let Some(mut callback) = callback {
            let results = ids.iter().cloned().map(ArgValue::ResultOf).collect();
            follow(&mut callback, &ids, ArgValue::Array(results));
            callback_id = Some(ensure_id(&mut callback));
            tasks.push(callback);
        }
        let members = ids.len();
        let place =
            move |at| if at < members { format!("tasks[{at}]") } else { "callback".to_owned() };
        self.enqueue_together(tasks, place).await?;
        Ok((ids, callback_id))
    }

    /// Checks every task at the gate, then enqueues all.
    async fn enqueue_together(
        &self,
        tasks: Vec<Request>,
        place: impl Fn(usize) -> String + Send + Sync + 'static,
    ) -> Result<(), Error> {
        for (at, task) in tasks.iter().enumerate() {
            let checked = refuse_unique(task).and_then(|()| self.check_only(task));
            checked.map_err(|error| below(error, &place(at)))?;
        }
        // Spawned, so that a caller that disconnects does not leave half of the tasks behind.
        let engine = self.clone();
        let submitting =
            self.0.service_thread.spawn(async move { engine.submit_together(tasks, place).await });
        submitting.await.unwrap_or_else(|_| Err(draining()))
    }

    async fn submit_together(
        &self,
        tasks: Vec<Request>,
        place: impl Fn(usize) -> String,
    ) -> Result<(), Error> {
        let batch = self.submit_batch(tasks.into_iter().map(Ok).collect()).await;
        let mut accepted = Vec::new();
        let mut refused = None;
        for (at, entry) in batch.into_iter().enumerate() {
            let answer = match entry {
                Ok((checked, submitted)) => self.accepted(&checked, submitted).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) if !answer.joined => accepted.push(answer.id),
                Ok(_) => {}
                Err(error) => {
                    refused.get_or_insert(below(error, &place(at)));
                }
            }
        }
        let Some(error) = refused else { return Ok(()) };
        let reason = "another task of the same call was refused".to_owned();
        let request = CancelRequest { ids: accepted.clone(), matching: None, reason };
        // Purged, so that the caller can use the same ids again; a task that has started keeps its id.
        let undone = match self.cancel(request).await {
            Ok(_) => self.purge(accepted, None).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(undo) = undone {
            tracing::warn!(error = %undo, "cannot undo the tasks of a call of which one was refused");
        }
        Err(error)
    }
}

/// A unique key could join the request to an existing task of another id, but the other tasks of the call
/// refer to this id.
fn refuse_unique(request: &Request) -> Result<(), Error> {
    match &request.options {
        Some(options) if options.keys.unique.is_some() => Err(Error::invalid(
            "options.unique",
            "a unique key; a task in a chain or group cannot have one, because others refer to its id",
        )),
        _ => Ok(()),
    }
}

/// The request's id; generates one if it has none.
fn ensure_id(request: &mut Request) -> TaskId {
    request.id.get_or_insert_with(TaskId::generate).clone()
}

/// Makes a task wait for its parents, with their results as its first argument.
fn follow(task: &mut Request, parents: &[TaskId], result: ArgValue) {
    for parent in parents {
        if !task.deps.contains(parent) {
            task.deps.push(parent.clone());
        }
    }
    task.args.insert(0, result);
    task.options.get_or_insert_default().wait_for_dependencies = true;
}

/// Prefixes the fields of a refusal with the place of its task in the request.
fn below(error: Error, place: &str) -> Error {
    let message = format!("{place}: {}", error.message);
    let at = |violation: Violation| Violation {
        field: format!("{place}.{}", violation.field),
        ..violation
    };
    let violations = error.violations.into_iter().map(at).collect();
    Error { message, violations, ..error }
}
