//! Listings, a page at a time.

use std::collections::VecDeque;

use crate::client::retry::Repeat;
use crate::client::{ClientError, TaskClient};
use crate::pb;

/// The tasks that match, newest first; asked for a page at a time, as they are taken. A task of it is
/// as the wire has it, without arguments, result and history.
#[derive(Debug)]
#[must_use]
pub struct TaskList {
    client: TaskClient,
    request: pb::ListTasksRequest,
    /// Of the latest page, what was not taken yet.
    page: VecDeque<pb::Task>,
    is_over: bool,
}

impl TaskList {
    pub(super) fn new(client: TaskClient, request: pb::ListTasksRequest) -> Self {
        Self { client, request, page: VecDeque::new(), is_over: false }
    }

    /// How many tasks to ask for at a time: at most 1,000; the server's default, 50, unless set.
    pub fn page_size(mut self, size: u32) -> Self {
        self.request.page_size = size;
        self
    }

    /// The next task, or `None` when that was all.
    ///
    /// # Errors
    /// What the server refuses, and what a read comes to that cannot reach it. The next call asks for
    /// the same page again.
    pub async fn next(&mut self) -> Result<Option<pb::Task>, ClientError> {
        loop {
            if let Some(task) = self.page.pop_front() {
                return Ok(Some(task));
            }
            // A page can be empty although there are more.
            if !self.turn().await? {
                return Ok(None);
            }
        }
    }

    /// What is left of the current page, or the next one; it may be empty although there are more.
    /// `None` when that was all.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn next_page(&mut self) -> Result<Option<Vec<pb::Task>>, ClientError> {
        if self.page.is_empty() && !self.turn().await? {
            return Ok(None);
        }
        Ok(Some(self.page.drain(..).collect()))
    }

    /// Asks for the next page; `false` when there is none.
    async fn turn(&mut self) -> Result<bool, ClientError> {
        if self.is_over {
            return Ok(false);
        }
        let request = &self.request;
        let answer = self
            .client
            .call(Repeat::HARMLESS, request, |mut rpc, it| async move { rpc.list_tasks(it).await })
            .await?;
        self.is_over = answer.next_page_token.is_empty();
        self.request.page_token = answer.next_page_token;
        self.page = answer.tasks.into();
        Ok(true)
    }
}
