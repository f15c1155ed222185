//! Tasks that belong together: chains and groups, made of dependencies and results as arguments.

use super::Engine;
use super::core::draining;
use crate::error::{Error, Violation};
use crate::models::{ArgValue, CancelRequest, Request, TaskId};

impl Engine {
    /// Takes tasks in that run one after the other; each gets the result of the one before it as its
    /// first argument. If one is refused, those that came in before it are taken back, as far as they
    /// have not started.
    ///
    /// # Errors
    /// The refusals of the first that is refused, its fields below `tasks[…]`.
    pub async fn chain(&self, tasks: Vec<Request>) -> Result<Vec<TaskId>, Error> {
        let mut tasks = tasks;
        let ids: Vec<TaskId> = tasks.iter_mut().map(name).collect();
        for (task, before) in tasks.iter_mut().skip(1).zip(&ids) {
            follow(task, std::slice::from_ref(before), ArgValue::ResultOf(before.clone()));
        }
        self.enqueue_together(tasks, |at| format!("tasks[{at}]")).await?;
        Ok(ids)
    }

    /// Takes tasks in that run side by side, and perhaps one that gets the list of all their results as
    /// its first argument. If one is refused, those that came in before it are taken back, as far as
    /// they have not started.
    ///
    /// # Errors
    /// The refusals of the first that is refused, its fields below `tasks[…]` or `callback`.
    pub async fn group(
        &self,
        tasks: Vec<Request>,
        callback: Option<Request>,
    ) -> Result<(Vec<TaskId>, Option<TaskId>), Error> {
        let mut tasks = tasks;
        let ids: Vec<TaskId> = tasks.iter_mut().map(name).collect();
        let mut callback_id = None;
        if let Some(mut callback) = callback {
            let results = ids.iter().cloned().map(ArgValue::ResultOf).collect();
            follow(&mut callback, &ids, ArgValue::Array(results));
            callback_id = Some(name(&mut callback));
            tasks.push(callback);
        }
        let members = ids.len();
        let place =
            move |at| if at < members { format!("tasks[{at}]") } else { "callback".to_owned() };
        self.enqueue_together(tasks, place).await?;
        Ok((ids, callback_id))
    }

    /// What came in before one was refused is cancelled and forgotten. (What the gate refuses is seen
    /// before anything comes in.)
    async fn enqueue_together(
        &self,
        tasks: Vec<Request>,
        place: impl Fn(usize) -> String + Send + Sync + 'static,
    ) -> Result<(), Error> {
        for (at, task) in tasks.iter().enumerate() {
            let looked_at = refuse_unique(task).and_then(|()| self.look_at(task));
            looked_at.map_err(|error| below(error, &place(at)))?;
        }
        // A caller that goes away does not leave half of them behind.
        let engine = self.clone();
        let entering =
            self.0.on_loops.spawn(async move { engine.enter_together(tasks, place).await });
        entering.await.unwrap_or_else(|_| Err(draining()))
    }

    async fn enter_together(
        &self,
        tasks: Vec<Request>,
        place: impl Fn(usize) -> String,
    ) -> Result<(), Error> {
        let begun = self.begin_together(tasks.into_iter().map(Ok).collect()).await;
        let mut accepted = Vec::new();
        let mut refused = None;
        for (at, entry) in begun.into_iter().enumerate() {
            let answer = match entry {
                Ok((checked, begun)) => self.accepted(&checked, begun).await,
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
        // Their ids can be given again, but for those that had started by then.
        let undone = match self.cancel(request).await {
            Ok(_) => self.purge(accepted, None).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(undo) = undone {
            tracing::warn!(error = %undo, "what came in with a task that was refused stays");
        }
        Err(error)
    }
}

/// Others are told of it by its id, so it cannot turn out to be another task.
fn refuse_unique(request: &Request) -> Result<(), Error> {
    match &request.options {
        Some(options) if options.keys.unique.is_some() => Err(Error::invalid(
            "options.unique",
            "not of a task in a chain or group: others are to know it by its own id",
        )),
        _ => Ok(()),
    }
}

/// The request's id; it is given one if it has none.
fn name(request: &mut Request) -> TaskId {
    request.id.get_or_insert_with(TaskId::generate).clone()
}

/// Makes a task wait for others, and hands it what they came to.
fn follow(task: &mut Request, parents: &[TaskId], result: ArgValue) {
    for parent in parents {
        if !task.deps.contains(parent) {
            task.deps.push(parent.clone());
        }
    }
    task.args.insert(0, result);
    task.options.get_or_insert_default().wait_for_dependencies = true;
}

/// The same refusal, of a part of a larger request.
fn below(error: Error, place: &str) -> Error {
    let message = format!("{place}: {}", error.message);
    let at = |violation: Violation| Violation {
        field: format!("{place}.{}", violation.field),
        ..violation
    };
    let violations = error.violations.into_iter().map(at).collect();
    Error { message, violations, ..error }
}
