//! Chains, groups and chords.

use crate::client::answers::id;
use crate::client::retry::Repeat;
use crate::client::submit::repeat;
use crate::client::{AsyncResult, ClientError, TaskBuilder, TaskClient};
use crate::error::Error;
use crate::pb;
use crate::wire::nested;

const GROUP: &str = "SubmitGroup";

/// A group with a callback that gets all its results.
#[derive(Clone, Debug)]
pub struct Chord {
    /// The tasks, in the order of the request.
    pub tasks: Vec<AsyncResult>,
    /// The task that starts when all of them have succeeded.
    pub callback: AsyncResult,
}

impl TaskClient {
    /// Enqueues 1 to 1,000 tasks that run in sequence. Each gets the result of the previous one as its
    /// first argument; the last result is the chain's. If one is refused, the call fails and those
    /// accepted before it are cancelled.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn chain(
        &self,
        tasks: impl IntoIterator<Item = TaskBuilder>,
    ) -> Result<Vec<AsyncResult>, ClientError> {
        let (tasks, repeat) = self.requests(tasks, Repeat::TOGETHER)?;
        let request = pb::SubmitChainRequest { tasks, wait: None };
        let answer = self
            .call(repeat, &request, |mut rpc, it| async move { rpc.submit_chain(it).await })
            .await?;
        self.handles("SubmitChain", &answer.task_ids, request.tasks.len())
    }

    /// Enqueues 1 to 1,000 tasks that run in parallel. If one is refused, the call fails and those
    /// accepted before it are cancelled.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn group(
        &self,
        tasks: impl IntoIterator<Item = TaskBuilder>,
    ) -> Result<Vec<AsyncResult>, ClientError> {
        Ok(self.submit_group(tasks, None).await?.0)
    }

    /// Enqueues a group and a callback that starts when all tasks of the group have succeeded. Its first
    /// argument is the list of their results, in the order of the request.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn chord(
        &self,
        tasks: impl IntoIterator<Item = TaskBuilder>,
        callback: TaskBuilder,
    ) -> Result<Chord, ClientError> {
        let (tasks, callback) = self.submit_group(tasks, Some(callback)).await?;
        let callback = self.handle(id(GROUP, &callback)?);
        Ok(Chord { tasks, callback })
    }

    async fn submit_group(
        &self,
        tasks: impl IntoIterator<Item = TaskBuilder>,
        callback: Option<TaskBuilder>,
    ) -> Result<(Vec<AsyncResult>, String), ClientError> {
        let repeatable =
            callback.as_ref().map_or(Repeat::TOGETHER, |task| Repeat::TOGETHER.and(repeat(task)));
        let build = |task| match self.build(task) {
            Ok((_, request)) => Ok(request),
            Err(refused) => Err(nested("callback", refused)),
        };
        let callback = callback.map(build).transpose()?;
        let (tasks, repeat) = self.requests(tasks, repeatable)?;
        let request = pb::SubmitGroupRequest { tasks, callback, wait: None };
        let answer = self
            .call(repeat, &request, |mut rpc, it| async move { rpc.submit_group(it).await })
            .await?;
        let handles = self.handles(GROUP, &answer.task_ids, request.tasks.len())?;
        Ok((handles, answer.callback_id))
    }

    /// The messages, and when a call with them, and with a task that has `repeatable`, may be repeated.
    fn requests(
        &self,
        tasks: impl IntoIterator<Item = TaskBuilder>,
        mut repeatable: Repeat,
    ) -> Result<(Vec<pb::TaskRequest>, Repeat), Error> {
        let mut requests = Vec::new();
        for (at, task) in tasks.into_iter().enumerate() {
            repeatable = repeatable.and(repeat(&task));
            let built = self.build(task).map_err(|error| nested(&format!("tasks[{at}]"), error));
            requests.push(built?.1);
        }
        Ok((requests, repeatable))
    }

    fn handles(
        &self,
        call: &'static str,
        ids: &[String],
        expected: usize,
    ) -> Result<Vec<AsyncResult>, ClientError> {
        if ids.len() != expected {
            return Err(ClientError::BadAnswer { call, what: "not as many ids as tasks" });
        }
        ids.iter().map(|text| Ok(self.handle(id(call, text)?))).collect()
    }
}
