//! Listings, page by page.

use std::collections::VecDeque;

use crate::client::retry::Repeat;
use crate::client::{ClientError, TaskClient};
use crate::pb;

/// The tasks that match a filter, newest first. It requests one page at a time, when the tasks of the
/// previous page have been read. The tasks have no arguments, result and history.
#[derive(Debug)]
#[must_use]
pub struct TaskList {
    client: TaskClient,
    request: pb::ListTasksRequest,
    /// The tasks of the current page that were not read yet.
    page: VecDeque<pb::Task>,
    is_over: bool,
}

impl TaskList {
    pub(super) fn new(client: TaskClient, request: pb::ListTasksRequest) -> Self {
        Self { client, request, page: VecDeque::new(), is_over: false }
    }

    /// Sets the page size: at most 1,000; the server's default, 50, unless set.
    pub fn page_size(mut self, size: u32) -> Self {
        self.request.page_size = size;
        self
    }

    /// The next task; `None` after the last one.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses. The next call requests the same page again.
    pub async fn next(&mut self) -> Result<Option<pb::Task>, ClientError> {
        loop {
            if let Some(task) = self.page.pop_front() {
                return Ok(Some(task));
            }
            // A page can be empty although there are more.
            if !self.next_request().await? {
                return Ok(None);
            }
        }
    }

    /// The rest of the current page, or the next page, which can be empty although there are more tasks;
    /// `None` after the last page.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn next_page(&mut self) -> Result<Option<Vec<pb::Task>>, ClientError> {
        if self.page.is_empty() && !self.next_request().await? {
            return Ok(None);
        }
        Ok(Some(self.page.drain(..).collect()))
    }

    /// Requests the next page; `false` when there is none.
    async fn next_request(&mut self) -> Result<bool, ClientError> {
        if self.is_over {
            return Ok(false);
        }
        let request = &self.request;
        let answer = self
            .client
            .call(
                Repeat::IDEMPOTENT,
                request,
                |mut rpc, it| async move { rpc.list_tasks(it).await },
            )
            .await?;
        self.is_over = answer.next_page_token.is_empty();
        self.request.page_token = answer.next_page_token;
        self.page = answer.tasks.into();
        Ok(true)
    }
}
