//! Tasks that belong together: one after the other, side by side, and one for the end.

use crate::client::answers::id;
use crate::client::retry::Repeat;
use crate::client::submit::repeat;
use crate::client::{AsyncResult, ClientError, TaskBuilder, TaskClient};
use crate::error::Error;
use crate::pb;
use crate::wire::nested;

const GROUP: &str = "SubmitGroup";

/// Tasks that run side by side and the one that gets all their results.
#[derive(Clone, Debug)]
pub struct Chord {
    /// In the order asked.
    pub tasks: Vec<AsyncResult>,
    /// Starts when all of them have succeeded.
    pub callback: AsyncResult,
}

impl TaskClient {
    /// Sends off 1 to 1,000 tasks that run one after the other; each gets the result of the one before
    /// it as its first argument. All are accepted, or none. The last one's result is the chain's.
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

    /// Sends off 1 to 1,000 tasks that run side by side. All are accepted, or none.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn group(
        &self,
        tasks: impl IntoIterator<Item = TaskBuilder>,
    ) -> Result<Vec<AsyncResult>, ClientError> {
        Ok(self.submit_group(tasks, None).await?.0)
    }

    /// The same, and one that starts when all have succeeded, with the list of their results, in the
    /// order asked, as its first argument.
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
        let twice =
            callback.as_ref().map_or(Repeat::TOGETHER, |task| Repeat::TOGETHER.and(repeat(task)));
        let build = |task| match self.build(task) {
            Ok((_, request)) => Ok(request),
            Err(refused) => Err(nested("callback", refused)),
        };
        let callback = callback.map(build).transpose()?;
        let (tasks, repeat) = self.requests(tasks, twice)?;
        let request = pb::SubmitGroupRequest { tasks, callback, wait: None };
        let answer = self
            .call(repeat, &request, |mut rpc, it| async move { rpc.submit_group(it).await })
            .await?;
        let handles = self.handles(GROUP, &answer.task_ids, request.tasks.len())?;
        Ok((handles, answer.callback_id))
    }

    /// The messages, and after what they may be sent twice, together with something else of which that
    /// is known.
    fn requests(
        &self,
        tasks: impl IntoIterator<Item = TaskBuilder>,
        mut twice: Repeat,
    ) -> Result<(Vec<pb::TaskRequest>, Repeat), Error> {
        let mut requests = Vec::new();
        for (at, task) in tasks.into_iter().enumerate() {
            twice = twice.and(repeat(&task));
            let built = self.build(task).map_err(|error| nested(&format!("tasks[{at}]"), error));
            requests.push(built?.1);
        }
        Ok((requests, twice))
    }

    fn handles(
        &self,
        call: &'static str,
        ids: &[String],
        asked: usize,
    ) -> Result<Vec<AsyncResult>, ClientError> {
        if ids.len() != asked {
            return Err(ClientError::BadAnswer { call, what: "not as many ids as tasks" });
        }
        ids.iter().map(|text| Ok(self.handle(id(call, text)?))).collect()
    }
}
